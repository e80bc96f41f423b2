//! Gives the linker the memory map of the board that a cargo feature names.

use std::path::PathBuf;
use std::{env, fs};

const BOARDS: [&str; 4] = ["mps2-an386", "microbit", "virt", "stm32f4-discovery"];

fn main() {
    let feature = |board: &&str| {
        let name = board.to_uppercase().replace('-', "_");
        env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
    };
    let chosen: Vec<&str> = BOARDS.into_iter().filter(feature).collect();
    let [board] = chosen.as_slice() else {
        panic!("choose one board with --features: {}", BOARDS.join(", "));
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let map = format!("boards/{board}.x");
    fs::copy(&map, out.join("memory.x")).expect("the memory map can be copied");
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rerun-if-changed={map}");
    println!("cargo::rerun-if-changed=build.rs");
}
