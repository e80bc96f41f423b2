//! Model files of both encodings: what is accepted must run.

use lookalike::model::Encoding;
use lookalike::{EmbedError, Embedding, F32, Int8, Model, TwoStage, U8};
use lookalike_trainer::files::load_model;

use crate::{as_file, with_checksum};

/// Networks with more multiply-accumulates than this are opened and not run.
const MOST_WORK: u64 = 2_000_000;

/// Opens the bytes as model files, and embeds with what opens.
pub fn run(data: &[u8]) {
    for bytes in with_checksum(data) {
        let float = Model::<F32>::from_bytes(&bytes);
        let int8 = Model::<Int8>::from_bytes(&bytes);
        assert!(float.is_err() || int8.is_err(), "one file in two encodings");
        if let Ok(model) = &float {
            embed(model, |words| Embedding::<F32>::from_slice(words).is_ok());
            let mut parameters = vec![0.0; model.network().parameters()];
            model.copy_parameters(&mut parameters).expect("as many as the network has");
            assert!(parameters.iter().all(|value| value.is_finite()));
        }
        if let Ok(model) = &int8 {
            embed(model, |words| Embedding::<U8>::from_slice(words).is_ok());
            code(model);
        }
        let loaded = as_file(&bytes, load_model);
        assert_eq!(loaded.is_ok(), float.is_ok() || int8.is_ok());
        if let Err(error) = loaded {
            assert!(!error.to_string().is_empty());
        }
    }
}

/// What any opened model must be able to do.
fn embed<E: Encoding>(model: &Model<'_, E>, is_embedding: impl Fn(&[E::Word]) -> bool) {
    let network = model.network();
    let names = model.class_names().count();
    assert!(names == 0 || names == network.classes());
    if network.multiply_accumulates().iter().sum::<u64>() > MOST_WORK {
        return;
    }
    let image: Vec<u8> = (0..network.input().len()).map(|i| (i * 31) as u8).collect();
    let mut workspace = vec![E::Word::default(); model.workspace_len()];
    match model.embed(&image, &mut workspace) {
        Ok(embedding) => assert!(is_embedding(embedding.as_slice())),
        Err(error) => assert_eq!(error, EmbedError::NotFinite),
    }
    let mut logits = vec![0.0; network.classes()];
    if let Ok(class) = model.classify(&image, &mut workspace, &mut logits) {
        assert!(logits.iter().all(|&logit| logit <= logits[class]));
    }
    // Whether it passes is the file's affair.
    let _ = model.self_test(&mut workspace);
}

/// The parts of an int8 model that an f32 one does not have.
fn code(model: &Model<'_, Int8>) {
    let network = model.network();
    let [a, b, c] = network.widths();
    for (layer, [inputs, outputs]) in
        [[network.input().channels, a], [a, b], [b, c]].into_iter().enumerate()
    {
        let (mut weights, mut biases) = (vec![0; 9 * inputs * outputs], vec![0; outputs]);
        let mut multipliers = vec![0; outputs];
        let copied = model.copy_convolution(layer, &mut weights, &mut biases, &mut multipliers);
        copied.expect("lengths of the network");
    }
    let Some(coder) = model.coder() else { return };
    let mut values: Vec<f32> = (0..coder.dimension()).map(|i| (i % 7) as f32).collect();
    let Ok(embedding) = Embedding::normalize(&mut values) else { return };
    let mut words = vec![0; U8::words(coder.dimension())];
    let embedding = U8::encode(&embedding, &mut words).expect("room for the words");
    let mut words = vec![0; TwoStage::words(coder.dimension())];
    if let Ok(both) = coder.two_stage(&embedding, &mut words) {
        assert!(Embedding::<TwoStage>::from_slice(both.as_slice()).is_ok());
    }
    // Only if the model has a projection.
    let _ = coder.project(&embedding, &mut words);
    let _ = coder.binarize(&embedding, &mut words);
}
