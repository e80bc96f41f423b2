//! Runs that are killed, interrupted, or on a disk that takes no more: nothing
//! is lost, nothing is half written, and all of it is told.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod disk;
mod kill;
mod locks;
mod pipes;
mod run;
mod signals;
