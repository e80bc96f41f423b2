//! The streamed forward pass against the naive oracle.

mod common;

use common::{image, model_file, networks, open, oracle, parameters};
use lookalike::{EmbedError, Model, Network};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn difference(values: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(values.len(), expected.len());
    values.iter().zip(expected).map(|(&v, e)| (f64::from(v) - e).abs()).fold(0.0, f64::max)
}

/// Embedding and logits of a random network and image against the oracle's,
/// from a workspace of exactly the stated length that held something before.
fn check(network: &Network, seed: u64) -> Result<(), TestCaseError> {
    let (parameters, image) = (parameters(network, seed), image(network, seed));
    let file = model_file(network, "", &parameters);
    let model = open(&file);
    let expected = oracle::forward(network, &parameters, &image);
    let mut workspace = vec![f32::NAN; model.workspace_len()];

    let embedding = model.embed(&image, &mut workspace).unwrap();
    let off = difference(embedding.as_slice(), &expected.embedding);
    prop_assert!(off < 1e-5, "embedding is off by {off}");

    let mut logits = vec![f32::NAN; network.classes()];
    match model.classify(&image, &mut workspace, &mut logits) {
        Ok(class) => {
            let off = difference(&logits, &expected.logits);
            prop_assert!(off < 1e-5, "a logit is off by {off}");
            let largest = logits.iter().copied().fold(f32::MIN, f32::max);
            prop_assert_eq!(Some(class), logits.iter().position(|&logit| logit == largest));
        }
        Err(error) => prop_assert_eq!((error, network.classes()), (EmbedError::NoClassifier, 0)),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        // A nearly dead network divides by a tiny norm, and loses digits: rare,
        // but a test must not depend on luck.
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn equals_the_oracle(network in networks(), seed: u64) {
        check(&network, seed)?;
    }
}

#[test]
fn reference_network_equals_the_oracle() {
    check(&Network::REFERENCE, 1).unwrap();
}

#[test]
fn extreme_members_equal_the_oracle() {
    for (input, widths, grid, classes) in [
        ([1, 18, 18], [1, 1, 1], 1, 0),
        ([1, 18, 18], [1, 1, 1], 8, 1),
        ([16, 18, 21], [8, 16, 24], 3, 2),
        ([3, 18, 90], [3, 9, 17], 7, 0),
        ([3, 90, 18], [3, 9, 17], 7, 0),
    ] {
        check(&Network::new(input, widths, grid, classes).unwrap(), 2).unwrap();
    }
}

#[test]
fn reference_workspace_is_small() {
    assert!(4 * Network::REFERENCE.workspace_len() <= 12 * 1024);
}

#[test]
fn a_dead_network_gives_the_zero_embedding() {
    let network = Network::new([1, 18, 18], [2, 2, 2], 1, 0).unwrap();
    let file = model_file(&network, "", &vec![0.0; network.parameters()]);
    let mut workspace = vec![1.0; network.workspace_len()];
    let embedding = open(&file).embed(&[255; 18 * 18], &mut workspace).unwrap();
    assert_eq!(embedding.as_slice(), [0.0; 2]);
}

#[test]
fn overflow_is_an_error() {
    let network = Network::new([1, 18, 18], [2, 2, 2], 1, 1).unwrap();
    let file = model_file(&network, "", &vec![1e30; network.parameters()]);
    let mut workspace = vec![0.0; network.workspace_len()];
    let model = open(&file);
    assert_eq!(model.embed(&[255; 18 * 18], &mut workspace), Err(EmbedError::NotFinite));
    let result = model.classify(&[255; 18 * 18], &mut workspace, &mut [0.0]);
    assert_eq!(result, Err(EmbedError::NotFinite));
}

#[test]
fn wrong_lengths_are_errors() {
    let network = Network::REFERENCE;
    let file = model_file(&network, "", &parameters(&network, 3));
    let model: Model<'_> = open(&file);
    let image = image(&network, 3);
    let needed = network.workspace_len();
    let mut workspace = vec![0.0; needed];
    for found in [0, 783, 785] {
        let wrong = vec![0; found];
        assert_eq!(
            model.embed(&wrong, &mut workspace),
            Err(EmbedError::Image { expected: 784, found })
        );
    }
    for found in 0..needed {
        assert_eq!(
            model.embed(&image, &mut workspace[..found]),
            Err(EmbedError::Workspace { needed, found })
        );
    }
    for found in [0, 9, 11] {
        assert_eq!(
            model.classify(&image, &mut workspace, &mut vec![0.0; found]),
            Err(EmbedError::Logits { expected: 10, found })
        );
    }
}
