//! Files of quantised models: fixtures, round trips, and every way in which
//! they are refused. What the models compute is tested against the naive oracle
//! in `tests/`.

mod common;

use common::{Aligned, noise};
use lookalike::code::Coder;
use lookalike::model::{self, Int8Parameters, ModelContents, ModelPlan, SelfTest};
use lookalike::{
    Acceptance, EmbedError, F32, FileError, Int8, MAX_BIAS, MAX_MULTIPLIER, Model, ModelError,
    Network, Packing, QuantizedConv, Rule, include_model,
};

static COMPACT: &[u8] = include_model!("fixtures/v1.int8.compact.model");
static FAST: &[u8] = include_model!("fixtures/v1.int8.fast.model");

const PACKINGS: [(Packing, &[u8]); 2] = [(Packing::Compact, COMPACT), (Packing::Fast, FAST)];

/// The network of the fixtures.
fn small() -> Network {
    Network::new([2, 22, 26], [3, 5, 6], 2, 2).unwrap()
}

/// Fingerprint of the fixtures.
const FINGERPRINT: u32 = 0x7b17_6d36;
/// Embedding of an image by the fixtures.
const EMBEDDING: [u32; 7] = [0x2f66_e46c, 0xf8fc_fff6, 0x2621_2d26, 0x483e_4642, 0, 0, 0xe4e6_dae1];

/// Parameters that can be changed before they are written.
struct Plain {
    weights: [Vec<i8>; 3],
    biases: [Vec<i32>; 3],
    multipliers: [Vec<u32>; 3],
    classifier: Vec<f32>,
    thresholds: Vec<u16>,
    offsets: Vec<i32>,
    projection: Vec<i8>,
}

impl Plain {
    fn new() -> Plain {
        let network = small();
        let [a, b, d] = network.widths();
        let channels = [[network.input().channels, a], [a, b], [b, d]];
        let mut noise = noise(5);
        let dimension = network.embedding_len();
        let outputs = 3;
        let weights = channels.map(|[inputs, outputs]| {
            noise.by_ref().take(9 * inputs * outputs).map(|v| (v * 127.4) as i8).collect()
        });
        let biases = channels.map(|[_, outputs]| {
            noise.by_ref().take(outputs).map(|v| ((v + 0.8) * 2e5) as i32).collect()
        });
        let multipliers = channels.map(|[inputs, outputs]| {
            // About 128 for a sum of the usual size.
            let unit = 2f64.powi(32) * 128.0 / (4.0 * 7300.0 * (9.0 * inputs as f64).sqrt());
            (0..outputs).map(|o| (unit * (0.3 + 0.1 * o as f64)) as u32).collect()
        });
        Plain {
            weights,
            biases,
            multipliers,
            classifier: noise.by_ref().take(2 * (dimension + 1)).collect(),
            thresholds: noise.by_ref().take(dimension).map(|v| (v.abs() * 4e4) as u16).collect(),
            offsets: noise.by_ref().take(outputs).map(|v| (v * 1e6) as i32).collect(),
            projection: noise
                .by_ref()
                .take(outputs * dimension)
                .map(|v| (v * 127.0) as i8)
                .collect(),
        }
    }

    fn parameters(&self, packing: Packing) -> Int8Parameters<'_> {
        let [a, b, d] = small().widths();
        let conv = |index: usize, [inputs, outputs]: [usize; 2]| QuantizedConv {
            inputs,
            outputs,
            weights: &self.weights[index],
            biases: &self.biases[index],
            multipliers: &self.multipliers[index],
        };
        let coder =
            Coder::new(small().embedding_len(), &self.thresholds, &self.projection, &self.offsets);
        Int8Parameters {
            packing,
            convs: [conv(0, [small().input().channels, a]), conv(1, [a, b]), conv(2, [b, d])],
            classifier: &self.classifier,
            coder: Some(coder.unwrap()),
        }
    }

    fn write(
        &self,
        packing: Packing,
        self_test: SelfTest<'_, Int8>,
    ) -> Result<Aligned, ModelError> {
        let contents = ModelContents {
            class_names: "cup\nkey",
            self_test,
            ..ModelContents::int8(small(), self.parameters(packing))
        };
        let mut words = vec![0xAAAA_AAAAu32; model::file_len(&contents)? / 4];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        assert_eq!(model::write(&contents, bytes), Ok(bytes.len()));
        Ok(Aligned::new(bytes))
    }
}

fn image() -> Vec<u8> {
    noise(9).take(small().input().len()).map(|v| ((v + 1.0) * 127.5) as u8).collect()
}

const NO_SELF_TEST: SelfTest<'static, Int8> = SelfTest { images: &[], embeddings: &[] };

/// The fixtures as they are written today.
fn written(packing: Packing) -> Aligned {
    let (plain, image) = (Plain::new(), image());
    let bare = plain.write(packing, NO_SELF_TEST).unwrap();
    let model = Model::<Int8>::from_bytes(bare.bytes()).unwrap();
    let mut workspace = vec![u32::MAX; model.workspace_len()];
    let embedding = model.embed(&image, &mut workspace).unwrap();
    let self_test = SelfTest { images: &image, embeddings: embedding.as_slice() };
    plain.write(packing, self_test).unwrap()
}

/// Copies a file with words exchanged and the checksum made right again.
fn patched(file: &[u8], patch: impl FnOnce(&mut [u32])) -> Aligned {
    let mut words: Vec<u32> = bytemuck::cast_slice(file).to_vec();
    let content = words.len() - 1;
    patch(&mut words[..content]);
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    words[content] = crc.checksum(bytemuck::cast_slice(&words[..content]));
    Aligned::new(bytemuck::cast_slice(&words))
}

fn refusal(file: &Aligned) -> ModelError {
    Model::<Int8>::from_bytes(file.bytes()).unwrap_err()
}

#[test]
fn written_bytes_are_the_fixtures() {
    for (packing, fixture) in PACKINGS {
        assert!(written(packing).bytes() == fixture, "{packing:?}");
    }
}

#[test]
fn fixtures_have_their_values() {
    let plain = Plain::new();
    for (packing, fixture) in PACKINGS {
        let model = Model::<Int8>::from_bytes(fixture).unwrap();
        assert_eq!((*model.network(), model.packing()), (small(), packing));
        assert!(model.class_names().eq(["cup", "key"]));
        assert_eq!(model.fingerprint(), FINGERPRINT);
        let mut workspace = vec![u32::MAX; model.workspace_len()];
        assert_eq!(model.embed(&image(), &mut workspace).unwrap().as_slice(), EMBEDDING);
        assert_eq!(model.self_test(&mut workspace), Ok(1));

        let [weights, biases] = model.classifier();
        assert_eq!([weights, biases].concat(), plain.classifier);
        let mut logits = [f32::NAN; 2];
        let class = model.classify(&image(), &mut workspace, &mut logits).unwrap();
        let means = model.means(&image(), &mut workspace).unwrap();
        for (logit, (row, bias)) in logits.iter().zip(weights.chunks(means.len()).zip(biases)) {
            let expected: f32 = row.iter().zip(means).map(|(w, x)| w * x).sum::<f32>() + bias;
            assert!((logit - expected).abs() < 1e-3 * expected.abs().max(1.0));
        }
        assert_eq!(class, usize::from(logits[1] > logits[0]));

        let coder = model.coder().unwrap();
        assert_eq!(coder.thresholds(), plain.thresholds);
        assert_eq!(coder.weights(), plain.projection);
        assert_eq!(coder.offsets(), plain.offsets);
        for index in 0..3 {
            let mut weights = vec![0; plain.weights[index].len()];
            let mut biases = vec![0; plain.biases[index].len()];
            let mut multipliers = vec![0; plain.biases[index].len()];
            model.copy_convolution(index, &mut weights, &mut biases, &mut multipliers).unwrap();
            assert_eq!(weights, plain.weights[index]);
            assert_eq!(biases, plain.biases[index]);
            assert_eq!(multipliers, plain.multipliers[index]);
        }
        let beyond = model.copy_convolution(3, &mut [], &mut [], &mut []);
        assert_eq!(beyond, Err(ModelError::Convolution { layer: 4 }));
        let short = model.copy_convolution(0, &mut [], &mut [], &mut []);
        assert_eq!(short, Err(ModelError::Convolution { layer: 1 }));
    }
}

#[test]
fn layers_have_their_bytes() {
    for (packing, fixture) in PACKINGS {
        let layers: usize = model::int8_layer_bytes(&small(), packing).iter().sum();
        assert!(layers < fixture.len() && fixture.len() < layers + 2000, "{packing:?}");
    }
}

#[test]
fn the_plan_has_the_length_of_the_file() {
    let (plain, image) = (Plain::new(), image());
    let acceptance =
        Some(Acceptance { threshold: 1.0, false_accept_rate: 0.5, rule: Rule::NearestItem });
    for (packing, _) in PACKINGS {
        let contents = ModelContents {
            class_names: "cup\nkey",
            acceptance,
            self_test: SelfTest { images: &image, embeddings: &EMBEDDING },
            ..ModelContents::int8(small(), plain.parameters(packing))
        };
        let plan = ModelPlan {
            packing: Some(packing),
            projected: plain.offsets.len(),
            thresholds: plain.thresholds.len(),
            class_names: "cup\nkey",
            self_test_images: &image,
            ..ModelPlan::new(small())
        };
        assert_eq!(plan.file_len(), model::file_len(&contents), "{packing:?}");
    }
}

#[test]
fn the_other_encoding_is_told() {
    for (number, (_, fixture)) in (1..).zip(PACKINGS) {
        let refused = Model::<F32>::from_bytes(fixture).unwrap_err();
        assert_eq!(refused, ModelError::Encoding { found: number });
    }
    let float = include_model!("fixtures/v1.model");
    let refused = Model::<Int8>::from_bytes(float).unwrap_err();
    assert_eq!(refused, ModelError::Encoding { found: 0 });
}

#[test]
fn every_truncation_and_every_flipped_bit_is_refused() {
    for (_, fixture) in PACKINGS {
        for len in 0..fixture.len() {
            let error = Model::<Int8>::from_bytes(&fixture[..len]).unwrap_err();
            assert_eq!(error, ModelError::File(FileError::Truncated), "{len} bytes");
        }
        let mut file = Aligned::new(fixture);
        for bit in 0..fixture.len() * 8 {
            file.flip(bit);
            assert!(Model::<Int8>::from_bytes(file.bytes()).is_err(), "bit {bit}");
            file.flip(bit);
        }
    }
}

#[test]
fn parameters_out_of_range_are_not_written() {
    type Change = fn(&mut Plain);
    let changes: [(usize, Change); 7] = [
        (1, |plain| plain.weights[0][4] = -128),
        (2, |plain| plain.weights[1][0] = -128),
        (1, |plain| plain.biases[0][0] = MAX_BIAS + 1),
        (2, |plain| plain.biases[1][2] = -MAX_BIAS - 1),
        (3, |plain| plain.biases[2][5] = i32::MIN),
        (3, |plain| plain.multipliers[2][0] = MAX_MULTIPLIER + 1),
        (3, |plain| plain.multipliers[2].truncate(5)),
    ];
    for (layer, change) in changes {
        let mut plain = Plain::new();
        change(&mut plain);
        for (packing, _) in PACKINGS {
            let refused = plain.write(packing, NO_SELF_TEST).err();
            assert_eq!(refused, Some(ModelError::Convolution { layer }));
        }
    }
    let mut plain = Plain::new();
    plain.classifier[3] = f32::NAN;
    assert_eq!(plain.write(Packing::Fast, NO_SELF_TEST).err(), Some(ModelError::NotFinite));
    plain.classifier.clear();
    let refused = plain.write(Packing::Fast, NO_SELF_TEST).err();
    assert_eq!(refused, Some(ModelError::Parameters { expected: 50, found: 0 }));
}

#[test]
fn the_largest_parameters_are_written_and_used() {
    let mut plain = Plain::new();
    for weights in &mut plain.weights {
        weights.fill(127);
    }
    plain.weights[1].fill(-127);
    for (biases, value) in plain.biases.iter_mut().zip([MAX_BIAS, -MAX_BIAS, MAX_BIAS]) {
        biases.fill(value);
    }
    for multipliers in &mut plain.multipliers {
        multipliers.fill(MAX_MULTIPLIER);
    }
    for (packing, _) in PACKINGS {
        let file = plain.write(packing, NO_SELF_TEST).unwrap();
        let model = Model::<Int8>::from_bytes(file.bytes()).unwrap();
        let mut workspace = vec![0; model.workspace_len()];
        for pixel in [0, 255] {
            let image = vec![pixel; small().input().len()];
            // Everything saturates: every mean is 255.
            let embedding = model.embed(&image, &mut workspace).unwrap();
            assert_eq!(embedding.as_slice()[1..], [u32::MAX; 6]);
        }
    }
}

#[test]
fn an_image_of_no_features_has_a_zero_embedding() {
    let mut plain = Plain::new();
    plain.biases[2].fill(-MAX_BIAS);
    for (packing, _) in PACKINGS {
        let file = plain.write(packing, NO_SELF_TEST).unwrap();
        let model = Model::<Int8>::from_bytes(file.bytes()).unwrap();
        let mut workspace = vec![0; model.workspace_len()];
        assert_eq!(model.embed(&image(), &mut workspace).unwrap().as_slice(), [0; 7]);
    }
}

/// Where words of a file begin: the position of `needle`, which occurs once.
fn position(file: &[u8], needle: u32) -> usize {
    let words: &[u32] = bytemuck::cast_slice(file);
    let places: Vec<usize> = (0..words.len()).filter(|&i| words[i] == needle).collect();
    assert_eq!(places.len(), 1, "{needle:#x}");
    places[0]
}

#[test]
fn parameters_out_of_range_are_not_read() {
    // Values that occur nowhere else.
    let mut plain = Plain::new();
    plain.biases[1][0] = 0x1234_5678;
    plain.multipliers[2][1] = 0x2345_6789;
    plain.offsets[0] = 0x0345_6789;
    for (packing, _) in PACKINGS {
        let file = plain.write(packing, NO_SELF_TEST).unwrap();
        let file = file.bytes();
        let (bias, multiplier, offset) =
            (position(file, 0x1234_5678), position(file, 0x2345_6789), position(file, 0x0345_6789));
        let too_large = patched(file, |words| words[bias] = 0x4000_0001);
        assert_eq!(refusal(&too_large), ModelError::Convolution { layer: 2 });
        let too_small = patched(file, |words| words[bias] = 0xBFFF_FFFF);
        assert_eq!(refusal(&too_small), ModelError::Convolution { layer: 2 });
        let too_large = patched(file, |words| words[multiplier] = 0x8000_0000);
        assert_eq!(refusal(&too_large), ModelError::Convolution { layer: 3 });
        let too_large = patched(file, |words| words[offset] = 0x4000_0001);
        assert_eq!(refusal(&too_large), ModelError::Coder);
    }
}

#[test]
fn a_body_of_other_sizes_is_told() {
    let file = written(Packing::Fast);
    // The first words of the body: outputs and thresholds of the coder.
    let words: &[u32] = bytemuck::cast_slice(file.bytes());
    let head = words.windows(4).position(|words| words == [3, 24, 0, 0]).unwrap();
    for (change, error) in [
        ((0, u32::MAX), ModelError::Body),
        ((0, 4), ModelError::Coder),
        ((1, 23), ModelError::Coder),
        ((2, 1), ModelError::File(FileError::Malformed)),
        ((3, 1), ModelError::File(FileError::Malformed)),
    ] {
        let (word, value) = change;
        let other = patched(file.bytes(), |words| words[head + word] = value);
        assert_eq!(refusal(&other), error, "{change:?}");
    }
}

#[test]
fn a_self_test_lets_no_difference_pass() {
    let (plain, image) = (Plain::new(), image());
    let mut embedding = EMBEDDING;
    embedding[3] ^= 1;
    // The inverse norm no longer fits: no embedding.
    let other = SelfTest { images: &image, embeddings: &embedding };
    assert_eq!(plain.write(Packing::Fast, other).err(), Some(ModelError::SelfTest));
    let zero = SelfTest { images: &image, embeddings: &[0; 7] };
    let file = plain.write(Packing::Fast, zero).unwrap();
    let model = Model::<Int8>::from_bytes(file.bytes()).unwrap();
    let mut workspace = vec![0; model.workspace_len()];
    let error = model.self_test(&mut workspace).unwrap_err();
    assert_eq!(error, model::SelfTestError::Differs { image: 0, difference: 255.0 });
}

#[test]
fn wrong_lengths_are_told() {
    for (packing, fixture) in PACKINGS {
        let model = Model::<Int8>::from_bytes(fixture).unwrap();
        let needed = small().int8_workspace_len(packing);
        assert_eq!(model.workspace_len(), needed);
        let mut workspace = vec![0; needed];
        let refused = model.embed(&image()[1..], &mut workspace).unwrap_err();
        assert_eq!(refused, EmbedError::Image { expected: 1144, found: 1143 });
        let refused = model.embed(&image(), &mut workspace[1..]).unwrap_err();
        assert_eq!(refused, EmbedError::Workspace { needed, found: needed - 1 });
        assert!(model.embed(&image(), &mut []).is_err());
    }
}

#[test]
fn a_buffer_at_an_odd_address_is_refused() {
    let plain = Plain::new();
    let contents = ModelContents::int8(small(), plain.parameters(Packing::Compact));
    let len = model::file_len(&contents).unwrap();
    let mut words = vec![0u32; len / 4 + 1];
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
    let written = model::write(&contents, &mut bytes[1..]);
    assert_eq!(written, Err(ModelError::File(FileError::Misaligned)));
}
