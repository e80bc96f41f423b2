//! What several tests need.
#![allow(dead_code)]

pub mod oracle;

use lookalike::model::{self, ModelContents};
use lookalike::{Model, Network};
use proptest::prelude::*;

/// Bytes at an address that is a multiple of 16, as a file in flash.
pub struct Aligned {
    words: Vec<u128>,
    len: usize,
}

impl Aligned {
    pub fn new(bytes: &[u8]) -> Aligned {
        let mut words = vec![0; bytes.len().div_ceil(16)];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Aligned { words, len: bytes.len() }
    }

    pub fn flip(&mut self, bit: usize) {
        self.words[bit / 128] ^= 1 << (bit % 128);
    }

    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }
}

/// Writes a model file.
pub fn model_file(network: &Network, class_names: &str, parameters: &[f32]) -> Aligned {
    write_model(&ModelContents { class_names, ..ModelContents::new(*network, parameters) })
}

pub fn write_model(contents: &ModelContents<'_>) -> Aligned {
    let mut out = vec![0xAA; model::file_len(contents).unwrap()];
    assert_eq!(model::write(contents, &mut out), Ok(out.len()));
    Aligned::new(&out)
}

pub fn open(file: &Aligned) -> Model<'_> {
    Model::from_bytes(file.bytes()).unwrap()
}

/// Values from -1 to 1 that look random but are the same everywhere
/// (splitmix64, <https://prng.di.unimi.it/splitmix64.c>).
pub fn noise(seed: u64) -> impl Iterator<Item = f32> {
    (1..).map(move |i: u64| {
        let mut z = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 40) as f32 / (1 << 23) as f32 - 1.0
    })
}

/// Parameters of the size that training starts from: uniform within
/// 1 / sqrt(fan-in), biases too.
pub fn parameters(network: &Network, seed: u64) -> Vec<f32> {
    let mut values = Vec::with_capacity(network.parameters());
    let mut noise = noise(seed);
    for pair in network.tensors().chunks(2) {
        let fan_in: usize = pair[0].shape()[1..].iter().product();
        let bound = 1.0 / (fan_in as f32).sqrt();
        values.extend(noise.by_ref().take(pair[0].len() + pair[1].len()).map(|v| v * bound));
    }
    values
}

pub fn image(network: &Network, seed: u64) -> Vec<u8> {
    noise(!seed).take(network.input().len()).map(|v| ((v + 1.0) * 127.5) as u8).collect()
}

/// Networks of the family, mostly with widths that are not multiples of 8.
pub fn networks() -> impl Strategy<Value = Network> {
    let input = (1u16..=4, 18u16..=40, 18u16..=40).prop_map(|(c, h, w)| [c, h, w]);
    let widths = [1u16..=20, 1u16..=20, 1u16..=20];
    (input, widths, 1u16..=3, 0u16..=5).prop_map(|(input, widths, grid, classes)| {
        Network::new(input, widths, grid, classes).unwrap()
    })
}
