//! What a client may send to `trainer serve`.
//!
//! A server of this process gets the bytes over the loopback interface and
//! must go on answering.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use lookalike::Shape;
use lookalike_trainer::data::Dataset;
use lookalike_trainer::files::load_model;
use lookalike_trainer::serve::{Limits, Stock, serve};

use crate::{F32_MODEL, IMAGES, as_file};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than most answers take.
const GLIMPSE: Duration = Duration::from_millis(10);

/// In a request that is sent, these bytes stand for the server's address, which
/// is another one each time.
const ADDRESS: &[u8] = b"@HOST@";

/// Sends the bytes on one connection, and asks for the page on another.
pub fn run(data: &[u8]) {
    let server = server();
    let address = server.to_string();
    let mut request = Vec::with_capacity(data.len() + 64);
    let mut rest = data;
    while let Some(place) = rest.windows(ADDRESS.len()).position(|part| part == ADDRESS) {
        request.extend_from_slice(&rest[..place]);
        request.extend_from_slice(address.as_bytes());
        rest = &rest[place + ADDRESS.len()..];
    }
    request.extend_from_slice(rest);
    let answer = exchange(server, &request);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "an answer is HTTP");
    let about = format!("GET /api/about HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    // On a busy machine an answer may take longer than a glimpse.
    let goes_on =
        (0..100).any(|_| exchange(server, about.as_bytes()).starts_with(b"HTTP/1.1 200 "));
    assert!(goes_on, "the server does not answer any more");
}

/// What the server says. A request that it waits for the rest of is ended:
/// not before, as an answer is not finished for a client that has left.
fn exchange(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).expect("a connection");
    stream.set_read_timeout(Some(GLIMPSE)).expect("a time limit");
    // The server may have answered and closed its side before it has read all.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let mut some = [0; 4096];
    let mut ended = false;
    loop {
        match stream.read(&mut some) {
            Ok(0) => return answer,
            Ok(read) => answer.extend_from_slice(&some[..read]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return answer,
            // libFuzzer's own timer.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                assert!(!ended, "the server neither answers nor closes");
                ended = true;
                stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
                let _ = stream.shutdown(Shutdown::Write);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// One server for all inputs, with room for few enrolments.
fn server() -> SocketAddr {
    static SERVER: OnceLock<SocketAddr> = OnceLock::new();
    *SERVER.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let limits = Limits { enrolled: 20, ..Limits::default() };
            let ready = |address| sender.send(address).expect("somebody waits");
            serve(&stock(), 0, None, limits, ready).expect("the server starts");
        });
        receiver.recv_timeout(PATIENCE).expect("the server starts")
    })
}

fn stock() -> Stock {
    let model = as_file(F32_MODEL, load_model).expect("a model");
    let shape = Shape { height: 28, width: 28, channels: 1 };
    let images = IMAGES.len() / shape.len();
    let data = Dataset {
        shape,
        pixels: IMAGES.to_vec(),
        labels: (0..images as u16).collect(),
        class_names: (0..images).map(|class| class.to_string()).collect(),
    };
    Stock::of_data(vec![model], &data).expect("images of the model's shape")
}
