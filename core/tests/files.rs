//! Model and gallery files: fixtures of version 1, round trips, and every way
//! in which they are refused.

mod common;

use common::{Aligned, image, model_file, networks, noise, open, parameters, write_model};
use lookalike::gallery::{self, GalleryContents};
use lookalike::model::{ModelContents, ModelPlan, SelfTest, SelfTestError};
use lookalike::{
    Acceptance, EmbedError, EmbeddingError, F32, FileError, FileKind, GalleryFile,
    GalleryFileError, Model, ModelError, Network, Rule, include_gallery, include_model, model,
};
use proptest::prelude::*;

static MODEL_V1: &[u8] = include_model!("fixtures/v1.model");
static GALLERY_V1: &[u8] = include_gallery!("fixtures/v1.gallery");

/// The network of the fixtures.
fn small() -> Network {
    Network::new([2, 22, 30], [3, 9, 4], 3, 2).unwrap()
}

/// Writes the model fixture, or one that `change` makes of it.
fn small_model(change: impl FnOnce(&mut ModelContents<'_>)) -> Aligned {
    let parameters = parameters(&small(), 7);
    let image = image(&small(), 7);
    let bare = model_file(&small(), "", &parameters);
    let mut workspace = vec![0.0; small().workspace_len()];
    let embedding = open(&bare).embed(&image, &mut workspace).unwrap();
    let mut contents = ModelContents {
        class_names: NAMES,
        acceptance: Some(ACCEPTANCE),
        self_test: SelfTest { images: &image, embeddings: embedding.as_slice() },
        ..ModelContents::new(small(), &parameters)
    };
    change(&mut contents);
    write_model(&contents)
}

fn small_contents(embeddings: &[f32]) -> GalleryContents<'_> {
    GalleryContents {
        fingerprint: FINGERPRINT,
        dimension: 36,
        names: NAMES,
        labels: &[1, 0, 1],
        embeddings,
    }
}

/// Class names of the model fixture.
const NAMES: &str = "cup\nT\u{fc}te";
/// Acceptance threshold of the model fixture.
const ACCEPTANCE: Acceptance =
    Acceptance { threshold: 0.375, false_accept_rate: 0.01, rule: Rule::NearestPrototype };
/// Fingerprint of the model fixture.
const FINGERPRINT: u32 = 0x0dba_9926;
/// Embedding of an image by the model fixture, first two channels.
const EMBEDDING: [f32; 18] = [
    0.04612762,
    0.058693122,
    0.09783107,
    0.050027926,
    0.062652685,
    0.055257548,
    0.053928226,
    0.06661224,
    0.012684021,
    0.3725052,
    0.34628668,
    0.45699883,
    0.3304854,
    0.29453167,
    0.337329,
    0.28846556,
    0.24277665,
    0.21765915,
];

fn small_embeddings() -> Vec<f32> {
    noise(11).take(3 * 36).map(|v| v / 6.0).collect()
}

fn gallery_file(contents: &GalleryContents<'_>) -> Aligned {
    let mut out = vec![0xAA; gallery::file_len(contents).unwrap()];
    assert_eq!(gallery::write(contents, &mut out), Ok(out.len()));
    Aligned::new(&out)
}

/// Copies a file with bytes exchanged and the checksum made right again.
fn patched(file: &[u8], patch: impl FnOnce(&mut [u8])) -> Aligned {
    let mut bytes = file.to_vec();
    let content = bytes.len() - 4;
    patch(&mut bytes[..content]);
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[..content]);
    bytes[content..].copy_from_slice(&crc.to_le_bytes());
    Aligned::new(&bytes)
}

#[test]
fn written_bytes_are_the_fixtures() {
    assert_eq!(small_model(|_| {}).bytes(), MODEL_V1);
    let embeddings = small_embeddings();
    assert_eq!(gallery_file(&small_contents(&embeddings)).bytes(), GALLERY_V1);
}

#[test]
fn model_fixture_has_its_values() {
    let model = Model::<F32>::from_bytes(MODEL_V1).unwrap();
    assert_eq!(*model.network(), small());
    assert!(model.class_names().eq(["cup", "T\u{fc}te"]));
    assert_eq!(model.fingerprint(), FINGERPRINT);
    assert_eq!(model.acceptance(), Some(ACCEPTANCE));
    let mut copied = vec![0.0; small().parameters()];
    model.copy_parameters(&mut copied).unwrap();
    assert_eq!(copied, parameters(&small(), 7));

    // To the bit: the forward pass has one order of operations on every target.
    let mut workspace = vec![0.0; model.workspace_len()];
    let embedding = model.embed(&image(&small(), 7), &mut workspace).unwrap();
    assert_eq!(embedding.as_slice()[..18], EMBEDDING);
    assert_eq!(model.self_test_contents().images, image(&small(), 7));
    assert_eq!(model.self_test_contents().embeddings, embedding.as_slice());
}

#[test]
fn the_self_test_finds_what_differs() {
    let mut workspace = vec![0.0; small().workspace_len()];
    let model = Model::<F32>::from_bytes(MODEL_V1).unwrap();
    assert_eq!(model.self_test_len(), 1);
    assert_eq!(model.self_test(&mut workspace), Ok(1));
    let short = model.self_test(&mut workspace[1..]);
    assert!(matches!(short, Err(SelfTestError::Embed(EmbedError::Workspace { .. }))));

    let mut wrong = model.self_test_contents().embeddings.to_vec();
    wrong[35] += 2e-5;
    let images = [&image(&small(), 7)[..], &image(&small(), 7)].concat();
    let embeddings = [model.self_test_contents().embeddings, &wrong].concat();
    let self_test = SelfTest { images: &images, embeddings: &embeddings };
    let parameters = parameters(&small(), 7);
    let file =
        write_model(&ModelContents { self_test, ..ModelContents::new(small(), &parameters) });
    let Err(SelfTestError::Differs { image, difference }) = open(&file).self_test(&mut workspace)
    else {
        panic!("the second embedding is wrong")
    };
    assert_eq!(image, 1);
    assert!((1e-5..3e-5).contains(&difference), "{difference}");

    let none = model_file(&small(), "", &parameters);
    assert_eq!(open(&none).self_test(&mut workspace), Err(SelfTestError::Missing));
}

#[test]
fn gallery_fixture_has_its_values() {
    let file = GalleryFile::<F32>::from_bytes(GALLERY_V1).unwrap();
    assert_eq!((file.fingerprint(), file.dimension(), file.len()), (FINGERPRINT, 36, 3));
    let labels = [0, 1, 2, 3].map(|id| file.label(id));
    assert_eq!(labels, [Some("T\u{fc}te"), Some("cup"), Some("T\u{fc}te"), None]);
    assert!(file.embeddings().eq(small_embeddings().chunks(36)));
}

proptest! {
    #[test]
    fn the_plan_has_the_length_of_the_file(network in networks(), images in 0usize..3) {
        let parameters = parameters(&network, 1);
        let class_names = vec!["n\u{e9}"; network.classes()].join("\n");
        let mut embedding = vec![0.0; network.embedding_len()];
        embedding[0] = 1.0;
        let embeddings = embedding.repeat(images);
        let images = vec![7; images * network.input().len()];
        let contents = ModelContents {
            class_names: &class_names,
            acceptance: Some(ACCEPTANCE),
            self_test: SelfTest { images: &images, embeddings: &embeddings },
            ..ModelContents::new(network, &parameters)
        };
        let plan = ModelPlan {
            class_names: &class_names,
            self_test_images: &images,
            ..ModelPlan::new(network)
        };
        prop_assert_eq!(plan.file_len(), model::file_len(&contents));
    }

    #[test]
    fn parameters_survive_to_the_bit(network in networks(), seed: u64, negative_zero: prop::sample::Index) {
        let mut parameters = parameters(&network, seed);
        let at = negative_zero.index(parameters.len());
        parameters[at] = -0.0;
        let file = model_file(&network, "", &parameters);
        let model = open(&file);
        let mut copied = vec![f32::NAN; parameters.len()];
        model.copy_parameters(&mut copied).unwrap();
        prop_assert_eq!(*model.network(), network);
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&copied), bits(&parameters));
    }
}

#[test]
fn fingerprint_depends_on_what_determines_the_embedding() {
    let network = small();
    let mut parameters = parameters(&network, 7);
    let fingerprint =
        |network, parameters: &[f32]| open(&model_file(network, "", parameters)).fingerprint();
    assert_eq!(fingerprint(&network, &parameters), FINGERPRINT);

    let classifier = network.tensors()[6].offset;
    let headless = network.with_classes(0).unwrap();
    assert_eq!(fingerprint(&headless, &parameters[..classifier]), FINGERPRINT);

    parameters[classifier] += 1.0;
    assert_eq!(fingerprint(&network, &parameters), FINGERPRINT);
    for index in 0..classifier {
        let mut changed = parameters.clone();
        changed[index] += 1.0;
        assert_ne!(fingerprint(&network, &changed), FINGERPRINT, "parameter {index}");
    }
    let taller = Network::new([2, 23, 30], [3, 9, 4], 3, 2).unwrap();
    assert_ne!(fingerprint(&taller, &parameters), FINGERPRINT);
}

/// Every truncation and every flipped bit of a file, at an aligned address.
fn check_damage<E: PartialEq + core::fmt::Debug>(
    file: &[u8],
    truncated: E,
    error: impl Fn(&[u8]) -> Option<E>,
) {
    for len in 0..file.len() {
        assert_eq!(error(Aligned::new(&file[..len]).bytes()).as_ref(), Some(&truncated));
    }
    for bit in 0..8 * file.len() {
        let mut damaged = file.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(error(Aligned::new(&damaged).bytes()).is_some(), "bit {bit}");
    }
}

fn model_error(bytes: &[u8]) -> Option<ModelError> {
    Model::<F32>::from_bytes(bytes).err()
}

fn gallery_error(bytes: &[u8]) -> Option<GalleryFileError> {
    GalleryFile::<F32>::from_bytes(bytes).err()
}

#[test]
fn damaged_models_are_refused() {
    check_damage(MODEL_V1, ModelError::File(FileError::Truncated), model_error);
}

#[test]
fn damaged_galleries_are_refused() {
    check_damage(GALLERY_V1, GalleryFileError::File(FileError::Truncated), gallery_error);
}

#[test]
fn files_of_the_other_kind_are_refused() {
    let expected = FileKind::Model;
    assert_eq!(model_error(GALLERY_V1), Some(FileError::Magic { expected }.into()));
    let expected = FileKind::Gallery;
    assert_eq!(gallery_error(MODEL_V1), Some(FileError::Magic { expected }.into()));
}

#[test]
fn newer_versions_are_told() {
    let newer = FileError::Version { found: 2, newest: 1 };
    let model = patched(MODEL_V1, |bytes| bytes[8] = 2);
    assert_eq!(model_error(model.bytes()), Some(newer.into()));
    let gallery = patched(GALLERY_V1, |bytes| bytes[8] = 2);
    assert_eq!(gallery_error(gallery.bytes()), Some(newer.into()));
}

#[test]
fn misaligned_files_are_told() {
    for offset in 1..4 {
        let mut shifted = vec![0; offset];
        shifted.extend(MODEL_V1);
        let error = model_error(&Aligned::new(&shifted).bytes()[offset..]);
        assert_eq!(error, Some(FileError::Misaligned.into()));

        let mut shifted = vec![0; offset];
        shifted.extend(GALLERY_V1);
        let error = gallery_error(&Aligned::new(&shifted).bytes()[offset..]);
        assert_eq!(error, Some(FileError::Misaligned.into()));
    }
}

#[test]
fn impossible_models_are_refused() {
    // Bytes of the header, as docs/model-format.md lists them.
    let (encoding, height, second_width, last_width, grid) = (9, 11, 14, 15, 16);
    let line_feed = MODEL_V1.iter().position(|&byte| byte == b'\n').unwrap();
    let last_bias = MODEL_V1.len() - 8 - 4 * 36;
    // After the class names and the fingerprint: the option's tag, the threshold.
    let threshold = line_feed + 6 + 4 + 1;
    assert_eq!(MODEL_V1[threshold - 1..][..5], [1, 0, 0, 0xc0, 0x3e]);
    let last_value = MODEL_V1.len() - 8;
    let malformed = ModelError::File(FileError::Malformed);
    let patches: [(usize, u8, ModelError); 9] = [
        (encoding, 1, ModelError::Encoding { found: 1 }),
        (height, 17, malformed),
        (grid, 9, malformed),
        (second_width, 127, ModelError::Body),
        // Another embedding length: the self-test's embedding does not fit it.
        (last_width, 5, ModelError::SelfTest),
        (threshold + 3, 0x41, ModelError::Acceptance),
        (last_value + 3, 0x7f, ModelError::SelfTest),
        (line_feed, b' ', ModelError::ClassNames),
        // The sign and the exponent's upper bits; the next byte has the last.
        (last_bias + 3, 0x7f, ModelError::NotFinite),
    ];
    for (at, byte, error) in patches {
        let file = patched(MODEL_V1, |bytes| {
            bytes[at] = byte;
            if at == last_bias + 3 || at == last_value + 3 {
                bytes[at - 1] = 0x80;
            }
        });
        assert_eq!(model_error(file.bytes()), Some(error), "byte {at}");
    }
}

#[test]
fn impossible_galleries_are_refused() {
    // Bytes of the header, as docs/model-format.md lists them.
    let (code, dimension, items) = (9, 14, 15);
    let labels = GALLERY_V1.windows(3).position(|w| w == "\u{fc}t".as_bytes()).unwrap() + 4;
    assert_eq!(GALLERY_V1[labels..][..7], [6, 1, 0, 0, 0, 1, 0]);
    let first_value = GALLERY_V1.len() - 4 - 4 * 3 * 36;
    let patches = [
        (code, 1, GalleryFileError::Code { found: 1 }),
        (dimension, 0, GalleryFileError::Dimension),
        (dimension, 35, GalleryFileError::Embeddings),
        (items, 4, GalleryFileError::Labels),
        (labels + 1, 2, GalleryFileError::Labels),
        (first_value + 3, 0x7f, GalleryFileError::Embedding(EmbeddingError::NotFinite)),
        (first_value + 3, 0x41, GalleryFileError::Embedding(EmbeddingError::NotNormalized)),
    ];
    for (at, byte, error) in patches {
        let file = patched(GALLERY_V1, |bytes| bytes[at] = byte);
        assert_eq!(gallery_error(file.bytes()), Some(error), "byte {at} = {byte}");
    }
}

#[test]
fn impossible_models_are_not_written() {
    let network = small();
    let right = parameters(&network, 7);
    let mut out = vec![0; MODEL_V1.len()];
    fn contents<'a>(class_names: &'a str, parameters: &'a [f32]) -> ModelContents<'a> {
        ModelContents { class_names, ..ModelContents::new(small(), parameters) }
    }
    let mut write = |names: &str, parameters: &[f32]| {
        let contents = contents(names, parameters);
        let len = model::file_len(&contents);
        let written = model::write(&contents, &mut out);
        assert_eq!(len, written);
        written
    };
    assert!(write(NAMES, &right).is_ok());
    for names in ["cup", "a\nb\nc", "a\nb\n"] {
        assert_eq!(write(names, &right), Err(ModelError::ClassNames));
    }
    let expected = right.len();
    let found = expected - 1;
    let wrong = ModelError::Parameters { expected, found };
    assert_eq!(write(NAMES, &right[1..]), Err(wrong));
    let mut short = vec![0.0; found];
    assert_eq!(Model::<F32>::from_bytes(MODEL_V1).unwrap().copy_parameters(&mut short), Err(wrong));
    for bad in [f32::NAN, f32::INFINITY] {
        let mut parameters = right.clone();
        parameters[found] = bad;
        assert_eq!(write(NAMES, &parameters), Err(ModelError::NotFinite));
    }
    let right = contents(NAMES, &right);
    let needed = model::file_len(&right).unwrap();
    let result = model::write(&right, &mut out[..needed - 1]);
    assert_eq!(result, Err(FileError::Buffer { needed }.into()));

    for (threshold, false_accept_rate) in
        [(-0.1, 0.01), (4.1, 0.01), (f32::NAN, 0.01), (1.0, -0.1), (1.0, 1.1), (1.0, f32::NAN)]
    {
        let acceptance = Some(Acceptance { threshold, false_accept_rate, ..ACCEPTANCE });
        let contents = ModelContents { acceptance, ..right };
        assert_eq!(model::file_len(&contents), Err(ModelError::Acceptance));
    }
    let image = vec![0; network.input().len()];
    let embedding = vec![0.0; network.embedding_len()];
    let with_nan = [&embedding[1..], &[f32::NAN]].concat();
    for (images, embeddings) in [
        (&image[1..], &embedding[..]),
        (&image, &embedding[1..]),
        (&image, &[]),
        (&[], &embedding),
        (&image, &with_nan),
    ] {
        let contents = ModelContents { self_test: SelfTest { images, embeddings }, ..right };
        assert_eq!(model::file_len(&contents), Err(ModelError::SelfTest));
    }
}

#[test]
fn impossible_models_are_not_planned() {
    let plan = ModelPlan::new(small());
    assert!(plan.file_len().is_ok());
    let names = ModelPlan { class_names: "one", ..plan };
    assert_eq!(names.file_len(), Err(ModelError::ClassNames));
    let images = ModelPlan { self_test_images: &[0; 7], ..plan };
    assert_eq!(images.file_len(), Err(ModelError::SelfTest));
    let packing = Some(lookalike::Packing::Fast);
    let coder = ModelPlan { packing, projected: usize::MAX / 2, ..plan };
    assert_eq!(coder.file_len(), Err(ModelError::Coder));
}

#[test]
fn impossible_galleries_are_not_written() {
    let embeddings = small_embeddings();
    let right = small_contents(&embeddings);
    let mut out = vec![0; GALLERY_V1.len()];
    let needed = out.len();
    assert_eq!(gallery::write(&right, &mut out[1..]), Err(FileError::Buffer { needed }.into()));
    let long = [&embeddings[..], &[0.0]].concat();
    let with_last = |value| [&embeddings[..107], &[value]].concat();
    let (infinite, large) = (with_last(f32::INFINITY), with_last(1.5));
    let cases = [
        (GalleryContents { dimension: 0, ..right }, GalleryFileError::Dimension),
        (GalleryContents { dimension: 35, ..right }, GalleryFileError::Embeddings),
        (GalleryContents { embeddings: &long, ..right }, GalleryFileError::Embeddings),
        (GalleryContents { labels: &[0, 0], ..right }, GalleryFileError::Embeddings),
        (GalleryContents { labels: &[0, 0, 2], ..right }, GalleryFileError::Labels),
        (GalleryContents { names: "one", ..right }, GalleryFileError::Labels),
        (
            GalleryContents { embeddings: &infinite, ..right },
            GalleryFileError::Embedding(EmbeddingError::NotFinite),
        ),
        (
            GalleryContents { embeddings: &large, ..right },
            GalleryFileError::Embedding(EmbeddingError::NotNormalized),
        ),
    ];
    for (contents, error) in cases {
        assert_eq!(gallery::file_len(&contents), Err(error));
        assert_eq!(gallery::write(&contents, &mut out), Err(error));
    }
    // More dimensions or items than the format's 32 bits count.
    if let Ok(dimension) = usize::try_from(1u64 << 32) {
        let contents = GalleryContents { dimension, ..right };
        assert_eq!(gallery::file_len(&contents), Err(GalleryFileError::Dimension));
    }
}

#[test]
fn an_empty_gallery_is_a_file() {
    let contents =
        GalleryContents { fingerprint: 1, dimension: 4, names: "", labels: &[], embeddings: &[] };
    let file = gallery_file(&contents);
    let file = GalleryFile::<F32>::from_bytes(file.bytes()).unwrap();
    assert!(file.is_empty());
    assert_eq!((file.label(0), file.embeddings().count()), (None, 0));
}
