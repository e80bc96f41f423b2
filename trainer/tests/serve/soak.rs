//! Thousands of good, bad, broken and slow requests: the server goes on
//! answering and takes no more than before.
#![cfg(target_os = "linux")]

use std::collections::VecDeque;
use std::fs;
use std::net::TcpStream;

use lookalike_trainer::rng::{Purpose, stream};
use rand::Rng;

use super::client::{picture, read_answer};
use super::command::Program;
use super::common::Bench;

/// Clients that have sent a part of a request and stay, silent or with a byte
/// now and then: fewer than there are places, so that the others are not held up.
const SLOW: usize = 20;
/// The most that memory may grow once all kinds of request have been answered,
/// which is less than one upload of the largest kind.
const GROWTH_KIB: u64 = 8 << 10;

#[test]
fn a_thousand_mixed_requests() {
    soak(1000);
}

#[test]
#[ignore = "takes minutes"]
fn ten_thousand_mixed_requests() {
    soak(10_000);
}

fn soak(requests: usize) {
    let bench = Bench::new();
    bench.train("a.model", "");
    let program = Program::start(&bench, "a.model --data data --save kept");
    let server = program.server;
    let mut random = stream(7, Purpose::Selection, 0);
    let mut below = |n: u32| (random.next_u32() % n) as usize;

    let good = picture(1);
    let searches = ["f32", "u8", "projected", "binary", "two-stage"]
        .map(|code| server.request("POST", &format!("/api/search?code={code}&as=ink"), "", &good));
    let enrol = server.request("POST", "/api/enrol?name=x", "", &good);
    let large = server.request("POST", "/api/search?code=f32", "", &vec![0; 17 << 20]);
    let others = [
        server.request("GET", "/", "", b""),
        server.request("GET", "/api/about", "", b""),
        server.request("GET", "/thumbnail/3", "", b""),
        server.request("GET", "/api/gallery?code=binary", "", b""),
        server.request("GET", "/../../etc/passwd", "", b""),
        server.request("DELETE", "/api/items/1", "", b""),
        server.request("POST", "/api/search?code=f32", "", &good[..40]),
        server.request("POST", "/api/search?code=f32", "", &vec![0x42; 4 << 20]),
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_vec(),
    ];

    // Each with what it has not sent yet.
    let mut slow: VecDeque<(TcpStream, Vec<u8>)> = VecDeque::new();
    let (mut dripped, mut stayed) = (0_usize, 0_usize);
    let mut enrolled = Vec::new();
    let mut warm = None;
    let mut answers = 0;
    for index in 0..requests {
        let request = match below(20) {
            0..8 => searches[below(5)].clone(),
            8..14 => others[below(9)].clone(),
            14..16 => enrol.clone(),
            // Any byte of a good request is another one.
            16..18 => {
                let mut request = searches[below(5)].clone();
                for _ in 0..=below(3) {
                    let at = below(request.len() as u32);
                    request[at] = below(256) as u8;
                }
                // A request that now waits for more is none that is answered.
                let mut stream = server.connect();
                send(&mut stream, &request);
                slow.push_back((stream, Vec::new()));
                Vec::new()
            }
            // A part of one, and the rest byte by byte, if it comes to that.
            18 => {
                let mut stream = server.connect();
                let (part, rest) = enrol.split_at(below(enrol.len() as u32));
                send(&mut stream, part);
                slow.push_back((stream, rest.to_vec()));
                stayed += 1;
                Vec::new()
            }
            _ if index % 50 == 0 => large.clone(),
            _ => {
                drop(server.connect());
                Vec::new()
            }
        };
        if slow.len() > SLOW {
            slow.pop_front();
        }
        for (stream, rest) in &mut slow {
            // Never the last byte: it stays to be waited for.
            if rest.len() > 1 {
                send(stream, &[rest.remove(0)]);
                dripped += 1;
            }
        }
        if !request.is_empty() {
            let answer = server.raw(&request).expect("an answer");
            assert!((200..500).contains(&answer.status), "{}", answer.text());
            answers += 1;
            if answer.status == 201 {
                enrolled.push(answer.json()["id"].as_u64().unwrap());
            }
        }
        if enrolled.len() > 10 {
            let id = enrolled.swap_remove(below(10));
            let removed = server.ask("DELETE", &format!("/api/items/{id}"), b"");
            assert_eq!(removed.status, 200);
        }
        if index == requests / 4 {
            warm = Some(usage(program.child.id()));
        }
    }
    assert!(answers > requests / 2, "{answers}");
    drop(slow);
    let found = server.ask("POST", "/api/search?code=f32", &good);
    assert_eq!(found.json()["matches"].as_array().unwrap().len(), 12);

    let (before, after) = (warm.unwrap(), usage(program.child.id()));
    println!(
        "{answers} answers, {stayed} slow clients, {dripped} bytes of theirs one by one; KiB and \
         threads {before:?} -> {after:?}"
    );
    assert!(after.0 <= before.0 + GROWTH_KIB, "{before:?} -> {after:?}");
    assert!(after.1 <= before.1, "{before:?} -> {after:?}");
}

/// Sends what the server takes: it may refuse after a part.
fn send(stream: &mut TcpStream, bytes: &[u8]) {
    use std::io::Write;
    let _ = stream.write_all(bytes);
}

/// Resident memory in KiB, and threads, of a process.
fn usage(process: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    (number("VmRSS:"), number("Threads:"))
}

/// A client that goes away while its answer is made is no trouble.
#[test]
fn clients_that_hang_up_are_no_trouble() {
    let bench = Bench::new();
    bench.train("a.model", "");
    let program = Program::start(&bench, "a.model --data data");
    let server = program.server;
    let request = server.request("POST", "/api/search?code=f32", "", &picture(0));
    for _ in 0..200 {
        send(&mut server.connect(), &request);
    }
    let mut stream = server.connect();
    send(&mut stream, &request);
    assert_eq!(read_answer(&mut stream).unwrap().status, 200);
}
