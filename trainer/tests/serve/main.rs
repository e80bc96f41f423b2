//! The interface of `trainer serve`: what it answers, refuses and survives.

#[path = "../common/mod.rs"]
mod common;

mod client;
mod command;
mod good;
mod limits;
mod refused;
mod soak;
