//! Quantised members of the network family: random ones, and those of files.

use lookalike::code::Coder;
use lookalike::model::{self, Int8Parameters, ModelContents, SelfTest};
use lookalike::{Int8, MAX_BIAS, Model, ModelError, Network, Packing, QuantizedConv};

use crate::random::SplitMix;

/// A quantised network and some images for it.
#[derive(Clone, Debug)]
pub struct Int8Case {
    /// The network.
    pub network: Network,
    convs: [Conv; 3],
    classifier: Vec<f32>,
    thresholds: Vec<u16>,
    projection: Vec<i8>,
    offsets: Vec<i32>,
    /// Images, each channels-last: noise, but the first is all 0, the second
    /// all 255, the third one bright pixel.
    pub images: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct Conv {
    inputs: usize,
    outputs: usize,
    weights: Vec<i8>,
    biases: Vec<i32>,
    multipliers: Vec<u32>,
}

impl Conv {
    fn view(&self) -> QuantizedConv<'_> {
        QuantizedConv {
            inputs: self.inputs,
            outputs: self.outputs,
            weights: &self.weights,
            biases: &self.biases,
            multipliers: &self.multipliers,
        }
    }

    /// Weights of all magnitudes; outputs that mostly lie between 0 and 255.
    /// Now and then a channel that is dead, one with weights of 127 alone, one
    /// with an extreme bias, one that saturates.
    fn new(inputs: usize, outputs: usize, random: &mut SplitMix) -> Conv {
        let products = 9 * inputs;
        let mut conv = Conv {
            inputs,
            outputs,
            weights: Vec::with_capacity(products * outputs),
            biases: Vec::with_capacity(outputs),
            multipliers: Vec::with_capacity(outputs),
        };
        for _ in 0..outputs {
            let kind = random.next() % 16;
            let weight = |random: &mut SplitMix| match kind {
                0 => 0,
                1 => 127,
                2 => -127,
                _ => (random.next() % 255) as i32 as i8,
            };
            conv.weights.extend((0..products).map(|_| weight(random).max(-127)));
            // The deviation of a sum, times 4.
            let spread = 4.0 * (products as f64).sqrt() * 73.0 * 100.0;
            let bias = (2.0 * f64::from(random.unit()) - 1.0) * spread;
            conv.biases.push(match kind {
                3 => MAX_BIAS,
                4 => -MAX_BIAS,
                _ => bias as i32,
            });
            let gain = match kind {
                5 => 64.0,
                _ => f64::from(random.unit()) + 0.25,
            };
            let multiplier = gain * 128.0 * f64::powi(2.0, 32) / spread;
            conv.multipliers.push(multiplier.min(f64::from(i32::MAX)) as u32);
        }
        conv
    }
}

impl Int8Case {
    /// Parameters and images from `seed`.
    pub fn new(network: Network, images: usize, seed: u64) -> Int8Case {
        let mut random = SplitMix(seed);
        let [a, b, d] = network.widths();
        let channels = [[network.input().channels, a], [a, b], [b, d]];
        let convs = channels.map(|[inputs, outputs]| Conv::new(inputs, outputs, &mut random));
        let classifier = network.classes() * (network.embedding_len() + 1);
        let classifier = (0..classifier).map(|_| random.unit() - 0.5).collect();
        let (dimension, outputs) = (network.embedding_len(), 1 + random.next() as usize % 40);
        let thresholds = (0..dimension).map(|_| random.next() as u16).collect();
        let projection =
            (0..outputs * dimension).map(|_| (random.next() as i8).max(-127)).collect();
        let offsets = (0..outputs).map(|_| (random.next() % 2_000_000) as i32 - 1_000_000);
        let offsets = offsets.collect();
        let len = network.input().len();
        let images = (0..images)
            .map(|image| match image {
                0 => vec![0; len],
                1 => vec![255; len],
                2 => {
                    let mut pixels = vec![0; len];
                    pixels[random.next() as usize % len] = 255;
                    pixels
                }
                _ => (0..len).map(|_| random.next() as u8).collect(),
            })
            .collect();
        Int8Case { network, convs, classifier, thresholds, projection, offsets, images }
    }

    /// The three convolutions.
    pub fn convs(&self) -> [QuantizedConv<'_>; 3] {
        self.convs.each_ref().map(Conv::view)
    }

    /// The parameters, to be written.
    ///
    /// # Panics
    /// Never: the coder fits.
    pub fn parameters(&self, packing: Packing) -> Int8Parameters<'_> {
        let dimension = self.network.embedding_len();
        let coder = Coder::new(dimension, &self.thresholds, &self.projection, &self.offsets);
        Int8Parameters {
            packing,
            convs: self.convs(),
            classifier: &self.classifier,
            coder: Some(coder.expect("fits the network")),
        }
    }

    /// A model file.
    ///
    /// # Errors
    /// If the self-test does not fit the images.
    pub fn file(
        &self,
        packing: Packing,
        self_test: SelfTest<'_, Int8>,
    ) -> Result<Vec<u32>, ModelError> {
        let bare = ModelContents::int8(self.network, self.parameters(packing));
        let contents = ModelContents { self_test, ..bare };
        let mut words = vec![0u32; model::file_len(&contents)?.div_ceil(4)];
        let len = model::write(&contents, bytemuck::cast_slice_mut(&mut words))?;
        assert_eq!(len, 4 * words.len(), "quantised models are whole words");
        Ok(words)
    }
}

/// The convolutions of a model file, in their plain order.
#[derive(Clone, Debug)]
pub struct PlainModel {
    /// The network.
    pub network: Network,
    convs: [Conv; 3],
}

impl PlainModel {
    /// Unpacks a model.
    ///
    /// # Errors
    /// None that the lengths of a model's own layers could cause.
    pub fn new(model: &Model<'_, Int8>) -> Result<PlainModel, ModelError> {
        let network = *model.network();
        let [a, b, d] = network.widths();
        let channels = [[network.input().channels, a], [a, b], [b, d]];
        let mut convs = channels.map(|[inputs, outputs]| Conv {
            inputs,
            outputs,
            weights: vec![0; 9 * inputs * outputs],
            biases: vec![0; outputs],
            multipliers: vec![0; outputs],
        });
        for (index, conv) in convs.iter_mut().enumerate() {
            let Conv { weights, biases, multipliers, .. } = conv;
            model.copy_convolution(index, weights, biases, multipliers)?;
        }
        Ok(PlainModel { network, convs })
    }

    /// The three convolutions.
    pub fn convs(&self) -> [QuantizedConv<'_>; 3] {
        self.convs.each_ref().map(Conv::view)
    }
}
