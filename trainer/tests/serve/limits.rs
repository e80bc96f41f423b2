//! Sizes, numbers and times that are bounded.

use std::io::Write;
use std::time::Duration;

use lookalike_trainer::serve::Limits;

use super::client::{Server, picture, read_answer, wait_for_end};

/// So that what is waited for comes soon.
const SOON: Duration = Duration::from_millis(300);

/// Nothing but the head is sent: had the server waited for the body, it would
/// have answered 408.
#[test]
fn a_large_body_is_refused_before_it_is_sent() {
    let server = Server::new(Limits::default(), None);
    for length in [(16 << 20) + 1, 50 << 20, 1u64 << 60] {
        for path in ["/api/search?code=f32", "/api/enrol?name=x"] {
            let head = String::from_utf8(server.request("POST", path, "", b"")).unwrap();
            let head = head.replace("Content-Length: 0", &format!("Content-Length: {length}"));
            let answer = server.raw(head.as_bytes()).unwrap();
            assert_eq!(answer.status, 413, "{path} {length}");
            assert!(answer.error().contains("a picture may have 16 MiB"));
            assert_eq!(answer.headers["connection"], "close");
        }
    }
}

/// A client that sends all the same gets the answer, not a reset.
#[test]
fn a_large_body_that_is_sent_does_not_lose_the_answer() {
    let server = Server::new(Limits::default(), None);
    let body = vec![0; 50 << 20];
    let answer = server.ask("POST", "/api/search?code=f32", &body);
    assert_eq!(answer.status, 413);
    assert!(answer.error().contains("Scale it down first"));
}

#[test]
fn a_body_of_no_declared_length_is_cut_off() {
    let server = Server::new(Limits { upload_bytes: 1 << 20, ..Limits::default() }, None);
    let Server(address) = server;
    let head = format!(
        "POST /api/search?code=f32 HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    let chunk = [b"10000\r\n", &[0; 65_536][..], b"\r\n"].concat();
    let answer = server.raw(&[head.as_bytes(), &chunk.repeat(17)].concat()).unwrap();
    assert_eq!(answer.status, 413);
    assert!(answer.error().contains("1 MiB"));
    // Of the length that is allowed, it is read and found to be no picture.
    let whole = [head.as_bytes(), &chunk.repeat(16), b"0\r\n\r\n"].concat();
    assert_eq!(server.raw(&whole).unwrap().status, 415);
}

#[test]
fn a_long_head_is_refused() {
    let server = Server::new(Limits::default(), None);
    let long = format!("X-Long: {}\r\n", "x".repeat(20_000));
    let many = "X-One: 1\r\n".repeat(100);
    for lines in [long, many] {
        let answer = server.raw(&server.request("GET", "/", &lines, b"")).unwrap();
        assert_eq!(answer.status, 431);
    }
    let path = format!("/{}", "x".repeat(40_000));
    let answer = server.raw(&server.request("GET", &path, "", b""));
    assert!(answer.is_none_or(|answer| [414, 431].contains(&answer.status)));
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn no_more_is_enrolled_than_there_is_room_for() {
    let server = Server::new(Limits { enrolled: 2, ..Limits::default() }, None);
    let enrol = || server.ask("POST", "/api/enrol?name=x", &picture(0));
    assert_eq!((enrol().status, enrol().status), (201, 201));
    let refused = enrol();
    assert_eq!(refused.status, 409);
    assert!(refused.error().contains("No more than 2 things"));
    assert_eq!(server.ask("DELETE", "/api/items/60", b"").status, 200);
    assert_eq!(enrol().status, 201);
}

#[test]
fn a_head_that_does_not_come_ends_the_connection() {
    let server = Server::new(Limits { head_time: SOON, ..Limits::default() }, None);
    for beginning in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n"] {
        let mut stream = server.connect();
        stream.write_all(beginning.as_bytes()).unwrap();
        wait_for_end(stream);
    }
    // One byte after the other does not help.
    let mut stream = server.connect();
    while stream.write_all(b"G").is_ok() {
        std::thread::sleep(SOON / 30);
    }
    server.goes_on();
}

#[test]
fn a_body_that_does_not_come_ends_the_request() {
    let server = Server::new(Limits { body_time: SOON, ..Limits::default() }, None);
    let request = server.request("POST", "/api/search?code=f32", "", &picture(0));
    let mut stream = server.connect();
    stream.write_all(&request[..request.len() - 1]).unwrap();
    let answer = read_answer(&mut stream).unwrap();
    assert_eq!(answer.status, 408);
    assert!(answer.error().contains("did not arrive in time"));
    wait_for_end(stream);
}

/// A client that takes no answers: the server gives up on it.
#[test]
fn a_client_that_does_not_read_is_let_go() {
    let server =
        Server::new(Limits { connection_time: SOON, connections: 1, ..Limits::default() }, None);
    let mut stream = server.connect();
    let request = server.request("GET", "/style.css", "", b"");
    let mut sent = 0;
    // More than all buffers on the way hold; the server stops reading long before.
    while sent < 100_000 && stream.write_all(&request).is_ok() {
        sent += 1;
    }
    // The only place is free again.
    server.goes_on();
}

/// With every place taken by a client that says nothing, another one waits and
/// is then served.
#[test]
fn silent_clients_do_not_keep_others_out() {
    let limits = Limits { head_time: SOON, connections: 4, ..Limits::default() };
    let server = Server::new(limits, None);
    let silent: Vec<_> = (0..20).map(|_| server.connect()).collect();
    server.goes_on();
    drop(silent);
}

/// Uploads that stall do not take all the memory for uploads from others for ever.
#[test]
fn stalled_uploads_do_not_keep_others_out() {
    let limits = Limits {
        body_time: 4 * SOON,
        upload_bytes: 1 << 20,
        uploads_bytes: 2 << 20,
        ..Limits::default()
    };
    let server = Server::new(limits, None);
    let head = String::from_utf8(server.request("POST", "/api/search?code=f32", "", b"")).unwrap();
    let head = head.replace("Content-Length: 0", "Content-Length: 1048576");
    let stalled: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let mut status = 503;
    while status == 503 {
        status = server.ask("POST", "/api/search?code=f32", &picture(0)).status;
    }
    assert_eq!(status, 200);
    drop(stalled);
}

#[test]
fn a_connection_ends_when_its_time_is_over() {
    let server = Server::new(Limits { connection_time: SOON, ..Limits::default() }, None);
    let mut stream = server.connect();
    let request = server.request("GET", "/icon.svg", "", b"");
    let ended = (0..1_000_000).any(|_| {
        let answer = stream.write_all(&request).ok().and_then(|()| read_answer(&mut stream));
        answer.is_none_or(|answer| answer.status != 200)
    });
    assert!(ended);
}

/// Several requests at once on one connection are answered in their order.
#[test]
fn requests_are_pipelined() {
    let server = Server::new(Limits::default(), None);
    let mut stream = server.connect();
    let search = server.request("POST", "/api/search?code=binary", "", &picture(2));
    let icon = server.request("GET", "/icon.svg", "", b"");
    let last = server.request("GET", "/nothing", "Connection: close\r\n", b"");
    stream.write_all(&[search, icon, last].concat()).unwrap();
    let bytes = String::from_utf8_lossy(&wait_for_end(stream)).into_owned();
    let places = ["\"matches\"", "<svg", "nothing at this address"].map(|text| bytes.find(text));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
}
