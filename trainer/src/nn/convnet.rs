//! The trunk, from images to feature vectors and back, over a batch.

use lookalike::{Network, Shape};
use ndarray::{Array3, ArrayView2, ArrayViewMut2, Axis};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Packed;
use super::conv_avg::ConvAvg;
use super::conv_pool::{ConvPool, Routed};
use super::lanes::padded;
use super::packed::{Layout, unpack_gradient};

/// Images that one thread takes through all layers at a time. Fixed: the
/// order in which gradients are added follows from it.
pub const CHUNK: usize = 8;

/// A network's trunk, ready to run: its geometry and the processor's
/// instruction set. Parameters and activations are apart.
#[derive(Clone, Debug)]
pub struct ConvNet {
    network: Network,
    arch: Arch,
    layout: Layout,
    input: Shape,
    pool1: Shape,
    pool2: Shape,
    conv3: Shape,
    layer1: ConvPool,
    layer2: ConvPool,
    layer3: ConvAvg,
}

/// The activations of a batch and the gradients of its chunks, reused from
/// step to step.
#[derive(Clone, Debug)]
pub struct State {
    chunks: Vec<Chunk>,
}

/// The activations of up to [`CHUNK`] images; `d...` is the gradient of what
/// it is named after.
#[derive(Clone, Debug)]
struct Chunk {
    input: Vec<f32>,
    pool1: Vec<f32>,
    argmax1: Vec<u32>,
    pool2: Vec<f32>,
    argmax2: Vec<u32>,
    conv3: Vec<f32>,
    dpool1: Vec<f32>,
    dpool2: Vec<f32>,
    dconv3: Vec<f32>,
    routed: Vec<Routed>,
    /// In the layout of [`Layout`]; empty where no backward pass is wanted.
    gradient: Vec<f32>,
}

fn with_padded_channels(shape: Shape) -> Shape {
    Shape { channels: padded(shape.channels), ..shape }
}

impl ConvNet {
    /// Prepares `network`; its classifier plays no part here.
    pub fn new(network: &Network) -> ConvNet {
        let input = network.input();
        let [pool1, pool2, conv3] =
            [network.pool1(), network.pool2(), network.conv3()].map(with_padded_channels);
        ConvNet {
            network: *network,
            arch: Arch::new(),
            layout: Layout::new(network),
            layer1: ConvPool::new(input, pool1, CHUNK),
            layer2: ConvPool::new(pool1, pool2, CHUNK),
            layer3: ConvAvg::new(network, pool2, conv3, CHUNK),
            input,
            pool1,
            pool2,
            conv3,
        }
    }

    /// The network whose trunk this is.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Space for batches of up to `images`, with gradients if `training`.
    pub fn state(&self, images: usize, training: bool) -> State {
        let chunk = self.chunk(training);
        State { chunks: vec![chunk; images.div_ceil(CHUNK)] }
    }

    fn chunk(&self, training: bool) -> Chunk {
        let zeros = |len: usize| vec![0.0; CHUNK * len];
        let only = |len: usize| zeros(if training { len } else { 0 });
        Chunk {
            input: zeros(self.input.len()),
            pool1: zeros(self.pool1.len()),
            argmax1: vec![0; CHUNK * self.pool1.len()],
            pool2: zeros(self.pool2.len()),
            argmax2: vec![0; CHUNK * self.pool2.len()],
            conv3: zeros(self.conv3.len()),
            dpool1: only(self.pool1.len()),
            dpool2: only(self.pool2.len()),
            dconv3: only(self.conv3.len()),
            routed: Vec::new(),
            gradient: vec![0.0; if training { self.layout.len } else { 0 }],
        }
    }

    /// Features `[B, E]` of `B` images, not normalised. `fill(i, pixels)`
    /// writes image `i` of the batch into a buffer of height x width x
    /// channels, channels-last, in -1..=1. Runs on rayon's current pool.
    ///
    /// # Panics
    /// When `state` is too small for the batch or `features` is not `[B, E]`
    /// in standard layout.
    pub fn forward(
        &self,
        packed: &Packed,
        state: &mut State,
        mut features: ArrayViewMut2<'_, f32>,
        fill: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        assert_eq!(features.ncols(), self.network.embedding_len());
        assert!(features.nrows() <= state.chunks.len() * CHUNK);
        state
            .chunks
            .par_iter_mut()
            .zip(features.axis_chunks_iter_mut(Axis(0), CHUNK).into_par_iter())
            .enumerate()
            .for_each(|(c, (chunk, mut features))| {
                let len = self.input.len();
                for i in 0..features.nrows() {
                    fill(c * CHUNK + i, &mut chunk.input[i * len..(i + 1) * len]);
                }
                let features = features.as_slice_mut().expect("standard layout");
                self.arch.dispatch(Forward { net: self, packed, chunk, features });
            });
    }

    /// From the gradient of the features `[B, E]` of the batch that
    /// [`ConvNet::forward`] saw last to that of the trunk's parameters, which
    /// overwrites their part of the flat vector `gradient`.
    ///
    /// # Panics
    /// When `state` was not made for training, or lengths do not fit.
    pub fn backward(
        &self,
        packed: &Packed,
        state: &mut State,
        dfeatures: ArrayView2<'_, f32>,
        gradient: &mut [f32],
    ) {
        let used = dfeatures.nrows().div_ceil(CHUNK);
        state.chunks[..used]
            .par_iter_mut()
            .zip(dfeatures.axis_chunks_iter(Axis(0), CHUNK).into_par_iter())
            .for_each(|(chunk, dfeatures)| {
                let dfeatures = dfeatures.to_slice().expect("standard layout");
                self.arch.dispatch(Backward { net: self, packed, chunk, dfeatures });
            });
        let (first, others) = state.chunks[..used].split_first_mut().expect("a batch");
        const BLOCK: usize = 4096;
        first.gradient.par_chunks_mut(BLOCK).enumerate().for_each(|(i, sum)| {
            for other in others.iter() {
                let part = &other.gradient[i * BLOCK..][..sum.len()];
                for (sum, g) in sum.iter_mut().zip(part) {
                    *sum += g;
                }
            }
        });
        unpack_gradient(&self.network, &self.layout, &first.gradient, gradient);
    }
}

/// An activation that the forward pass leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// After the first pooling.
    Pool1,
    /// After the second pooling.
    Pool2,
    /// After the third convolution's ReLU.
    Conv3,
}

impl ConvNet {
    /// An activation of image `index` of the last batch, `[channel, y, x]`.
    pub fn activation(&self, state: &State, which: Activation, index: usize) -> Array3<f32> {
        let chunk = &state.chunks[index / CHUNK];
        let (shape, channels, values) = match which {
            Activation::Pool1 => (self.pool1, self.network.widths()[0], &chunk.pool1),
            Activation::Pool2 => (self.pool2, self.network.widths()[1], &chunk.pool2),
            Activation::Conv3 => (self.conv3, self.network.widths()[2], &chunk.conv3),
        };
        let image = &values[index % CHUNK * shape.len()..][..shape.len()];
        Array3::from_shape_fn((channels, shape.height, shape.width), |(c, y, x)| {
            image[(y * shape.width + x) * shape.channels + c]
        })
    }
}

struct Forward<'a> {
    net: &'a ConvNet,
    packed: &'a Packed,
    chunk: &'a mut Chunk,
    features: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Forward { net, packed, chunk, features } = self;
        let images = features.len() / net.network.embedding_len();
        let layer = |i: usize| (packed.weights(i), packed.bias(i));
        net.layer1.forward(
            simd,
            &chunk.input,
            layer(0),
            &mut chunk.pool1,
            &mut chunk.argmax1,
            images,
        );
        net.layer2.forward(
            simd,
            &chunk.pool1,
            layer(1),
            &mut chunk.pool2,
            &mut chunk.argmax2,
            images,
        );
        net.layer3.forward(simd, &chunk.pool2, layer(2), &mut chunk.conv3, features);
    }
}

struct Backward<'a> {
    net: &'a ConvNet,
    packed: &'a Packed,
    chunk: &'a mut Chunk,
    dfeatures: &'a [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Backward { net, packed, chunk, dfeatures } = self;
        let images = dfeatures.len() / net.network.embedding_len();
        chunk.gradient.fill(0.0);
        let (weights, biases) = chunk.gradient.split_at_mut(net.layout.biases[0].start);
        let [w1, w2, w3] = split(weights, net.layout.weights.each_ref().map(|r| r.len()));
        let [b1, b2, b3] = split(biases, net.layout.biases.each_ref().map(|r| r.len()));
        net.layer3.backward(
            simd,
            (&chunk.pool2, &mut chunk.dpool2),
            packed.conv3_backward(),
            (&chunk.conv3, &mut chunk.dconv3),
            dfeatures,
            (w3, b3),
        );
        net.layer2.backward(
            simd,
            (&chunk.pool1, &mut chunk.dpool1),
            packed.conv2_backward(),
            (&chunk.pool2, &chunk.argmax2, &chunk.dpool2),
            (w2, b2),
            net.network.widths()[1],
            &mut chunk.routed,
            images,
        );
        net.layer1.backward_first(
            simd,
            &chunk.input,
            (&chunk.pool1, &chunk.argmax1, &chunk.dpool1),
            (w1, b1),
            images,
        );
    }
}

fn split(slice: &mut [f32], lens: [usize; 3]) -> [&mut [f32]; 3] {
    let (a, rest) = slice.split_at_mut(lens[0]);
    let (b, c) = rest.split_at_mut(lens[1]);
    [a, b, &mut c[..lens[2]]]
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use ndarray::Array2;
    use pulp::x86::V3;
    use rand::RngExt;

    use super::*;
    use crate::nn::Parameters;
    use crate::rng::{Purpose, stream};

    /// Features, and the gradient from a random one of theirs, as bits.
    fn run(arch: Arch, network: &Network) -> [Vec<u32>; 2] {
        const IMAGES: usize = 11;
        let net = ConvNet { arch, ..ConvNet::new(network) };
        let mut rng = stream(3, Purpose::Initialisation, 0);
        let parameters = Parameters::random(network, &mut rng);
        let mut packed = Packed::new(network);
        packed.pack(&parameters.values);
        let mut state = net.state(IMAGES, true);
        let images: Vec<f32> =
            (0..IMAGES * network.input().len()).map(|_| rng.random_range(-1.0..1.0)).collect();
        let mut features = Array2::zeros((IMAGES, network.embedding_len()));
        net.forward(&packed, &mut state, features.view_mut(), |i, input| {
            input.copy_from_slice(&images[i * input.len()..(i + 1) * input.len()]);
        });
        let dfeatures = features.mapv(|_| rng.random_range(-1.0..1.0));
        let mut gradient = vec![0.0; network.parameters()];
        net.backward(&packed, &mut state, dfeatures.view(), &mut gradient);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
        [bits(features.as_slice().unwrap()), bits(&gradient)]
    }

    #[test]
    fn bits_do_not_depend_on_the_width_of_vectors() {
        let Some(narrow) = V3::try_new() else { return };
        for network in [Network::REFERENCE, Network::new([2, 20, 23], [17, 40, 50], 3, 0).unwrap()]
        {
            let [features, gradient] = run(Arch::new(), &network);
            let [narrow_features, narrow_gradient] = run(Arch::V3(narrow), &network);
            assert_eq!(features, narrow_features);
            for tensor in &network.tensors()[..6] {
                let range = tensor.range();
                assert!(gradient[range.clone()] == narrow_gradient[range], "{}", tensor.name);
            }
        }
    }
}
