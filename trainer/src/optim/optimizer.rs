//! SGD, Adam and AdamW, step for step as PyTorch's `torch.optim`.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Which update rule, and its settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum OptimizerKind {
    /// Stochastic gradient descent.
    Sgd {
        /// Share of the previous step that is kept, 0 to 1.
        momentum: f32,
        /// Look ahead along the momentum (Sutskever et al., ICML 2013).
        nesterov: bool,
        /// L2 penalty, added to the gradient.
        weight_decay: f32,
    },
    /// Adam (Kingma and Ba, ICLR 2015), betas 0.9 and 0.999, epsilon 1e-8.
    Adam {
        /// L2 penalty, added to the gradient.
        weight_decay: f32,
    },
    /// AdamW (Loshchilov and Hutter, ICLR 2019): weight decay apart from the gradient.
    AdamW {
        /// Share of a parameter that is lost in a step, times the learning rate.
        weight_decay: f32,
    },
}

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Parameters that one thread moves at a time.
const BLOCK: usize = 8192;

/// An optimiser's state: the step count and the moments of each parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimizer {
    kind: OptimizerKind,
    steps: u64,
    /// Momentum, or Adam's first moment.
    first: Vec<f32>,
    /// Adam's second moment; empty for SGD.
    second: Vec<f32>,
}

impl Optimizer {
    /// For a flat vector of `parameters` values.
    pub fn new(kind: OptimizerKind, parameters: usize) -> Optimizer {
        let adam = !matches!(kind, OptimizerKind::Sgd { .. });
        Optimizer {
            kind,
            steps: 0,
            first: vec![0.0; parameters],
            second: vec![0.0; if adam { parameters } else { 0 }],
        }
    }

    /// Whether the state is that of `kind` over `parameters` values.
    pub fn fits(&self, kind: OptimizerKind, parameters: usize) -> bool {
        let fresh = Optimizer::new(kind, parameters);
        self.kind == kind
            && self.first.len() == fresh.first.len()
            && self.second.len() == fresh.second.len()
    }

    /// Moves `parameters` one step against `gradient`. Runs on rayon's current
    /// pool.
    ///
    /// # Panics
    /// When the lengths differ from that given to [`Optimizer::new`].
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], lr: f32) {
        assert_eq!(parameters.len(), self.first.len());
        assert_eq!(gradient.len(), self.first.len());
        self.steps += 1;
        match self.kind {
            OptimizerKind::Sgd { momentum, nesterov, weight_decay } => {
                self.sgd(parameters, gradient, lr, (momentum, nesterov, weight_decay));
            }
            OptimizerKind::Adam { weight_decay } => {
                self.adam(parameters, gradient, lr, weight_decay, 1.0);
            }
            OptimizerKind::AdamW { weight_decay } => {
                self.adam(parameters, gradient, lr, 0.0, 1.0 - lr * weight_decay);
            }
        }
    }

    fn sgd(
        &mut self,
        parameters: &mut [f32],
        gradient: &[f32],
        lr: f32,
        (momentum, nesterov, weight_decay): (f32, bool, f32),
    ) {
        let blocks = parameters.par_chunks_mut(BLOCK).zip(gradient.par_chunks(BLOCK));
        blocks.zip(self.first.par_chunks_mut(BLOCK)).for_each(|((p, g), v)| {
            for ((p, &g), v) in p.iter_mut().zip(g).zip(v) {
                let g = g + weight_decay * *p;
                *v = momentum * *v + g;
                *p -= lr * if nesterov { g + momentum * *v } else { *v };
            }
        });
    }

    fn adam(&mut self, parameters: &mut [f32], gradient: &[f32], lr: f32, l2: f32, keep: f32) {
        let bias = |beta: f32| 1.0 - f64::from(beta).powf(self.steps as f64);
        let step = (f64::from(lr) / bias(BETA1)) as f32;
        let scale = (1.0 / bias(BETA2).sqrt()) as f32;
        let blocks = parameters.par_chunks_mut(BLOCK).zip(gradient.par_chunks(BLOCK));
        let moments = self.first.par_chunks_mut(BLOCK).zip(self.second.par_chunks_mut(BLOCK));
        blocks.zip(moments).for_each(|((p, g), (m, v))| {
            for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                *p *= keep;
                let g = g + l2 * *p;
                *m += (1.0 - BETA1) * (g - *m);
                *v = BETA2 * *v + (1.0 - BETA2) * g * g;
                *p -= step * *m / (v.sqrt() * scale + EPSILON);
            }
        });
    }
}
