//! What holds for every member of the network family: the trainer's batched
//! passes and the core's single-image pass agree with the naive oracle.

use lookalike::Network;
use lookalike_tests::oracle;
use lookalike_tests::random::{Case, SplitMix};
use lookalike_trainer::nn::{ConvNet, Packed, fill_input};
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
}
