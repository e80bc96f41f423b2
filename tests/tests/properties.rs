//! What holds for every member of the network family: the trainer's batched
//! passes and the core's single-image pass agree with the naive oracle, and
//! with each other.

use lookalike::model::{self, ModelContents};
use lookalike::{F32, Model, Network};
use lookalike_tests::oracle;
use lookalike_tests::random::{Case, SplitMix};
use lookalike_trainer::data::Dataset;
use lookalike_trainer::files::AlignedBytes;
use lookalike_trainer::nn::{self, ConvNet, Packed, Parameters, fill_input};
use ndarray::Array2;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Shapes that are odd and even, not square, with channels that do not fill vectors.
fn cases() -> impl Strategy<Value = Case> {
    let input = [1..=3u16, 18..=34, 18..=34];
    let widths = [1..=20u16, 1..=20, 1..=36];
    (input, widths, 1..=3u16, 0..=5u16, 1..=10usize, any::<u64>()).prop_map(
        |(input, widths, grid, classes, images, seed)| {
            let network = Network::new(input, widths, grid, classes).expect("within the family");
            Case::new(network, images, seed)
        },
    )
}

/// Fails unless `actual` is within `tolerance` of `expected`, relative to the
/// largest magnitude.
fn close(actual: &[f32], expected: &[f64], tolerance: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(actual.len(), expected.len());
    let largest = expected.iter().fold(1e-6f64, |m, x| m.max(x.abs()));
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(a) - e).abs();
        prop_assert!(error <= tolerance * largest, "[{}]: {} instead of {}", i, a, e);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        // Where two sums of a pooling window are equal but for rounding, f32 and f64
        // pick different ones: rare, but a test must not depend on luck.
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn batched_forward_and_backward_agree_with_the_oracle(case in cases()) {
        let Case { network, parameters, images, .. } = &case;
        let net = ConvNet::new(network);
        let mut packed = Packed::new(network);
        packed.pack(parameters);
        let mut state = net.state(*images, true);
        let mut features = Array2::zeros((*images, network.embedding_len()));
        net.forward(&packed, &mut state, features.view_mut(), |i, input| {
            fill_input(case.image(i), input);
        });
        let mut random = SplitMix(images.wrapping_mul(77) as u64);
        let dfeatures = features.mapv(|_| random.unit() - 0.5);
        let mut gradient = vec![0.0; network.parameters()];
        net.backward(&packed, &mut state, dfeatures.view(), &mut gradient);

        let mut expected = vec![0.0; network.parameters()];
        for i in 0..*images {
            let a = oracle::forward(network, parameters, case.image(i));
            close(features.row(i).as_slice().unwrap(), &a.features.values, 1e-5)?;
            let d: Vec<f64> = dfeatures.row(i).iter().map(|&d| f64::from(d)).collect();
            oracle::backward(network, parameters, &a, &d, &mut expected);
        }
        for tensor in &network.tensors()[..6] {
            close(&gradient[tensor.range()], &expected[tensor.range()], 2e-4)?;
        }
    }

    #[test]
    fn core_trainer_and_oracle_agree_on_the_embedding(case in cases()) {
        let Case { network, parameters, pixels, images } = &case;
        let contents = ModelContents::new(*network, parameters);
        let mut file = AlignedBytes::zeroed(model::file_len(&contents).unwrap());
        model::write(&contents, &mut file).unwrap();
        let model = Model::<F32>::from_bytes(&file).unwrap();
        let mut workspace = vec![f32::NAN; model.workspace_len()];

        let data = Dataset {
            shape: network.input(),
            pixels: pixels.clone(),
            labels: vec![0; *images],
            class_names: vec![String::new()],
        };
        let of_trainer = Parameters { network: *network, values: parameters.clone() };
        let (batched, logits) = nn::classify(&of_trainer, &data);
        for i in 0..*images {
            let expected = oracle::forward(network, parameters, case.image(i));
            let embedding = model.embed(case.image(i), &mut workspace).unwrap().as_slice();
            let batched = batched.row(i);
            close(embedding, &expected.embedding, 1e-5)?;
            close(batched.as_slice().unwrap(), &expected.embedding, 1e-5)?;
            for (a, b) in embedding.iter().zip(batched) {
                prop_assert!((a - b).abs() <= 1e-5, "{} and {}", a, b);
            }
            if network.classes() > 0 {
                let mut of_core = vec![0.0; network.classes()];
                model.classify(case.image(i), &mut workspace, &mut of_core).unwrap();
                close(&of_core, &expected.logits, 1e-5)?;
                close(logits.row(i).as_slice().unwrap(), &expected.logits, 1e-5)?;
            }
        }
    }
}
