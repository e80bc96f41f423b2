//! A client that sends what it is told to, good or bad, and servers to send it to.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use image::{GrayImage, ImageFormat};
use lookalike::Packing;
use lookalike_trainer::data::{Dataset, Source, Split};
use lookalike_trainer::files::{LoadedModel, load_model};
use lookalike_trainer::quantize;
use lookalike_trainer::serve::{Limits, Stock, serve};

use super::common::{Bench, SIDE, images};

/// No answer takes as long as this: a test that waits for one fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server said.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names are in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The sentence of a refusal.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().expect("a refusal").to_owned()
    }
}

/// A server in this process.
#[derive(Clone, Copy)]
pub struct Server(pub SocketAddr);

impl Server {
    /// Serves the small data set of [`stock`].
    pub fn new(limits: Limits, file: Option<PathBuf>) -> Server {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            serve(&stock(), 0, file, limits, |address| sender.send(address).unwrap()).unwrap();
        });
        Server(receiver.recv_timeout(PATIENCE).expect("the server starts"))
    }

    pub fn connect(self) -> TcpStream {
        let stream = TcpStream::connect(self.0).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes as they are and reads one answer.
    pub fn raw(self, bytes: &[u8]) -> Option<Answer> {
        let mut stream = self.connect();
        // A server that refuses early may have closed its side.
        let _ = stream.write_all(bytes);
        read_answer(&mut stream)
    }

    /// A request as the page makes it.
    pub fn ask(self, method: &str, target: &str, body: &[u8]) -> Answer {
        self.raw(&self.request(method, target, "", body)).expect("an answer")
    }

    pub fn get(self, target: &str) -> Answer {
        self.ask("GET", target, b"")
    }

    /// The page, as often as it takes: with short limits a request may be too
    /// late on a busy machine.
    pub fn goes_on(self) {
        let request = self.request("GET", "/", "", b"");
        let answer = (0..1000).find_map(|_| self.raw(&request));
        assert_eq!(answer.expect("an answer").status, 200);
    }

    /// With more lines for the head.
    pub fn request(self, method: &str, target: &str, lines: &str, body: &[u8]) -> Vec<u8> {
        let Server(address) = self;
        let length = if body.is_empty() && method == "GET" {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n{length}{lines}\r\n"
        );
        [head.as_bytes(), body].concat()
    }
}

/// One answer, or none if the server closes without one.
pub fn read_answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        if read_some(stream, &mut bytes) == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    if status == 100 {
        return read_answer(stream);
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head + length && read_some(stream, &mut bytes) > 0 {}
    Some(Answer { status, headers, body: bytes.split_off(head) })
}

fn read_some(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> usize {
    let mut some = [0; 8192];
    match stream.read(&mut some) {
        Ok(read) => {
            bytes.extend_from_slice(&some[..read]);
            read
        }
        Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
        Err(error) => panic!("{error}"),
    }
}

/// Waits until the server has closed the connection.
pub fn wait_for_end(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while read_some(&mut stream, &mut bytes) > 0 {}
    let _ = stream.shutdown(Shutdown::Both);
    bytes
}

/// Enough epochs for the three classes to be told apart.
pub fn train(bench: &Bench, name: &str) {
    bench.ok(&format!(
        "train --loss triplet --data data --widths 4,4,8 --epochs 20 --batch-size 30 --out {name}"
    ));
}

/// A model, what it is quantised to, and what it was trained on.
pub fn trained() -> &'static (LoadedModel, LoadedModel, Dataset) {
    static TRAINED: OnceLock<(LoadedModel, LoadedModel, Dataset)> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let bench = Bench::new();
        train(&bench, "a.model");
        let model = load_model(&bench.path("a.model")).unwrap();
        let source: Source = bench.path("data").to_str().unwrap().parse().unwrap();
        let data = source.load(Split::Train).unwrap();
        let options = quantize::Options { thorough: false, ..quantize::Options::default() };
        let (int8, _) = quantize::quantize(&model, &data, Packing::Fast, &options).unwrap();
        (model, int8, data)
    })
}

/// Sixty items of three classes in five codes.
pub fn stock() -> Stock {
    let (model, int8, data) = trained().clone();
    Stock::of_data(vec![model, int8], &data).unwrap()
}

/// An image that is in no set, as a PNG file: of class 0, 1 or 2.
pub fn picture(class: usize) -> Vec<u8> {
    let (pixels, _) = images(class + 1, 99);
    let pixels = pixels[class * SIDE * SIDE..].to_vec();
    let image = GrayImage::from_raw(SIDE as u32, SIDE as u32, pixels).unwrap();
    let mut file = std::io::Cursor::new(Vec::new());
    image.write_to(&mut file, ImageFormat::Png).unwrap();
    file.into_inner()
}
