//! What holds for every quantised member of the network family: both packings
//! give the embedding of the naive oracle, word for word.

use lookalike::model::SelfTest;
use lookalike::{Int8, Model, Network, Packing};
use lookalike_tests::int8_oracle::{self, Int8Activations};
use lookalike_tests::quantized::Int8Case;
use lookalike_trainer::data::mnist;
use lookalike_trainer::files::AlignedBytes;
use lookalike_trainer::quantize::{Forward, Layer};
use proptest::prelude::*;

const PACKINGS: [Packing; 2] = [Packing::Compact, Packing::Fast];

/// Shapes that are odd and even, not square, with channels that do not fill words.
fn networks() -> impl Strategy<Value = Network> {
    let input = [1..=5u16, 18..=40, 18..=40];
    let widths = [1..=20u16, 1..=20, 1..=36];
    (input, widths, 1..=4u16, 0..=3u16).prop_map(|(input, widths, grid, classes)| {
        Network::new(input, widths, grid, classes).expect("within the family")
    })
}

/// The trainer's own forward pass leaves the oracle's activations.
fn check_trainer(case: &Int8Case, expected: &[Int8Activations]) -> Result<(), TestCaseError> {
    let layers = case.convs().map(|conv| Layer {
        inputs: conv.inputs,
        weights: conv.weights.to_vec(),
        biases: conv.biases.to_vec(),
        multipliers: conv.multipliers.to_vec(),
    });
    let forward = Forward::new(&case.network, layers.each_ref());
    for (image, expected) in case.images.iter().zip(expected) {
        let maps = [&expected.pool1, &expected.pool2, &expected.conv3];
        for (found, map) in forward.activations(image).iter().zip(maps) {
            let pixels = map.height * map.width;
            let expected: Vec<u8> = (0..pixels * map.channels)
                .map(|i| map.values[i % map.channels * pixels + i / map.channels])
                .collect();
            prop_assert_eq!(found, &expected);
        }
    }
    Ok(())
}

/// The embeddings of all images, by both packings and by the oracle.
fn check(case: &Int8Case) -> Result<(), TestCaseError> {
    let activations: Vec<Int8Activations> = case
        .images
        .iter()
        .map(|image| int8_oracle::forward(&case.network, &case.convs(), image))
        .collect();
    check_trainer(case, &activations)?;
    let expected: Vec<Vec<u32>> = activations.into_iter().map(|a| a.code).collect();
    let pixels = case.images.concat();
    let self_test = SelfTest { images: &pixels, embeddings: &expected.concat() };
    let mut fingerprints = Vec::new();
    for packing in PACKINGS {
        let words = case.file(packing, self_test).unwrap();
        let file = AlignedBytes::from(bytemuck::cast_slice::<u32, u8>(&words));
        let model = Model::<Int8>::from_bytes(&file).unwrap();
        prop_assert_eq!(model.packing(), packing);
        fingerprints.push(model.fingerprint());

        // What a workspace held before must not matter.
        let mut workspace = vec![0xDEAD_BEEF; model.workspace_len()];
        for (image, expected) in case.images.iter().zip(&expected) {
            let embedding = model.embed(image, &mut workspace).unwrap();
            prop_assert_eq!(embedding.as_slice(), expected, "{:?}", packing);
        }
        prop_assert_eq!(model.self_test(&mut workspace), Ok(case.images.len()));

        let (found, coder) = (model.coder().unwrap(), case.parameters(packing).coder.unwrap());
        prop_assert_eq!(found.thresholds(), coder.thresholds());
        prop_assert_eq!(found.weights(), coder.weights());
        prop_assert_eq!(found.offsets(), coder.offsets());

        for (index, conv) in case.convs().iter().enumerate() {
            let mut weights = vec![0; conv.weights.len()];
            let (mut biases, mut multipliers) = (vec![0; conv.outputs], vec![0; conv.outputs]);
            model.copy_convolution(index, &mut weights, &mut biases, &mut multipliers).unwrap();
            prop_assert_eq!(conv.weights, weights);
            prop_assert_eq!(conv.biases, biases);
            prop_assert_eq!(conv.multipliers, multipliers);
        }
    }
    prop_assert_eq!(fingerprints[0], fingerprints[1]);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn both_packings_are_the_oracle(network in networks(), seed: u64) {
        check(&Int8Case::new(network, 4, seed))?;
    }
}

#[test]
fn extreme_members_are_the_oracle() {
    for (index, (input, widths, grid)) in [
        ([1, 18, 18], [1, 1, 1], 1),
        ([1, 18, 18], [4, 4, 4], 8),
        ([16, 18, 21], [33, 64, 65], 3),
        ([3, 18, 90], [3, 9, 17], 7),
        ([3, 90, 18], [3, 9, 17], 7),
        ([2, 64, 64], [2, 512, 3], 1),
        ([1, 18, 18], [512, 1, 512], 2),
    ]
    .into_iter()
    .enumerate()
    {
        let network = Network::new(input, widths, grid, 0).unwrap();
        check(&Int8Case::new(network, 4, index as u64)).unwrap();
    }
}

/// The reference network, random weights, real images.
#[test]
fn digits_through_the_reference_network_are_the_oracle() {
    let mut case = Int8Case::new(Network::REFERENCE, 3, 1);
    let digits = mnist::test();
    case.images.extend((0..20).map(|i| digits.image(i).to_vec()));
    check(&case).unwrap();
}
