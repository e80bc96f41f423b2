//! Gives the linker the memory map of the board that a cargo feature names, and
//! with the feature `own` puts a model and a gallery of one's own into the
//! program.

mod own;

use std::path::PathBuf;
use std::{env, fs};

const BOARDS: [&str; 4] = ["mps2-an386", "microbit", "virt", "stm32f4-discovery"];

fn main() {
    let chosen: Vec<&str> = BOARDS.into_iter().filter(|board| has_feature(board)).collect();
    let [board] = chosen.as_slice() else {
        panic!("choose one board with --features: {}", BOARDS.join(", "));
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let path = format!("boards/{board}.x");
    let mut map = fs::read_to_string(&path).expect("the memory map can be read");
    for (variable, region) in [("LOOKALIKE_FLASH", "FLASH "), ("LOOKALIKE_RAM", "RAM ")] {
        if let Some(bytes) = variable_of(variable) {
            map = with_length(&map, region, &bytes);
        }
    }
    fs::write(out.join("memory.x"), map).expect("the memory map can be written");
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rerun-if-changed={path}");
    println!("cargo::rerun-if-changed=build");
    if has_feature("own") {
        fs::write(out.join("own.rs"), own::source()).expect("the source can be written");
    }
}

fn has_feature(name: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{}", name.to_uppercase().replace('-', "_"))).is_some()
}

/// An environment variable that the program is made anew for.
fn variable_of(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The memory map with another length of a region, to see that a program does
/// with less.
fn with_length(map: &str, region: &str, bytes: &str) -> String {
    let bytes: u32 = bytes.parse().expect("a length of memory is a number of bytes");
    let line = |line: &str| match line.split_once("LENGTH =") {
        Some((start, _)) if start.trim_start().starts_with(region) => {
            format!("{start}LENGTH = {bytes}\n")
        }
        _ => format!("{line}\n"),
    };
    map.lines().map(line).collect()
}
