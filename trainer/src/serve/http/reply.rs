//! Answers: JSON, files and refusals, all with the same protective headers.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// All answers are in memory.
pub type Body = Full<Bytes>;

/// What a browser may do with any answer: nothing but what this server gave it.
const PROTECTION: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // With `no-referrer` a browser may send `Origin: null` to this server too.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(self), microphone=(), geolocation=()"),
];

fn answer(status: StatusCode, mime: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(mime));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in PROTECTION {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A file of the page.
pub fn file(mime: &'static str, content: &'static [u8]) -> Response<Body> {
    answer(StatusCode::OK, mime, Bytes::from_static(content))
}

/// A picture under an address that never stands for another one.
pub fn picture(png: Vec<u8>) -> Response<Body> {
    let mut response = answer(StatusCode::OK, "image/png", png.into());
    let forever = HeaderValue::from_static("private, max-age=86400, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, forever);
    response
}

/// A file to be kept, under the name `CODE.gallery`.
pub fn download(code: &str, content: Vec<u8>) -> Response<Body> {
    let mut response = answer(StatusCode::OK, "application/octet-stream", content.into());
    let name = format!("attachment; filename=\"{code}.gallery\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

/// One JSON object.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("names are text and numbers are finite or null");
    answer(status, "application/json", text.into())
}

/// Why a request is not answered as asked: a status and a sentence for a person.
#[derive(Debug)]
pub struct Refusal {
    /// Of the 400s or 500s.
    pub status: StatusCode,
    /// A sentence or two.
    pub message: String,
    /// The methods that an address has, if that was what is wrong.
    pub allow: Option<&'static str>,
}

#[derive(Serialize)]
struct Problem<'a> {
    error: &'a str,
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into(), allow: None }
    }

    /// The thread that searches has ended.
    pub fn stopped() -> Refusal {
        let message = "The search has stopped. Start `trainer serve` again.";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    pub fn response(&self) -> Response<Body> {
        let mut response = json(self.status, &Problem { error: &self.message });
        if let Some(methods) = self.allow {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        // The rest of the body is not read.
        let unread = [
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        if unread.contains(&self.status) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
