//! Checkpoints of earlier versions, and damaged ones.

use std::fs;
use std::path::{Path, PathBuf};

use lookalike::{Network, Shape};
use lookalike_trainer::data::{Dataset, Sampler};
use lookalike_trainer::loss::Triplet;
use lookalike_trainer::optim::OptimizerKind;
use lookalike_trainer::train::{
    Checkpoint, CheckpointError, Objective, PairLoss, PairTerm, Settings, Similarity, Training,
};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v2.checkpoint")
}

/// The run of the fixture: one of two epochs done.
fn settings() -> Settings {
    let network = Network::new([1, 18, 18], [1, 1, 2], 1, 0).unwrap();
    let pairs = PairTerm { loss: PairLoss::Triplet(Triplet::default()), weight: 1.0 };
    let objective = Objective { classifier: None, pairs: Some(pairs), similarity: None };
    Settings {
        epochs: 2,
        optimizer: OptimizerKind::Sgd { momentum: 0.9, nesterov: true, weight_decay: 1e-4 },
        sampler: Sampler::PK { classes: 2, images: 2 },
        ema: Some(0.9),
        ..Settings::plain(network, objective, 17)
    }
}

fn data() -> Dataset {
    let shape = Shape { height: 18, width: 18, channels: 1 };
    let pixel = |i: usize| ((i / shape.len()) % 2 * 90 + i * i % 61) as u8;
    Dataset {
        shape,
        pixels: (0..6 * shape.len()).map(pixel).collect(),
        labels: vec![0, 1, 0, 1, 0, 1],
        class_names: vec!["a".into(), "b".into()],
    }
}

#[test]
fn version_2_is_read_and_gone_on_from() {
    let checkpoint = Checkpoint::load(&fixture()).unwrap();
    assert_eq!(checkpoint.settings, settings());
    assert_eq!(checkpoint.parameters[..3], [-0.3201702, 0.29466522, -0.3124648]);
    assert_eq!(checkpoint.parameters.len(), settings().network.parameters());
    assert_eq!(checkpoint.history.len(), 1);
    assert_eq!(checkpoint.history[0].loss, 0.5);
    let data = data();
    let training = Training::new(settings(), &data).unwrap();
    let mut training = training.resume(checkpoint).expect("of these settings and images");
    assert_eq!(training.epochs_done(), 1);
    training.epoch(|_| {}).unwrap();
    assert!(training.is_done());
}

/// Without a teacher of similarities, 3 was written as 4 is.
#[test]
fn version_3_is_read() {
    let checkpoint = Checkpoint::load(&fixture()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    checkpoint.save(file.path()).unwrap();
    let mut bytes = fs::read(file.path()).unwrap();
    assert_eq!(bytes[8], 4);
    set_version(&mut bytes, 3);
    fs::write(file.path(), bytes).unwrap();
    assert_eq!(Checkpoint::load(file.path()).unwrap(), checkpoint);
}

/// Loads the fixture as `change` makes it.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Result<Checkpoint, CheckpointError> {
    let mut bytes = fs::read(fixture()).unwrap();
    change(&mut bytes);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    Checkpoint::load(file.path())
}

#[test]
fn a_run_with_pixel_similarity_is_refused_up_to_version_3() {
    let mut checkpoint = Checkpoint::load(&fixture()).unwrap();
    let similarity = Similarity { weight: 2.0, hog: true, models: None };
    checkpoint.settings.objective.similarity = Some(similarity);
    let file = tempfile::NamedTempFile::new().unwrap();
    checkpoint.save(file.path()).unwrap();
    let mut bytes = fs::read(file.path()).unwrap();
    set_version(&mut bytes, 3);
    fs::write(file.path(), bytes).unwrap();
    let error = Checkpoint::load(file.path()).unwrap_err().to_string();
    assert!(error.contains("or of a run with --pixel-similarity; remove it"), "{error}");
}

#[test]
fn every_cut_and_every_flipped_bit_is_refused() {
    let len = fs::read(fixture()).unwrap().len();
    for cut in 0..len {
        assert!(changed(|bytes| bytes.truncate(cut)).is_err(), "{cut} bytes");
    }
    for bit in 0..8 * len {
        assert!(changed(|bytes| bytes[bit / 8] ^= 1 << (bit % 8)).is_err(), "bit {bit}");
    }
}

fn set_version(bytes: &mut [u8], version: u8) {
    bytes[8] = version;
    let content = bytes.len() - 4;
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[..content]);
    bytes[content..].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn a_newer_version_is_named() {
    let error = changed(|bytes| set_version(bytes, 99)).unwrap_err().to_string();
    assert!(error.contains("a checkpoint of version 99, the newest that this program"), "{error}");
}
