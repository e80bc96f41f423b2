//! `trainer serve` as a program.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};

use super::client::{Server, picture, train};
use super::common::{Bench, text};

/// The program while it serves; ended when dropped.
pub struct Program {
    pub child: Child,
    pub server: Server,
}

impl Program {
    pub fn start(bench: &Bench, arguments: &str) -> Program {
        let trainer = bench.trainer("");
        let mut child = std::process::Command::new(trainer.get_program())
            .current_dir(bench.path(""))
            .arg("serve")
            .args(arguments.split_whitespace())
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("http://").and_then(|line| line.strip_suffix("/\n"));
        let address: SocketAddr = address.expect("the address").parse().unwrap();
        assert!(address.ip().is_loopback());
        Program { child, server: Server(address) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_gallery_file_is_served_with_its_pictures() {
    let bench = Bench::new();
    bench.train("a.model", "");
    bench.ok("quantize a.model --data data --out a.int8.model");
    bench.ok("gallery a.int8.model --data data --per-class 4 --code binary --out a.gallery");
    let options = "a.model --int8 a.int8.model --gallery a.gallery --data data";
    let program = Program::start(&bench, options);
    let about = program.server.get("/api/about").json();
    assert_eq!((&about["items"], about["codes"].as_array().unwrap().len()), (&12.into(), 5));
    assert_eq!(program.server.get("/thumbnail/11").status, 200);

    // Of other data only the file is known.
    let program = Program::start(&bench, &format!("{options} --split test"));
    let about = program.server.get("/api/about").json();
    assert_eq!(about["items"], 12);
    assert_eq!(
        about["codes"],
        serde_json::json!([{
            "code": "binary", "item_bytes": 4, "int8": true
        }])
    );
    assert_eq!(program.server.get("/thumbnail/11").status, 404);
    let found = program.server.ask("POST", "/api/search?code=binary", &picture(0)).json();
    assert_eq!(found["matches"][0]["picture"], false);
}

#[test]
fn an_int8_model_is_served_alone() {
    let bench = Bench::new();
    bench.train("a.model", "");
    bench.ok("quantize a.model --data data --project 0 --out a.int8.model");
    let program = Program::start(&bench, "a.int8.model --data data --per-class 2 --threads 1");
    let about = program.server.get("/api/about").json();
    let codes: Vec<&str> =
        about["codes"].as_array().unwrap().iter().map(|c| c["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["u8", "binary", "two-stage"]);
    assert_eq!(about["items"], 6);
}

#[test]
fn a_calibrated_model_says_what_it_recognises() {
    let bench = Bench::new();
    train(&bench, "a.model");
    bench.ok("calibrate a.model --data data --false-accept-rate 0.1");
    let program = Program::start(&bench, "a.model --data data");
    let search = |code: &str, file: &[u8]| {
        program.server.ask("POST", &format!("/api/search?code={code}"), file).json()
    };
    let threshold = bench.json("inspect a.model")["acceptance"]["threshold"].as_f64().unwrap();
    for class in 0..3 {
        let found = search("f32", &picture(class));
        assert!((found["threshold"].as_f64().unwrap() - threshold).abs() < 1e-6);
        let distance = found["matches"][0]["distance"].as_f64().unwrap();
        assert_eq!(found["recognised"], distance <= threshold, "{found}");
        // Its distances are not those that were calibrated.
        assert_eq!(search("u8", &picture(class))["recognised"], serde_json::Value::Null);
    }
}

#[test]
fn what_cannot_be_served_is_told() {
    let bench = Bench::new();
    bench.train("a.model", "");
    bench.train("b.model", "--seed 1");
    bench.ok("quantize a.model --data data --out a.int8.model");
    bench.ok("gallery b.model --data data --out b.gallery");
    bench.write("damaged", b"LKENROLD\x01damaged");
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/fixtures/v1.model");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let before = bench.snapshot();
    let cases = [
        ("missing.model".into(), 1, "missing.model: cannot read the file"),
        ("a.model".into(), 1, "20x20x1 is wanted"),
        ("a.model --data data --gallery b.gallery".into(), 1, "b.gallery: made by another model"),
        ("a.model --data data --int8 b.model".into(), 2, "--int8 takes the int8 model"),
        ("a.int8.model --data data --int8 a.int8.model".into(), 2, "of an f32 MODEL"),
        ("a.model --data data --save damaged".into(), 1, "damaged: the file is damaged"),
        ("a.model --data data --save a.model".into(), 1, "a.model: not a file of things enrolled"),
        (format!("a.model --data data --port {port}"), 1, "choose another --port"),
        ("a.model --data data --port 70000".into(), 2, "70000"),
        ("a.model --per-class 2 --gallery b.gallery".into(), 2, "cannot be used with"),
        (format!("{fixture} --gallery b.gallery"), 1, "made by another model"),
        (format!("{fixture} --data data"), 1, "22x30x2"),
    ];
    for (arguments, code, message) in cases {
        let output = bench.trainer(&format!("serve {arguments}")).output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {stderr}");
        assert!(stderr.contains(message), "{arguments}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments}");
    }
    assert_eq!(bench.snapshot(), before);
}
