//! Every tensor of `golden.safetensors`, by name, against the trainer.

use lookalike::Network;
use lookalike_tests::{Fixture, oracle};
use lookalike_trainer::loss::{self, Margin, Mining, Pairs, Reduction, SmoothAp, Triplet};
use lookalike_trainer::nn::{
    self, Activation, ConvNet, Packed, Parameters, State, linear_backward, linear_forward,
    normalize_backward, normalize_forward,
};
use lookalike_trainer::optim::{Optimizer, OptimizerKind};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

const TOLERANCE: f32 = 1e-4;
const IMAGES: usize = 24;

/// The fixture's batch, ready to be taken through the trainer's passes.
struct Batch {
    network: Network,
    parameters: Parameters,
    net: ConvNet,
    packed: Packed,
    state: State,
    pixels: Vec<u8>,
    labels: Vec<u16>,
    features: Array2<f32>,
    embeddings: Array2<f32>,
}

impl Batch {
    fn new(golden: &Fixture) -> Batch {
        let network = Network::REFERENCE;
        let weights = Fixture::open("weights.safetensors");
        let mut parameters = Parameters::zeros(&network);
        for tensor in network.tensors() {
            let values: Vec<f32> = weights.get(tensor.name);
            parameters.values[tensor.range()].copy_from_slice(&values);
        }
        weights.finish();
        let net = ConvNet::new(&network);
        let mut batch = Batch {
            packed: Packed::new(&network),
            state: net.state(IMAGES, true),
            pixels: golden.get("images_u8"),
            labels: golden.get::<i32>("labels").into_iter().map(|l| l as u16).collect(),
            features: Array2::zeros((IMAGES, network.embedding_len())),
            embeddings: Array2::zeros((IMAGES, network.embedding_len())),
            network,
            parameters,
            net,
        };
        batch.forward();
        batch
    }

    fn image(&self, i: usize) -> &[u8] {
        let len = self.network.input().len();
        &self.pixels[i * len..(i + 1) * len]
    }

    fn forward(&mut self) {
        self.packed.pack(&self.parameters.values);
        let len = self.network.input().len();
        let pixels = &self.pixels;
        self.net.forward(&self.packed, &mut self.state, self.features.view_mut(), |i, input| {
            nn::fill_input(&pixels[i * len..(i + 1) * len], input)
        });
        normalize_forward(self.features.view(), self.embeddings.view_mut());
    }

    fn logits(&self) -> Array2<f32> {
        let (weight, bias) = self.parameters.classifier();
        let mut logits = Array2::zeros((IMAGES, self.network.classes()));
        linear_forward(self.features.view(), weight, bias, logits.view_mut());
        logits
    }

    /// Loss and gradient of the mean cross-entropy.
    fn cross_entropy(&mut self) -> (f64, Parameters) {
        let logits = self.logits();
        let mut dlogits = logits.clone();
        let loss = loss::cross_entropy(logits.view(), &self.labels, 0.0, dlogits.view_mut());
        let mut gradient = Parameters::zeros(&self.network);
        let mut dfeatures = Array2::zeros(self.features.raw_dim());
        let (dweight, dbias) = gradient.classifier_mut();
        let (weight, _) = self.parameters.classifier();
        linear_backward(
            self.features.view(),
            weight,
            dlogits.view(),
            dweight,
            dbias,
            dfeatures.view_mut(),
        );
        self.net.backward(&self.packed, &mut self.state, dfeatures.view(), &mut gradient.values);
        (loss, gradient)
    }

    /// The gradient of the mean cross-entropy in `f64`, rounded once.
    fn cross_entropy_by_the_oracle(&self) -> Vec<f32> {
        let [.., weight, bias] = self.network.tensors();
        let (w, _) = self.parameters.classifier();
        let mut gradient = vec![0.0; self.network.parameters()];
        for i in 0..IMAGES {
            let a = oracle::forward(&self.network, &self.parameters.values, self.image(i));
            let sum: f64 = a.logits.iter().map(|x| x.exp()).sum();
            let mut dfeatures = vec![0.0; a.features.values.len()];
            for (k, logit) in a.logits.iter().enumerate() {
                let target = f64::from(u8::from(k == usize::from(self.labels[i])));
                let d = (logit.exp() / sum - target) / IMAGES as f64;
                gradient[bias.offset + k] += d;
                for (e, feature) in a.features.values.iter().enumerate() {
                    gradient[weight.offset + k * dfeatures.len() + e] += d * feature;
                    dfeatures[e] += d * f64::from(w[[k, e]]);
                }
            }
            let values = &self.parameters.values;
            oracle::backward(&self.network, values, &a, &dfeatures, &mut gradient);
        }
        gradient.into_iter().map(|g| g as f32).collect()
    }

    /// Loss and gradient of a loss on the embeddings.
    fn embedding_loss<T>(
        &mut self,
        loss: impl FnOnce(ArrayView2<'_, f32>, &[u16], ArrayViewMut2<'_, f32>, &mut Pairs) -> T,
    ) -> (T, Parameters) {
        let mut d = Array2::zeros(self.embeddings.raw_dim());
        let mut pairs = Pairs::new(IMAGES);
        let value = loss(self.embeddings.view(), &self.labels, d.view_mut(), &mut pairs);
        normalize_backward(self.features.view(), self.embeddings.view(), d.view_mut());
        let mut gradient = Parameters::zeros(&self.network);
        self.net.backward(&self.packed, &mut self.state, d.view(), &mut gradient.values);
        (value, gradient)
    }
}

fn check_parameters(golden: &Fixture, prefix: &str, parameters: &Parameters, tolerance: f32) {
    for tensor in parameters.network.tensors() {
        let name = format!("{prefix}.{}", tensor.name);
        golden.check(&name, &parameters.values[tensor.range()], tolerance);
    }
}

#[test]
fn every_golden_tensor_is_reproduced() {
    let golden = Fixture::open("golden.safetensors");
    let mut batch = Batch::new(&golden);

    let oracle: Vec<_> = (0..IMAGES)
        .map(|i| oracle::forward(&batch.network, &batch.parameters.values, batch.image(i)))
        .collect();
    let conv1: Vec<f32> = oracle[..4].iter().flat_map(|a| a.conv1.to_f32()).collect();
    golden.check("act.conv1", &conv1, TOLERANCE);
    for (name, which) in [("act.pool1", Activation::Pool1), ("act.pool2", Activation::Pool2)] {
        let values: Vec<f32> = (0..IMAGES)
            .flat_map(|i| batch.net.activation(&batch.state, which, i).into_iter())
            .collect();
        golden.check(name, &values, TOLERANCE);
    }
    golden.check("act.avgpool", batch.features.as_slice().unwrap(), TOLERANCE);
    golden.check("act.logits", batch.logits().as_slice().unwrap(), TOLERANCE);
    golden.check("features", batch.embeddings.as_slice().unwrap(), TOLERANCE);
    let mut pairs = Pairs::new(IMAGES);
    let (similarity, _) = pairs.compute(batch.embeddings.view());
    let distances: Vec<f32> = similarity.iter().map(|s| 2.0 - 2.0 * s).collect();
    golden.check("sq_dist", &distances, TOLERANCE);

    let (loss, gradient) = batch.cross_entropy();
    golden.check("ce.loss", &[loss as f32], TOLERANCE);
    check_parameters(&golden, "ce.grad", &gradient, TOLERANCE);

    let all = Triplet { reduction: Reduction::Sum, ..Triplet::default() };
    let settings = [
        ("sum", all),
        ("mean_anchor", Triplet { reduction: Reduction::MeanAnchor, ..all }),
        ("mean_active", Triplet { reduction: Reduction::MeanActive, ..all }),
        ("first10_alpha0.2", Triplet { margin: Margin::Hinge(0.2), anchors: Some(10), ..all }),
        ("batch_hard", Triplet { mining: Mining::Hard, reduction: Reduction::MeanAnchor, ..all }),
    ];
    for (name, triplet) in settings {
        let (stats, gradient) =
            batch.embedding_loss(|f, labels, d, pairs| triplet.evaluate(f, labels, d, pairs));
        golden.check(&format!("triplet.{name}.loss"), &[stats.loss as f32], TOLERANCE);
        check_parameters(&golden, &format!("triplet.{name}.grad"), &gradient, TOLERANCE);
        if name == "sum" {
            assert_eq!(stats.active, golden.scalar::<i32>("triplet.active") as u64);
        }
    }

    for temperature in [0.01, 0.5] {
        let smooth_ap = SmoothAp { temperature };
        let (loss, gradient) =
            batch.embedding_loss(|f, labels, d, pairs| smooth_ap.evaluate(f, labels, d, pairs));
        let name = format!("smooth_ap.tau{temperature}");
        golden.check(&format!("{name}.loss"), &[loss.unwrap() as f32], TOLERANCE);
        check_parameters(&golden, &format!("{name}.grad"), &gradient, TOLERANCE);
    }

    let sgd = |nesterov, weight_decay| OptimizerKind::Sgd { momentum: 0.9, nesterov, weight_decay };
    let optimizers = [
        ("sgd", sgd(false, 0.0), 0.01),
        ("sgd_wd_nesterov", sgd(true, 0.001), 0.01),
        ("adam", OptimizerKind::Adam { weight_decay: 0.0 }, 0.001),
        ("adamw", OptimizerKind::AdamW { weight_decay: 0.01 }, 0.001),
    ];
    for (name, kind, lr) in optimizers {
        let mut batch = Batch::new(&golden);
        let mut exact = Batch::new(&golden);
        let mut optimizer = Optimizer::new(kind, batch.network.parameters());
        let mut exact_optimizer = optimizer.clone();
        for _ in 0..3 {
            let (_, gradient) = batch.cross_entropy();
            optimizer.step(&mut batch.parameters.values, &gradient.values, lr);
            batch.forward();
            let gradient = exact.cross_entropy_by_the_oracle();
            exact_optimizer.step(&mut exact.parameters.values, &gradient, lr);
        }
        let prefix = format!("{name}.step3");
        // Adam divides a gradient by its own magnitude, so one that is nearly
        // zero passes its rounding error on whole: with gradients in f32 the
        // parameters agree to 1e-5, with exact ones to 1e-5 of the largest.
        for tensor in batch.network.tensors() {
            let expected: Vec<f32> = golden.get(&format!("{prefix}.{}", tensor.name));
            for (a, e) in batch.parameters.values[tensor.range()].iter().zip(expected) {
                assert!((a - e).abs() <= 1e-5, "{prefix}.{}: {a}, expected {e}", tensor.name);
            }
        }
        check_parameters(&golden, &prefix, &exact.parameters, 1e-5);
    }
    golden.finish();
}
