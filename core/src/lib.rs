//! Image retrieval on a microcontroller: embeds a camera image with a small
//! convolutional network and finds its nearest neighbours in a gallery.
#![no_std]
#![forbid(unsafe_code)]

mod network;

pub use network::{Network, NetworkError, Shape, Tensor};
