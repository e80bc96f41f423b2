//! Parameters in the layouts that the kernels read, and gradients back.

use std::ops::Range;

use lookalike::Network;

use super::lanes::padded;

/// Where the padded tensors of the trunk lie in one flat vector. The first and
/// third convolutions are `[ky][kx][in][out]`; the second is `[ky][kx][in][out]`
/// in the forward pass and `[out][ky][kx][in]` in the backward pass.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub weights: [Range<usize>; 3],
    pub biases: [Range<usize>; 3],
    pub len: usize,
    /// Input channels of each convolution as the kernels see them: the image's
    /// are not padded.
    pub inputs: [usize; 3],
    pub outputs: [usize; 3],
}

impl Layout {
    pub fn new(network: &Network) -> Layout {
        let outputs = network.widths().map(padded);
        let inputs = [network.input().channels, outputs[0], outputs[1]];
        let mut len = 0;
        let mut next = |size: usize| {
            len += size;
            len - size..len
        };
        let weights = [0, 1, 2].map(|i| next(9 * inputs[i] * outputs[i]));
        let biases = [0, 1, 2].map(|i| next(outputs[i]));
        Layout { weights, biases, len, inputs, outputs }
    }

    /// Zeroes `values` and gives each convolution's weights and biases in it.
    pub fn cleared<'v>(&self, values: &'v mut [f32]) -> [(&'v mut [f32], &'v mut [f32]); 3] {
        values.fill(0.0);
        let (weights, biases) = values.split_at_mut(self.biases[0].start);
        let [w1, w2, w3] = split(weights, self.weights.each_ref().map(|r| r.len()));
        let [b1, b2, b3] = split(biases, self.biases.each_ref().map(|r| r.len()));
        [(w1, b1), (w2, b2), (w3, b3)]
    }
}

fn split(slice: &mut [f32], lens: [usize; 3]) -> [&mut [f32]; 3] {
    let (a, rest) = slice.split_at_mut(lens[0]);
    let (b, c) = rest.split_at_mut(lens[1]);
    [a, b, &mut c[..lens[2]]]
}

/// The trunk's parameters, packed anew after every optimiser step.
#[derive(Clone, Debug)]
pub struct Packed {
    network: Network,
    layout: Layout,
    forward: Vec<f32>,
    /// The second convolution as `[out][ky][kx][in]`.
    conv2_backward: Vec<f32>,
    /// The third convolution as `[ky][kx][out][in]`.
    conv3_backward: Vec<f32>,
}

impl Packed {
    /// Space for the packed parameters of `network`; all zero until [`Packed::pack`].
    pub fn new(network: &Network) -> Packed {
        let layout = Layout::new(network);
        Packed {
            network: *network,
            forward: vec![0.0; layout.len],
            conv2_backward: vec![0.0; layout.weights[1].len()],
            conv3_backward: vec![0.0; layout.weights[2].len()],
            layout,
        }
    }

    /// Packs `parameters`, the flat vector that [`Network::tensors`] describes.
    /// Runs on rayon's current pool.
    ///
    /// # Panics
    /// When `parameters` is not of that length.
    pub fn pack(&mut self, parameters: &[f32]) {
        assert_eq!(parameters.len(), self.network.parameters());
        let tensors = self.network.tensors();
        let Packed { layout, forward, conv2_backward, conv3_backward, .. } = self;
        let kernels = |layer: usize| Kernels::new(tensors[2 * layer].shape(), layout, layer);
        let from = |layer: usize| &parameters[tensors[2 * layer].range()];
        let (weights, biases) = forward.split_at_mut(layout.biases[0].start);
        let [w1, w2, w3] = split(weights, layout.weights.each_ref().map(|r| r.len()));
        let [b1, b2, b3] = split(biases, layout.biases.each_ref().map(|r| r.len()));
        for (layer, to) in [b1, b2, b3].into_iter().enumerate() {
            let bias = &parameters[tensors[2 * layer + 1].range()];
            to[..bias.len()].copy_from_slice(bias);
        }
        // In the reference network two thirds of this are as much work as all the rest.
        let of_taps = |taps: usize| taps * layout.weights[2].len() / 9;
        let (w3, w3_rest) = w3.split_at_mut(of_taps(6));
        let (backward3, backward3_rest) = conv3_backward.split_at_mut(of_taps(6));
        rayon::join(
            || kernels(2).pack(from(2), 0..6, w3, Some((backward3, Transposed::TapFirst))),
            || {
                let backward = Some((backward3_rest, Transposed::TapFirst));
                kernels(2).pack(from(2), 6..9, w3_rest, backward);
                kernels(0).pack(from(0), 0..9, w1, None);
                let backward = Some((conv2_backward.as_mut_slice(), Transposed::OutFirst));
                kernels(1).pack(from(1), 0..9, w2, backward);
            },
        );
    }

    /// Weights of convolution `layer` (0 to 2) as `[ky][kx][in][out]`.
    pub(super) fn weights(&self, layer: usize) -> &[f32] {
        &self.forward[self.layout.weights[layer].clone()]
    }

    /// Biases of convolution `layer`, padded.
    pub(super) fn bias(&self, layer: usize) -> &[f32] {
        &self.forward[self.layout.biases[layer].clone()]
    }

    /// The second convolution as `[out][ky][kx][in]`.
    pub(super) fn conv2_backward(&self) -> &[f32] {
        &self.conv2_backward
    }

    /// The third convolution as `[ky][kx][out][in]`.
    pub(super) fn conv3_backward(&self) -> &[f32] {
        &self.conv3_backward
    }
}

/// Writes a trunk gradient in the kernels' layouts over the trunk's part of the
/// flat vector `gradient`. Runs on rayon's current pool.
pub(super) fn unpack_gradient(
    network: &Network,
    layout: &Layout,
    packed: &[f32],
    gradient: &mut [f32],
) {
    let tensors = network.tensors();
    let unpack = |layer: usize, first: usize, to: &mut [f32]| {
        let kernels = Kernels::new(tensors[2 * layer].shape(), layout, layer);
        kernels.unpack(&packed[layout.weights[layer].clone()], first, to, layer == 1);
    };
    let mut rest = gradient;
    let mut next = |len: usize| rest.split_off_mut(..len).expect("the trunk's gradient");
    let [one, two, three] = [0, 1, 2].map(|layer| {
        let [weights, biases] = [0, 1].map(|of| next(tensors[2 * layer + of].len()));
        biases.copy_from_slice(&packed[layout.biases[layer].clone()][..biases.len()]);
        weights
    });
    // In the reference network five eighths of this are as much work as all the rest.
    let outputs = tensors[4].shape()[0];
    let half = outputs * 5 / 8;
    let (three, three_rest) = three.split_at_mut(three.len() / outputs * half);
    rayon::join(
        || unpack(2, 0, three),
        || {
            unpack(2, half, three_rest);
            unpack(0, 0, one);
            unpack(1, 0, two);
        },
    );
}

/// Which axis of a transposed copy comes first.
enum Transposed {
    OutFirst,
    TapFirst,
}

/// The dimensions of one convolution's weights, bare and padded.
struct Kernels {
    inp: usize,
    out_padded: usize,
    inp_padded: usize,
}

impl Kernels {
    fn new(shape: &[usize], layout: &Layout, layer: usize) -> Kernels {
        Kernels {
            inp: shape[1],
            out_padded: layout.outputs[layer],
            inp_padded: layout.inputs[layer],
        }
    }

    /// The `taps` of PyTorch's `[out][in][ky][kx]`, where `forward` and what is
    /// [`Transposed::TapFirst`] hold these alone.
    fn pack(
        &self,
        from: &[f32],
        taps: Range<usize>,
        forward: &mut [f32],
        mut backward: Option<(&mut [f32], Transposed)>,
    ) {
        for (o, kernels) in from.chunks_exact(9 * self.inp).enumerate() {
            for (i, kernel) in kernels.chunks_exact(9).enumerate() {
                for (tap, &w) in kernel[taps.clone()].iter().enumerate() {
                    forward[(tap * self.inp_padded + i) * self.out_padded + o] = w;
                    if let Some((to, order)) = &mut backward {
                        let row = match order {
                            Transposed::OutFirst => o * 9 + tap,
                            Transposed::TapFirst => tap * self.out_padded + o,
                        };
                        to[row * self.inp_padded + i] = w;
                    }
                }
            }
        }
    }

    /// To PyTorch's order from `[ky][kx][in][out]`, or from `[out][ky][kx][in]`
    /// if `out_first`: outputs from `first` on, as many as `to` has space for.
    fn unpack(&self, from: &[f32], first: usize, to: &mut [f32], out_first: bool) {
        for (o, kernels) in (first..).zip(to.chunks_exact_mut(9 * self.inp)) {
            for (i, taps) in kernels.chunks_exact_mut(9).enumerate() {
                for (tap, w) in taps.iter_mut().enumerate() {
                    *w = match out_first {
                        true => from[(o * 9 + tap) * self.inp_padded + i],
                        false => from[(tap * self.inp_padded + i) * self.out_padded + o],
                    };
                }
            }
        }
    }
}
