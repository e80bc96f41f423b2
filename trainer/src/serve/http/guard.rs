//! Who may ask: the page itself, and programs on this machine.
//!
//! Any web page that a browser on this machine has open can send requests to
//! 127.0.0.1. Three checks keep them out, of which each would do for most:
//!
//! - `Host` must name this machine. A page whose domain's address is changed to
//!   127.0.0.1 after it was loaded (DNS rebinding) still sends its own name.
//! - `Origin` must be this server's for everything that sends or changes
//!   something. A browser puts it into every such request, and no script can
//!   change it.
//! - `Sec-Fetch-Site`, where a browser sends it, must not say that the request
//!   comes from another site, but for a link to the page.

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};

use super::reply::Refusal;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Refuses a request that may come from another site.
pub fn check<B>(request: &Request<B>, port: u16) -> Result<(), Refusal> {
    check_host(request, port)?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        check_origin(request, port)?;
    }
    check_site(request)
}

fn check_host<B>(request: &Request<B>, port: u16) -> Result<(), Refusal> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        let message = "A request needs one Host header.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
    };
    // `GET http://elsewhere/ HTTP/1.1`.
    let target = request.uri().authority().map(|authority| authority.as_str());
    let is_ours = |name: &str| names(port).iter().any(|ours| name.eq_ignore_ascii_case(ours));
    if host.to_str().is_ok_and(is_ours) && target.is_none_or(is_ours) {
        return Ok(());
    }
    let message = format!(
        "This server answers to http://127.0.0.1:{port}/ and http://localhost:{port}/ only."
    );
    Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, message))
}

/// A browser leaves the port of http out.
fn names(port: u16) -> Vec<String> {
    let mut names = vec![format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    if port == 80 {
        names.extend(["127.0.0.1".into(), "localhost".into()]);
    }
    names
}

fn check_origin<B>(request: &Request<B>, port: u16) -> Result<(), Refusal> {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let is_ours = |origin: &HeaderValue| {
        let name = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        name.is_some_and(|name| names(port).iter().any(|ours| name == ours))
    };
    if origins.next().is_some_and(is_ours) && origins.next().is_none() {
        return Ok(());
    }
    let message = format!(
        "Only the page of this server may do that: a program sends the header \
         `Origin: http://127.0.0.1:{port}`."
    );
    Err(Refusal::new(StatusCode::FORBIDDEN, message))
}

fn check_site<B>(request: &Request<B>) -> Result<(), Refusal> {
    let Some(site) = request.headers().get(FETCH_SITE) else { return Ok(()) };
    let link = request.uri().path() == "/"
        && request.method() == Method::GET
        && request.headers().get(FETCH_MODE).is_some_and(|mode| mode == "navigate");
    if site == "same-origin" || site == "none" || link {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, "Another site may not use this server."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn status(method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
        check(&request(method, target, headers), 7878).map_or_else(|r| r.status.as_u16(), |()| 200)
    }

    #[test]
    fn only_this_machine_is_a_host() {
        for host in ["127.0.0.1:7878", "localhost:7878", "LocalHost:7878"] {
            assert_eq!(status("GET", "/", &[("host", host)]), 200, "{host}");
            let absolute = format!("http://{host}/");
            assert_eq!(status("GET", &absolute, &[("host", host)]), 200, "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:7878",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1:7878.evil.example",
            "127.0.0.1:7878@evil.example",
            "localhost.evil.example:7878",
            "0.0.0.0:7878",
            "[::1]:7878",
            " 127.0.0.1:7878",
        ] {
            assert_eq!(status("GET", "/", &[("host", host)]), 421, "{host}");
        }
        let own = ("host", "localhost:7878");
        assert_eq!(status("GET", "http://evil.example/", &[own]), 421);
        assert_eq!(status("GET", "/", &[]), 400);
        assert_eq!(status("GET", "/", &[own, own]), 400);
    }

    #[test]
    fn what_changes_something_needs_our_origin() {
        let host = ("host", "127.0.0.1:7878");
        for method in ["POST", "DELETE", "PUT", "OPTIONS"] {
            let with = |origin: &str| status(method, "/api/search", &[host, ("origin", origin)]);
            assert_eq!(with("http://127.0.0.1:7878"), 200);
            assert_eq!(with("http://localhost:7878"), 200);
            for origin in [
                "null",
                "",
                "https://127.0.0.1:7878",
                "http://127.0.0.1",
                "http://127.0.0.1:3000",
                "http://evil.example",
                "http://127.0.0.1:7878.evil.example",
            ] {
                assert_eq!(with(origin), 403, "{method} {origin}");
            }
            assert_eq!(status(method, "/api/search", &[host]), 403);
            let own = ("origin", "http://127.0.0.1:7878");
            assert_eq!(status(method, "/", &[host, own, own]), 403);
        }
    }

    #[test]
    fn other_sites_may_link_and_nothing_else() {
        let from = |site: &str, mode: &str, target: &str| {
            let headers = [
                ("host", "127.0.0.1:7878"),
                ("origin", "http://127.0.0.1:7878"),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
            ];
            status("GET", target, &headers)
        };
        for site in ["same-origin", "none"] {
            assert_eq!(from(site, "no-cors", "/thumbnail/0"), 200);
        }
        for site in ["cross-site", "same-site", "something new"] {
            assert_eq!(from(site, "navigate", "/"), 200);
            assert_eq!(from(site, "no-cors", "/"), 403);
            assert_eq!(from(site, "no-cors", "/thumbnail/0"), 403);
            assert_eq!(from(site, "navigate", "/api/about"), 403);
        }
    }
}
