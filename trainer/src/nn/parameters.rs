//! One flat vector that holds a value for every parameter of a network: the
//! parameters themselves, their gradients, and the optimisers' moments.

use lookalike::Network;
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

/// A value for each parameter, in the order and layouts of [`Network::tensors`].
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Whose parameters these are.
    pub network: Network,
    /// The values of all tensors, one after another.
    pub values: Vec<f32>,
}

impl Parameters {
    /// All zero.
    pub fn zeros(network: &Network) -> Parameters {
        Parameters { network: *network, values: vec![0.0; network.parameters()] }
    }

    /// Drawn as PyTorch initialises `Conv2d` and `Linear`: weights and biases
    /// uniform in +-1 / sqrt(fan-in), which is Kaiming's uniform
    /// initialisation with a = sqrt(5) (He et al., ICCV 2015).
    pub fn random(network: &Network, rng: &mut Xoshiro256PlusPlus) -> Parameters {
        let mut parameters = Parameters::zeros(network);
        for layer in network.tensors().chunks_exact(2) {
            let fan_in: usize = layer[0].shape()[1..].iter().product();
            let bound = 1.0 / (fan_in as f32).sqrt();
            for tensor in layer {
                for value in &mut parameters.values[tensor.range()] {
                    *value = rng.random_range(-bound..bound);
                }
            }
        }
        parameters
    }

    /// Whether every value is a finite number.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|v| v.is_finite())
    }

    /// The classifier's weights `[K, E]` and bias `[K]`; empty without classes.
    pub fn classifier(&self) -> (ArrayView2<'_, f32>, ArrayView1<'_, f32>) {
        let [weight, bias] = self.classifier_tensors();
        let shape = (self.network.classes(), self.network.embedding_len());
        (
            ArrayView2::from_shape(shape, &self.values[weight.range()]).expect("[K, E]"),
            ArrayView1::from(&self.values[bias.range()]),
        )
    }

    /// As [`Parameters::classifier`], to write to.
    pub fn classifier_mut(&mut self) -> (ArrayViewMut2<'_, f32>, ArrayViewMut1<'_, f32>) {
        let [weight, bias] = self.classifier_tensors();
        let shape = (self.network.classes(), self.network.embedding_len());
        let (w, b) = self.values[weight.offset..].split_at_mut(weight.len());
        (
            ArrayViewMut2::from_shape(shape, w).expect("[K, E]"),
            ArrayViewMut1::from(&mut b[..bias.len()]),
        )
    }

    fn classifier_tensors(&self) -> [lookalike::Tensor; 2] {
        let [.., weight, bias] = self.network.tensors();
        [weight, bias]
    }
}
