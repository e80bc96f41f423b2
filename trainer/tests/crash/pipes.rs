//! Readers that have had enough, and ones that take nothing.

use std::fs::OpenOptions;
use std::io::pipe;
use std::process::{Command, Stdio};

use super::common::{Bench, text};

const TRAIN: &str =
    "train --loss triplet --data data --widths 4,4,8 --epochs 2 --batch-size 30 --json --out";

fn bench() -> (Bench, Vec<String>) {
    let bench = Bench::new();
    bench.train("a.model", "");
    bench.ok("gallery a.model --data data --out a.gallery");
    bench.ok("unpack --data data --out photos");
    let picture = "photos/test/0/00000.png";
    assert!(bench.path(picture).exists());
    let commands = [
        "--help".into(),
        "train --help".into(),
        "--version".into(),
        format!("{TRAIN} b.model"),
        "evaluate a.model --data data".into(),
        "evaluate a.model --data data --json".into(),
        "inspect a.model".into(),
        "inspect a.gallery --json".into(),
        format!("search a.model --gallery a.gallery {picture}"),
        "family --input 32x32x3".into(),
        "codes a.model --data data".into(),
        "calibrate a.model --data data --false-accept-rate 0.1".into(),
        "quantize a.model --data data --out a.int8.model --json".into(),
        "completions bash".into(),
        "completions zsh".into(),
    ];
    (bench, commands.to_vec())
}

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

fn command(bench: &Bench, arguments: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("trainer"));
    command.current_dir(bench.path("")).args(arguments.split_whitespace());
    command
}

#[test]
fn a_reader_that_is_gone_is_no_trouble() {
    let (bench, commands) = bench();
    for arguments in &commands {
        let output = command(&bench, arguments).stdout(closed()).output().unwrap();
        let said = text(&output.stderr);
        assert!(output.status.success(), "{arguments}: {:?} {said}", output.status);
        assert!(!said.contains("panicked"), "{arguments}: {said}");

        let output = command(&bench, arguments).stderr(closed()).output().unwrap();
        assert!(output.status.success(), "{arguments}, standard error: {:?}", output.status);
        let status = command(&bench, arguments).stdout(closed()).stderr(closed()).status();
        assert!(status.unwrap().success(), "{arguments}, both");
    }
    // What was to be written has been.
    assert!(bench.path("b.model").exists());
    // An error nobody sees is still one.
    let status = command(&bench, "inspect missing.model").stderr(closed()).status().unwrap();
    assert_eq!(status.code(), Some(1));
    let status = command(&bench, "inspect --nonsense").stderr(closed()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn results_that_cannot_be_printed_are_an_error() {
    let (bench, commands) = bench();
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in commands.iter().filter(|arguments| !arguments.starts_with('-')) {
        if arguments.ends_with("--help") {
            continue;
        }
        let output = command(&bench, arguments).stdout(full()).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {said}");
        assert!(said.contains("error: cannot write to standard output"), "{arguments}: {said}");
        // A full standard error is nobody's business.
        let status = command(&bench, arguments).stderr(full()).stdout(Stdio::null()).status();
        assert!(status.unwrap().success(), "{arguments}");
    }
}
