//! The addresses, and what each answers.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /` and the page's other files | | the file |
//! | `GET /api/about` | | [`About`](super::super::About) |
//! | `POST /api/search?code=C&k=K&as=T` | a picture | [`Found`](super::super::Found) |
//! | `POST /api/enrol?name=N&as=T` | a picture | [`Enrolled`](super::super::Enrolled) |
//! | `DELETE /api/items/ID` | | the [`Enrolled`](super::super::Enrolled) that is gone |
//! | `GET /api/gallery?code=C` | | a gallery file |
//! | `GET /thumbnail/ID` | | a PNG file |
//!
//! Addresses are compared with a fixed list; none leads to the file system.

use std::borrow::Cow;

use clap::ValueEnum;
use form_urlencoded::parse;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

use super::super::finder::{About, Finder, FinderError};
use super::super::page;
use super::super::picture::{self, PictureError, Treatment};
use super::reply::{self, Body, Refusal};
use super::upload::{self, Upload};
use super::{Context, guard};
use crate::files::CodeKind;

/// Items that one search may ask for, and asks for if it does not say.
const MAX_K: usize = 100;
const DEFAULT_K: usize = 12;

/// The answer to any request.
pub async fn answer(context: &Context, request: Request<Incoming>) -> Response<Body> {
    match route(context, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.response(),
    }
}

async fn route(context: &Context, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    guard::check(&request, context.port)?;
    let path = request.uri().path().to_owned();
    let query = Query::parse(request.uri().query().unwrap_or_default())?;
    if let Some(page) = page::FILES.iter().find(|file| file.path == path) {
        expect(&request, &[Method::GET, Method::HEAD], "GET, HEAD")?;
        return Ok(reply::file(page.mime, page.content.as_bytes()));
    }
    if let Some(id) = path.strip_prefix("/thumbnail/").and_then(parse_id) {
        expect(&request, &[Method::GET, Method::HEAD], "GET, HEAD")?;
        let png = context.ask(move |finder| finder.thumbnail(id)).await?;
        return png.map(reply::picture).ok_or_else(not_found);
    }
    if let Some(id) = path.strip_prefix("/api/items/").and_then(parse_id) {
        expect(&request, &[Method::DELETE], "DELETE")?;
        let removed = context.ask(move |finder| finder.remove(id)).await?;
        return Ok(reply::json(StatusCode::OK, &removed.map_err(refuse_finding)?));
    }
    match path.as_str() {
        "/api/about" => {
            expect(&request, &[Method::GET, Method::HEAD], "GET, HEAD")?;
            about(context).await
        }
        "/api/gallery" => {
            expect(&request, &[Method::GET, Method::HEAD], "GET, HEAD")?;
            let code = query.code()?;
            let file = context.ask(move |finder| finder.gallery_file(code)).await?;
            Ok(reply::download(code.name(), file.map_err(refuse_finding)?))
        }
        "/api/search" => {
            expect(&request, &[Method::POST], "POST")?;
            search(context, &query, request).await
        }
        "/api/enrol" => {
            expect(&request, &[Method::POST], "POST")?;
            enrol(context, query, request).await
        }
        _ => Err(not_found()),
    }
}

/// [`About`], and what belongs to this server.
#[derive(Serialize)]
struct Start<'a> {
    #[serde(flatten)]
    about: About,
    upload_bytes: usize,
    start: &'a str,
}

async fn about(context: &Context) -> Result<Response<Body>, Refusal> {
    let about = context.ask(|finder| finder.about()).await?;
    let upload_bytes = context.limits.upload_bytes;
    Ok(reply::json(StatusCode::OK, &Start { about, upload_bytes, start: &context.start }))
}

async fn search(
    context: &Context,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let (code, k, treatment) = (query.code()?, query.k, query.treatment);
    let upload = upload::read(context, request).await?;
    let found = context.ask(move |finder| {
        let pixels = input(finder, &upload, treatment)?;
        finder.search(code, k, &pixels).map_err(refuse_finding)
    });
    Ok(reply::json(StatusCode::OK, &found.await??))
}

async fn enrol(
    context: &Context,
    query: Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let treatment = query.treatment;
    let Some(name) = query.name else { return Err(bad_query("`name` is missing")) };
    let upload = upload::read(context, request).await?;
    let enrolled = context.ask(move |finder| {
        let pixels = input(finder, &upload, treatment)?;
        finder.enrol(&name, pixels).map_err(refuse_finding)
    });
    Ok(reply::json(StatusCode::CREATED, &enrolled.await??))
}

/// The networks' input that a body holds.
fn input(finder: &Finder<'_>, upload: &Upload, treatment: Treatment) -> Result<Vec<u8>, Refusal> {
    let stock = finder.stock();
    picture::input(upload.bytes(), treatment, stock.shape(), stock.style()).map_err(refuse_picture)
}

fn expect<B>(request: &Request<B>, methods: &[Method], names: &'static str) -> Result<(), Refusal> {
    if methods.contains(request.method()) {
        return Ok(());
    }
    let message = format!("This address takes {names} only.");
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message);
    Err(Refusal { allow: Some(names), ..refusal })
}

fn not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "There is nothing at this address.")
}

fn bad_query(why: impl AsRef<str>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, format!("The address is wrong: {}.", why.as_ref()))
}

fn refuse_picture(error: PictureError) -> Refusal {
    let status = match &error {
        PictureError::Format => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        PictureError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        PictureError::Broken(_) | PictureError::NoInk => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Refusal::new(status, error.to_string())
}

fn refuse_finding(error: FinderError) -> Refusal {
    let status = match &error {
        FinderError::Code(_) | FinderError::Unknown(_) => StatusCode::NOT_FOUND,
        FinderError::Name => StatusCode::BAD_REQUEST,
        FinderError::ReadOnly(_) => StatusCode::FORBIDDEN,
        FinderError::Full(_) => StatusCode::CONFLICT,
        FinderError::Embedding | FinderError::Save(_) | FinderError::Gallery(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    Refusal::new(status, error.to_string())
}

/// Digits alone, and no more of them than an id has.
fn parse_id(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// What an address may say behind the question mark.
#[derive(Debug, PartialEq)]
struct Query {
    code: Option<CodeKind>,
    k: usize,
    treatment: Treatment,
    name: Option<String>,
}

impl Query {
    fn parse(text: &str) -> Result<Query, Refusal> {
        let treatment = Treatment::AsItIs { invert: false };
        let mut query = Query { code: None, k: DEFAULT_K, treatment, name: None };
        for (key, value) in parse(text.as_bytes()) {
            match key.as_ref() {
                "code" => query.code = Some(parse_code(&value)?),
                "k" => query.k = parse_k(&value)?,
                "as" => query.treatment = parse_treatment(&value)?,
                "name" => query.name = Some(value.into_owned()),
                // The page's way to tell pictures of one start from those of another.
                "start" => {}
                _ => return Err(bad_query(format!("there is no `{}`", shown(&key)))),
            }
        }
        Ok(query)
    }

    fn code(&self) -> Result<CodeKind, Refusal> {
        self.code.ok_or_else(|| bad_query("`code` is missing"))
    }
}

fn parse_code(value: &str) -> Result<CodeKind, Refusal> {
    let error = |_| bad_query(format!("`{}` is no code", shown(value)));
    CodeKind::from_str(value, false).map_err(error)
}

fn parse_k(value: &str) -> Result<usize, Refusal> {
    let k = parse_id(value).and_then(|k| usize::try_from(k).ok());
    let k = k.filter(|k| (1..=MAX_K).contains(k));
    k.ok_or_else(|| bad_query(format!("`k` is a number from 1 to {MAX_K}")))
}

fn parse_treatment(value: &str) -> Result<Treatment, Refusal> {
    match value {
        "as-it-is" => Ok(Treatment::AsItIs { invert: false }),
        "inverted" => Ok(Treatment::AsItIs { invert: true }),
        "ink" => Ok(Treatment::Ink),
        _ => Err(bad_query("`as` is `as-it-is`, `inverted` or `ink`")),
    }
}

/// The beginning of what a client wrote, for a message.
fn shown(text: &str) -> Cow<'_, str> {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        None => text.into(),
        Some((end, _)) => format!("{}...", &text[..end]).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(text: &str) -> String {
        let refusal = Query::parse(text).unwrap_err();
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
        refusal.message
    }

    #[test]
    fn queries_are_read() {
        let query = Query::parse("code=two-stage&k=7&as=ink&name=a+m%C3%BCg%26&start=1").unwrap();
        let expected = Query {
            code: Some(CodeKind::TwoStage),
            k: 7,
            treatment: Treatment::Ink,
            name: Some("a müg&".into()),
        };
        assert_eq!(query, expected);
        let query = Query::parse("").unwrap();
        assert_eq!(query.k, DEFAULT_K);
        assert!(query.code().is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(message("code=F32").contains("`F32` is no code"));
        for k in ["0", "101", "-1", "+1", "1e1", "", "99999999999999999999"] {
            assert!(message(&format!("k={k}")).contains("from 1 to 100"), "{k}");
        }
        assert!(message("as=is").contains("`ink`"));
        assert!(message("path=/etc/passwd").contains("no `path`"));
        assert!(message(&"ä".repeat(1000)).len() < 200);
    }

    #[test]
    fn ids_are_digits() {
        assert_eq!(parse_id("17"), Some(17));
        for text in ["", "+1", "-1", "1/2", "..", "4294967296", "1 "] {
            assert_eq!(parse_id(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_query_panics(text in ".{0,60}") {
            let _ = Query::parse(&text);
            let _ = parse_id(&text);
        }
    }
}
