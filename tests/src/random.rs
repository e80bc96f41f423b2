//! Random members of the network family, small enough for a naive oracle.

use lookalike::Network;

/// A network, its parameters and some images for it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The network.
    pub network: Network,
    /// The flat vector that [`Network::tensors`] describes.
    pub parameters: Vec<f32>,
    /// Pixels of `images` images, channels-last.
    pub pixels: Vec<u8>,
    /// Number of images.
    pub images: usize,
}

impl Case {
    /// Parameters of the size that a fresh network has, and pixels, from `seed`.
    pub fn new(network: Network, images: usize, seed: u64) -> Case {
        let mut random = SplitMix(seed);
        let mut parameters = vec![0.0; network.parameters()];
        for tensor in network.tensors() {
            let fan_in: usize = tensor.shape().iter().skip(1).product();
            let bound = 1.5 / (fan_in as f32).sqrt();
            for value in &mut parameters[tensor.range()] {
                *value = bound * (2.0 * random.unit() - 1.0);
            }
        }
        let pixels = (0..images * network.input().len()).map(|_| random.next() as u8).collect();
        Case { network, parameters, pixels, images }
    }

    /// The pixels of image `i`.
    pub fn image(&self, i: usize) -> &[u8] {
        let len = self.network.input().len();
        &self.pixels[i * len..(i + 1) * len]
    }
}

/// Steele et al., "Fast splittable pseudorandom number generators", 2014.
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next 64 bits.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in 0 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }
}
