//! The trunk, from images to feature vectors and back, over a batch.

use lookalike::{Network, Shape};
use ndarray::{Array3, ArrayView2, ArrayViewMut2, Axis};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Packed;
use super::conv_avg::ConvAvg;
use super::conv_pool::{ConvPool, Routed};
use super::lanes::padded;
use super::norm::Norm;
use super::packed::{Layout, unpack_gradient};

/// Images that one thread takes through all layers at a time. Fixed: the
/// order in which gradients are added follows from it. Threads take chunks one
/// by one: with more at a time, one waits longer for the other at the end.
pub const CHUNK: usize = 8;

/// With batch normalisation, the most images of a chunk: its statistics are
/// over a chunk.
pub const NORM_CHUNK: usize = 32;

/// A network's trunk, ready to run: its geometry and the processor's
/// instruction set. Parameters and activations are apart.
#[derive(Clone, Debug)]
pub struct ConvNet {
    network: Network,
    arch: Arch,
    layout: Layout,
    /// Images of a chunk.
    chunk: usize,
    normalized: bool,
    /// The biases of a convolution that is normalised.
    no_bias: Vec<f32>,
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
    /// Images of a chunk.
    images: usize,
}

impl State {
    /// The input of image `index` of the last batch, height x width x channels.
    pub fn input(&self, index: usize) -> &[f32] {
        let input = &self.chunks[index / self.images].input;
        let len = input.len() / self.images;
        &input[index % self.images * len..][..len]
    }

    /// The normalisation of each chunk, over the first `images` of the batch.
    pub(super) fn norms(&self, images: usize) -> impl Iterator<Item = &[Norm; 3]> {
        self.chunks[..images.div_ceil(self.images)].iter().flat_map(|chunk| &chunk.norms)
    }
}

/// The activations of a chunk's images; `d...` is the gradient of what
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
    /// Where the gradient of a normalised convolution's bias goes: it is zero
    /// but for rounding.
    unused_bias: Vec<f32>,
    /// Of the three layers, with batch normalisation.
    norms: Option<[Norm; 3]>,
    /// In the layout of [`Layout`]; empty where no backward pass is wanted.
    gradient: Vec<f32>,
}

fn with_padded_channels(shape: Shape) -> Shape {
    Shape { channels: padded(shape.channels), ..shape }
}

impl ConvNet {
    /// Prepares `network`; its classifier plays no part here.
    pub fn new(network: &Network) -> ConvNet {
        ConvNet::with_chunks(network, CHUNK, false)
    }

    /// As [`ConvNet::new`], with batch normalisation before each ReLU. Batches
    /// of `images` are cut into equal chunks of up to [`NORM_CHUNK`] images;
    /// where a network has a bias, this one has the normalisation's shift.
    ///
    /// # Panics
    /// When `images` is 0.
    pub fn normalized(network: &Network, images: usize) -> ConvNet {
        let chunk = images.div_ceil(images.div_ceil(NORM_CHUNK));
        ConvNet::with_chunks(network, chunk, true)
    }

    fn with_chunks(network: &Network, chunk: usize, normalized: bool) -> ConvNet {
        let input = network.input();
        let [pool1, pool2, conv3] =
            [network.pool1(), network.pool2(), network.conv3()].map(with_padded_channels);
        let layout = Layout::new(network);
        ConvNet {
            network: *network,
            arch: Arch::new(),
            chunk,
            normalized,
            no_bias: vec![0.0; layout.outputs.into_iter().max().unwrap_or(0)],
            layout,
            layer1: ConvPool::new(input, pool1, chunk),
            layer2: ConvPool::new(pool1, pool2, chunk),
            layer3: ConvAvg::new(network, pool2, conv3, chunk),
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

    /// Images that one thread takes through all layers at a time.
    pub fn chunk_images(&self) -> usize {
        self.chunk
    }

    /// Space for batches of up to `images`, with gradients if `training`.
    pub fn state(&self, images: usize, training: bool) -> State {
        let chunk = self.chunk(training);
        State { chunks: vec![chunk; images.div_ceil(self.chunk)], images: self.chunk }
    }

    fn chunk(&self, training: bool) -> Chunk {
        let zeros = |len: usize| vec![0.0; self.chunk * len];
        let norm = |shape: Shape| Norm::new(shape.channels, self.chunk * shape.len());
        let layers = [self.pool1, self.pool2, self.conv3];
        let only = |len: usize| zeros(if training { len } else { 0 });
        Chunk {
            input: zeros(self.input.len()),
            pool1: zeros(self.pool1.len()),
            argmax1: vec![0; self.chunk * self.pool1.len()],
            pool2: zeros(self.pool2.len()),
            argmax2: vec![0; self.chunk * self.pool2.len()],
            conv3: zeros(self.conv3.len()),
            dpool1: only(self.pool1.len()),
            dpool2: only(self.pool2.len()),
            dconv3: only(self.conv3.len()),
            routed: Vec::new(),
            unused_bias: if self.normalized { self.no_bias.clone() } else { Vec::new() },
            norms: self.normalized.then(|| layers.map(norm)),
            gradient: vec![0.0; if training { self.layout.len } else { 0 }],
        }
    }

    /// Values of the three activations over `images`.
    fn lens(&self, images: usize) -> [usize; 3] {
        [self.pool1, self.pool2, self.conv3].map(|shape| images * shape.len())
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
        self.check(state, &features);
        state
            .chunks
            .par_iter_mut()
            .zip(features.axis_chunks_iter_mut(Axis(0), self.chunk).into_par_iter())
            .enumerate()
            .with_max_len(1)
            .for_each(|(c, (chunk, features))| {
                self.forward_chunk(packed, chunk, features, |i, to| fill(c * self.chunk + i, to));
            });
    }

    fn check(&self, state: &State, features: &ArrayViewMut2<'_, f32>) {
        assert_eq!(features.ncols(), self.network.embedding_len());
        assert!(features.nrows() <= state.chunks.len() * self.chunk);
    }

    fn forward_chunk(
        &self,
        packed: &Packed,
        chunk: &mut Chunk,
        mut features: ArrayViewMut2<'_, f32>,
        fill: impl Fn(usize, &mut [f32]),
    ) {
        let len = self.input.len();
        for (i, input) in chunk.input.chunks_exact_mut(len).take(features.nrows()).enumerate() {
            fill(i, input);
        }
        let features = features.as_slice_mut().expect("standard layout");
        self.arch.dispatch(Forward { net: self, packed, chunk, features });
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
        let used = dfeatures.nrows().div_ceil(self.chunk);
        state.chunks[..used]
            .par_iter_mut()
            .zip(dfeatures.axis_chunks_iter(Axis(0), self.chunk).into_par_iter())
            .with_max_len(1)
            .for_each(|(chunk, dfeatures)| self.backward_chunk(packed, chunk, dfeatures));
        self.add_gradients(&mut state.chunks[..used], gradient);
    }

    fn backward_chunk(&self, packed: &Packed, chunk: &mut Chunk, dfeatures: ArrayView2<'_, f32>) {
        let dfeatures = dfeatures.to_slice().expect("standard layout");
        self.arch.dispatch(Backward { net: self, packed, chunk, dfeatures });
    }

    /// [`ConvNet::forward`] and [`ConvNet::backward`] in one, for a loss that is
    /// a sum over images: a thread takes a chunk through both. In between, for
    /// each chunk, `loss(own, first, features, dfeatures)` makes the gradient of
    /// the features of the images from `first` on; `own` is the chunk's element
    /// of `of_chunks`, one for each [`ConvNet::chunk_images`] of the batch.
    ///
    /// # Panics
    /// As those two; also when `dfeatures` is not as `features`, or `of_chunks`
    /// too short.
    pub fn forward_backward<T: Send>(
        &self,
        packed: &Packed,
        state: &mut State,
        (mut features, mut dfeatures): (ArrayViewMut2<'_, f32>, ArrayViewMut2<'_, f32>),
        fill: impl Fn(usize, &mut [f32]) + Sync,
        (of_chunks, loss): (
            &mut [T],
            impl Fn(&mut T, usize, ArrayView2<'_, f32>, ArrayViewMut2<'_, f32>) + Sync,
        ),
        gradient: &mut [f32],
    ) {
        self.check(state, &features);
        assert_eq!(features.dim(), dfeatures.dim());
        let used = features.nrows().div_ceil(self.chunk);
        let chunks = state.chunks[..used].par_iter_mut().zip(&mut of_chunks[..used]);
        let features = features.axis_chunks_iter_mut(Axis(0), self.chunk).into_par_iter();
        let dfeatures = dfeatures.axis_chunks_iter_mut(Axis(0), self.chunk).into_par_iter();
        chunks.zip(features.zip(dfeatures)).enumerate().with_max_len(1).for_each(
            |(c, ((chunk, own), (mut features, mut dfeatures)))| {
                let first = c * self.chunk;
                self.forward_chunk(packed, chunk, features.view_mut(), |i, to| fill(first + i, to));
                loss(own, first, features.view(), dfeatures.view_mut());
                self.backward_chunk(packed, chunk, dfeatures.view());
            },
        );
        self.add_gradients(&mut state.chunks[..used], gradient);
    }

    /// The sum over `chunks`, in their order, in the layout of the parameters.
    fn add_gradients(&self, chunks: &mut [Chunk], gradient: &mut [f32]) {
        let (first, others) = chunks.split_first_mut().expect("a batch");
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
        let chunk = &state.chunks[index / state.images];
        let (shape, channels, values) = match which {
            Activation::Pool1 => (self.pool1, self.network.widths()[0], &chunk.pool1),
            Activation::Pool2 => (self.pool2, self.network.widths()[1], &chunk.pool2),
            Activation::Conv3 => (self.conv3, self.network.widths()[2], &chunk.conv3),
        };
        let image = &values[index % state.images * shape.len()..][..shape.len()];
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
        let Chunk { input, pool1, argmax1, pool2, argmax2, conv3, norms, .. } = chunk;
        let images = features.len() / net.network.embedding_len();
        let [len1, len2, len3] = net.lens(images);
        let how = (images, !net.normalized);
        let [norm1, norm2, norm3] = each(norms);
        // A normalised convolution has no bias: what would be one is the shift.
        let layer = |i: usize| {
            let bias = if net.normalized { net.no_bias.as_slice() } else { packed.bias(i) };
            (packed.weights(i), bias)
        };
        net.layer1.forward(simd, input, layer(0), pool1, argmax1, how);
        if let Some(norm) = norm1 {
            norm.forward(simd, packed.bias(0), pool1, len1);
        }
        net.layer2.forward(simd, pool1, layer(1), pool2, argmax2, how);
        if let Some(norm) = norm2 {
            norm.forward(simd, packed.bias(1), pool2, len2);
        }
        net.layer3.convolve(simd, pool2, layer(2), conv3, how);
        if let Some(norm) = norm3 {
            norm.forward(simd, packed.bias(2), conv3, len3);
        }
        net.layer3.average(conv3, features);
    }
}

/// The normalisation of each layer, where there is one.
fn each(norms: &mut Option<[Norm; 3]>) -> [Option<&mut Norm>; 3] {
    match norms {
        Some(norms) => norms.each_mut().map(Some),
        None => [None, None, None],
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
        let Chunk { input, pool1, argmax1, pool2, argmax2, conv3, norms, .. } = chunk;
        let Chunk { dpool1, dpool2, dconv3, routed, gradient, unused_bias, .. } = chunk;
        let images = dfeatures.len() / net.network.embedding_len();
        let [len1, len2, len3] = net.lens(images);
        let how = (images, !net.normalized);
        let [norm1, norm2, norm3] = each(norms);
        let [(w1, mut b1), (w2, mut b2), (w3, mut b3)] = net.layout.cleared(gradient);

        net.layer3.average_backward(dfeatures, conv3, dconv3);
        if let Some(norm) = norm3 {
            norm.backward(simd, conv3, dconv3, b3, len3);
            b3 = unused_bias;
        }
        net.layer3.convolve_backward(
            simd,
            (pool2, dpool2),
            packed.conv3_backward(),
            dconv3,
            (w3, b3),
            images,
        );
        if let Some(norm) = norm2 {
            norm.backward(simd, pool2, dpool2, b2, len2);
            b2 = unused_bias;
        }
        net.layer2.backward(
            simd,
            (pool1, dpool1),
            packed.conv2_backward(),
            (pool2, argmax2, dpool2),
            (w2, b2),
            net.network.widths()[1],
            routed,
            how,
        );
        if let Some(norm) = norm1 {
            norm.backward(simd, pool1, dpool1, b1, len1);
            b1 = unused_bias;
        }
        net.layer1.backward_first(simd, input, (pool1, argmax1, dpool1), (w1, b1), how);
    }
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
