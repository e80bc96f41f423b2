//! Lookalike on microcontrollers: one application for several boards.
#![no_std]

pub mod app;
pub mod assets;
pub mod board;
pub mod cases;
#[cfg(feature = "own")]
pub mod own;
pub mod parameters;
pub mod persistence;
pub mod ram_flash;
pub mod stack;
