//! Ctrl-C and SIGTERM.

use std::process::{Command, Output};

use super::common::{Bench, SIDE, images, text};
use super::run::{Run, names};

/// Enough images for an epoch to take its time, in many batches.
fn bench() -> Bench {
    let bench = Bench::new();
    let (pixels, labels) = images(1500, 5);
    assert_eq!(pixels.len(), labels.len() * SIDE * SIDE);
    bench.write_idx("train", &pixels, &labels);
    bench
}

const TRAIN: &str =
    "train --loss triplet --data data --widths 8,8,16 --epochs 4 --batches 3x2 --out";

/// Starts a run, and stops it by signals once it has a checkpoint.
fn stopped(bench: &Bench, arguments: &str, signals: &[&str]) -> Output {
    let mut run = Run::start(bench, arguments);
    run.until(|| bench.path("a.model.checkpoint").exists());
    run.signal(signals);
    run.wait()
}

#[test]
fn a_signal_stops_a_run_after_a_batch_and_says_how_to_go_on() {
    let bench = bench();
    bench.ok(&format!("{TRAIN} whole.model"));
    for (signal, code, started) in
        [("INT", 130, ""), ("TERM", 143, " --restart"), ("INT", 130, " --resume")]
    {
        let output = stopped(&bench, &format!("{TRAIN} a.model{started}"), &[signal]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("interrupted ") && !said.contains("error"), "{said}");
        assert!(said.contains("kept in a.model.checkpoint; go on with:\n  "), "{said}");
        assert!(!bench.path("a.model").exists());
        let expected = [
            "a.model.checkpoint",
            "data",
            "whole.model",
            "whole.model.history.json",
            "whole.model.toml",
        ];
        assert_eq!(names(&bench.path("")), expected);

        // The command, as it is written, in a shell.
        let command = said.lines().last().unwrap().trim();
        assert!(command.ends_with("a.model --resume"), "{command}");
        let mut shell = Command::new("sh");
        let resumed = shell.args(["-c", command]).current_dir(bench.path("")).output().unwrap();
        let after = text(&resumed.stderr);
        assert!(resumed.status.success(), "{after}");
        let place = said.split("interrupted ").nth(1).unwrap().split(';').next().unwrap();
        assert!(after.contains(&format!("going on {place}")), "{place}: {after}");
        assert!(bench.read("a.model") == bench.read("whole.model"), "{place}");
        for name in ["a.model", "a.model.history.json", "a.model.toml"] {
            std::fs::remove_file(bench.path(name)).unwrap();
        }
    }
}

/// Both signals wait while the process is stopped, so nothing comes between them.
#[test]
fn a_second_signal_ends_a_run_at_once() {
    let bench = bench();
    bench.ok(&format!("{TRAIN} whole.model"));
    let output = stopped(&bench, &format!("{TRAIN} a.model"), &["STOP", "TERM", "INT", "CONT"]);
    let said = text(&output.stderr);
    assert!([Some(130), Some(143)].contains(&output.status.code()), "{:?}", output.status);
    assert!(!said.contains("interrupted"), "{said}");
    bench.ok(&format!("{TRAIN} a.model --resume"));
    assert!(bench.read("a.model") == bench.read("whole.model"));
    assert_eq!(names(&bench.path("")).len(), 7);
}

/// What is enrolled has been written before it is confirmed, so there is nothing
/// to wait for.
#[test]
fn serving_ends_at_a_signal_and_leaves_no_lock() {
    let bench = Bench::new();
    bench.train("a.model", "");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let arguments = "serve a.model --data data --port 0 --save mine";
        let mut run = Run::start(&bench, arguments);
        assert!(run.first_line().starts_with("http://127.0.0.1:"));
        assert!(bench.path(".mine.lock").exists());
        run.signal(&[signal]);
        assert_eq!(run.wait().status.code(), Some(code));
        assert_eq!(
            names(&bench.path("")),
            ["a.model", "a.model.history.json", "a.model.toml", "data"]
        );
    }
}
