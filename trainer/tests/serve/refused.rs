//! What is refused, with which status and which words.

use std::time::Duration;

use lookalike_trainer::serve::Limits;

use super::client::{Server, picture};
use super::command::Program;
use super::common::Bench;

#[test]
fn wrong_requests_are_told_what_is_wrong() {
    let server = Server::new(Limits::default(), None);
    let good = picture(0);
    let cases: &[(&str, &str, &[u8], u16, &str)] = &[
        ("GET", "/api/search?code=f32", b"", 405, "POST only"),
        ("POST", "/", b"", 405, "GET, HEAD only"),
        ("PUT", "/api/enrol?name=x", &good, 405, "POST only"),
        ("PATCH", "/api/items/60", b"", 405, "DELETE only"),
        ("OPTIONS", "/api/search", b"", 405, "POST only"),
        ("BREW", "/api/about", b"", 405, "GET, HEAD only"),
        ("POST", "/api/search", &good, 400, "`code` is missing"),
        ("POST", "/api/search?code=f64", &good, 400, "`f64` is no code"),
        ("POST", "/api/search?code=f32&k=0", &good, 400, "from 1 to 100"),
        ("POST", "/api/search?code=f32&as=photo", &good, 400, "`ink`"),
        ("POST", "/api/search?code=f32&file=/etc/passwd", &good, 400, "no `file`"),
        ("POST", "/api/search?code=f32", b"", 415, "not a PNG, JPEG or BMP"),
        ("POST", "/api/search?code=f32", b"GIF89a", 415, "Convert it"),
        ("POST", "/api/search?code=f32", &good[..good.len() - 30], 422, "picture is broken"),
        ("POST", "/api/enrol", &good, 400, "`name` is missing"),
        ("POST", "/api/enrol?name=", &good, 400, "1 to 32 bytes"),
        ("POST", "/api/enrol?name=a%0Ab", &good, 400, "line breaks"),
        ("POST", "/api/enrol?name=123456789012345678901234567890123", &good, 400, "1 to 32"),
        ("POST", "/api/enrol?name=a", b"none", 415, "not a PNG"),
        ("DELETE", "/api/items/0", b"", 403, "belongs to the gallery"),
        ("DELETE", "/api/items/60", b"", 404, "no item 60"),
        ("DELETE", "/api/items/x", b"", 404, "nothing at this address"),
        ("GET", "/api/gallery?code=none", b"", 400, "is no code"),
        ("GET", "/thumbnail/4294967295", b"", 404, "nothing at this address"),
    ];
    for (method, target, body, status, message) in cases {
        let answer = server.ask(method, target, body);
        assert_eq!(answer.status, *status, "{method} {target}: {}", answer.text());
        assert!(answer.error().contains(message), "{method} {target}: {}", answer.text());
        assert_eq!(answer.headers.contains_key("allow"), *status == 405);
    }
    assert_eq!(server.get("/api/about").json()["enrolled"], serde_json::json!([]));
}

/// Everything that may lead to a file elsewhere leads nowhere.
#[test]
fn no_path_of_the_file_system_can_be_read() {
    let server = Server::new(Limits::default(), None);
    for path in [
        "/etc/passwd",
        "//etc/passwd",
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/.",
        "/./main.js",
        "/x/../main.js",
        "/main.js/",
        "/main.js%00",
        "/MAIN.JS",
        "/page/main.js",
        "/src/serve/page/main.js",
        "/Cargo.toml",
        "/proc/self/environ",
        "/thumbnail/",
        "/thumbnail/../../etc/passwd",
        "/thumbnail/%2e%2e%2fx",
        "/thumbnail/-1",
        "/thumbnail/0/",
        "/api/gallery/../../x?code=f32",
        "/\\..\\..\\windows\\win.ini",
    ] {
        let answer = server.get(path);
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.text().contains("root:"), "{path}");
    }
}

/// The program's own files, by every name that they have, with the program
/// started where they lie; names of things are no names of files.
#[test]
fn no_file_of_the_program_can_be_read_and_none_is_written_but_the_one_it_keeps() {
    let bench = Bench::new();
    bench.train("a.model", "");
    bench.write("secret.txt", b"nobody is told this");
    let program = Program::start(&bench, "a.model --data data --save kept");
    let server = program.server;
    let here = bench.path("").display().to_string();
    let own = "data/train-images-idx3-ubyte";
    let mut before = bench.snapshot();
    for file in ["secret.txt", "a.model", "kept", ".kept.lock", own] {
        for target in [
            format!("/{file}"),
            format!("/./{file}"),
            format!("/style.css/../{file}"),
            format!("/thumbnail/../{file}"),
            format!("/%2e/{file}"),
            format!("{here}{file}"),
            format!("/{here}{file}"),
            format!("/{}", here.replace('/', "%2f")) + file,
            format!("/\\{file}"),
            format!("/{file}%00.css"),
            format!("/style.css?file={file}"),
            format!("/api/gallery?code=f32&path={here}{file}"),
            format!("/api/gallery?code={here}{file}"),
            format!("file://{here}{file}"),
            format!("http://{}/{file}", server.0),
        ] {
            let answer = server.get(&target);
            assert!([400, 404, 421].contains(&answer.status), "{target}: {}", answer.status);
            assert!(!answer.text().contains("nobody is told"), "{target}");
        }
    }
    for name in ["../../evil", "/tmp/evil", "..%2f..%2fevil", "evil.model"] {
        let target = format!("/api/enrol?name={name}");
        assert_eq!(server.ask("POST", &target, &picture(0)).status, 201);
    }
    let mut after = bench.snapshot();
    for files in [&mut before, &mut after] {
        files.remove(&bench.path("kept"));
    }
    assert_eq!(after, before);
}

#[test]
fn other_hosts_and_other_sites_are_refused() {
    let server = Server::new(Limits::default(), None);
    let raw = |text: String| server.raw(text.as_bytes()).expect("an answer").status;
    let port = server.0.port();
    assert_eq!(raw(format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")), 200);
    assert_eq!(raw("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".into()), 421);
    assert_eq!(raw(format!("GET / HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n")), 421);
    assert_eq!(raw("GET / HTTP/1.1\r\n\r\n".into()), 400);
    let twice = format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil.example\r\n\r\n");
    assert_eq!(raw(twice), 400);

    let file = picture(0);
    let enrol = |lines: &str| {
        let head = format!(
            "POST /api/enrol?name=x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\n{lines}\r\n",
            file.len()
        );
        server.raw(&[head.as_bytes(), &file].concat()).expect("an answer").status
    };
    assert_eq!(enrol(""), 403);
    assert_eq!(enrol("Origin: null\r\n"), 403);
    assert_eq!(enrol("Origin: http://evil.example\r\n"), 403);
    assert_eq!(enrol(&format!("Origin: http://127.0.0.1:{}\r\n", port ^ 1)), 403);
    let own = format!("Origin: http://127.0.0.1:{port}\r\n");
    assert_eq!(enrol(&format!("{own}Sec-Fetch-Site: cross-site\r\n")), 403);
    assert_eq!(server.get("/api/about").json()["enrolled"], serde_json::json!([]));
    assert_eq!(enrol(&own), 201);
}

#[test]
fn what_is_no_http_is_refused_or_cut_off() {
    let head_time = Duration::from_millis(300);
    let server = Server::new(Limits { head_time, ..Limits::default() }, None);
    let cases: &[&[u8]] = &[
        b"\r\n\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n",
        b"POST /api/search HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/search HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /api/search HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET \x00\xff HTTP/1.1\r\n\r\n",
    ];
    for case in cases {
        if let Some(answer) = server.raw(case) {
            assert!((400..600).contains(&answer.status), "{case:?}: {}", answer.status);
        }
    }
    server.goes_on();

    let server = Server::new(Limits::default(), None);
    let address = server.0;
    let chunked = format!(
        "POST /api/search?code=f32 HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\
         Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    );
    assert_eq!(server.raw(chunked.as_bytes()).unwrap().status, 400);
    assert_eq!(server.get("/").status, 200);
}
