//! Everything in `corpus/`: the seeds, and what fuzzing has found.

use std::fs;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use lookalike_fuzz::TARGETS;

/// Bytes of all files, so that a checkout stays small.
const MOST: u64 = 2 << 20;

#[test]
fn nothing_in_the_corpus_fails() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut failed = Vec::new();
    let mut bytes = 0;
    for (name, run) in TARGETS {
        let mut files: Vec<_> = fs::read_dir(corpus.join(name))
            .unwrap_or_else(|error| panic!("{name} has no corpus: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no seeds");
        println!("{name}: {} files", files.len());
        for file in files {
            let data = fs::read(&file).unwrap();
            bytes += data.len() as u64;
            if catch_unwind(AssertUnwindSafe(|| run(&data))).is_err() {
                failed.push(file);
            }
        }
        // Nothing, and nothing that is a file.
        run(&[]);
        run(&[0; 100]);
        run(&[0xFF; 100]);
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(bytes < MOST, "{bytes} bytes");
}

/// What the other tests of the workspace rely on, too.
#[test]
fn overflow_is_checked() {
    let one = black_box(1u8);
    assert!(catch_unwind(|| u8::MAX - 1 + one + one).is_err());
}

#[test]
fn every_target_of_libfuzzer_is_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("libfuzzer");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
        let target = fs::read_to_string(folder.join(format!("targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("lookalike_fuzz::{name}::run(data)")), "{name}");
    }
    assert_eq!(fs::read_dir(folder.join("targets")).unwrap().count(), TARGETS.len());
}
