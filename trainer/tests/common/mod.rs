//! A small data set on disk, and the program run on it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

/// Images are 20x20, of 3 classes: a bar, a block, a ring, each with noise.
pub const SIDE: usize = 20;

/// A directory of its own for a test, with `data` in it.
pub struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    /// 60 training and 30 test images.
    pub fn new() -> Bench {
        let bench = Bench { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.path("data")).unwrap();
        for (split, count, seed) in [("train", 60, 1), ("t10k", 30, 2)] {
            let (images, labels) = images(count, seed);
            bench.write_idx(split, &images, &labels);
        }
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Both files of a split.
    pub fn write_idx(&self, split: &str, images: &[u8], labels: &[u8]) {
        let count = (images.len() / (SIDE * SIDE)) as u32;
        self.write(
            &format!("data/{split}-images-idx3-ubyte"),
            &idx(&[count, SIDE as u32, SIDE as u32], images),
        );
        self.write(
            &format!("data/{split}-labels-idx1-ubyte"),
            &idx(&[labels.len() as u32], labels),
        );
    }

    /// The program, run in the directory.
    pub fn trainer(&self, arguments: &str) -> Command {
        let mut command = Command::cargo_bin("trainer").unwrap();
        command.current_dir(self.directory.path()).args(arguments.split_whitespace());
        command
    }

    /// Runs it; fails unless it succeeds.
    pub fn ok(&self, arguments: &str) -> Output {
        let output = self.trainer(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", text(&output.stderr));
        output
    }

    /// Runs it with `--json`, which must be all there is on standard output.
    pub fn json(&self, arguments: &str) -> serde_json::Value {
        let output = self.ok(&format!("{arguments} --json"));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{arguments}: {e}: {}", text(&output.stdout)))
    }

    /// Two epochs of a small triplet model into `name`.
    pub fn train(&self, name: &str, more: &str) {
        self.ok(&format!(
            "train --loss triplet --data data --widths 4,4,8 --epochs 2 --batch-size 30 --out {name} {more}"
        ));
    }

    /// The content of every file, to see that nothing was touched.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn visit(directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    visit(&path, files);
                } else {
                    files.insert(path.clone(), fs::read(&path).unwrap());
                }
            }
        }
        let mut files = BTreeMap::new();
        visit(self.directory.path(), &mut files);
        files
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An IDX file of bytes.
pub fn idx(dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    bytes.extend(dimensions.iter().flat_map(|d| d.to_be_bytes()));
    bytes.extend(values);
    bytes
}

/// `count` images, their classes in turn.
pub fn images(count: usize, seed: u64) -> (Vec<u8>, Vec<u8>) {
    let mut state = seed;
    let mut noise = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 58) as u8
    };
    let mut pixels = Vec::new();
    let labels: Vec<u8> = (0..count).map(|i| (i % 3) as u8).collect();
    for &label in &labels {
        for y in 0..SIDE {
            for x in 0..SIDE {
                let (dy, dx) = (y.abs_diff(SIDE / 2), x.abs_diff(SIDE / 2));
                let lit = match label {
                    0 => dx < 2,
                    1 => dy < 6 && dx < 6,
                    _ => (5..8).contains(&dy.max(dx)),
                };
                pixels.push(if lit { 190 } else { 0 } + noise());
            }
        }
    }
    (pixels, labels)
}
