//! Reading and writing files without ever losing what was there.
//!
//! - [`write_atomically`]: a file is replaced whole or not at all
//! - [`AlignedBytes`]: a file in memory, aligned for zero-copy readers
//! - [`safetensors`]: weights to and from PyTorch
//! - [`write_npy`]: arrays for NumPy and its relatives

mod aligned;
mod atomic;
mod npy;
pub mod safetensors;

pub use aligned::{AlignedBytes, ReadError};
pub use atomic::{WriteError, write_atomically};
pub use npy::write_npy;
