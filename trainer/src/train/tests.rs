//! Runs that are stopped anywhere, and runs on a disk that fails.

use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;

use lookalike::{Network, Shape};

use super::*;
use crate::data::{Augmentation, Dataset, Sampler};
use crate::files::{NewModel, NewParameters, faults, save_model};
use crate::loss::Triplet;
use crate::optim::{OptimizerKind, Schedule};

/// 22 images of three classes, with a bright pixel or block each.
fn data() -> Dataset {
    let shape = Shape { height: 18, width: 18, channels: 1 };
    let pixel = |i: usize| {
        let (image, place) = (i / shape.len(), i % shape.len());
        let lit = place / 18 / 6 == image % 3;
        (if lit { 180 } else { 0 }) + (i * i % 61) as u8
    };
    Dataset {
        shape,
        pixels: (0..22 * shape.len()).map(pixel).collect(),
        labels: (0..22).map(|i| i % 3).collect(),
        class_names: ["a", "b", "c"].map(String::from).to_vec(),
    }
}

/// Settings with all that a run draws at random and carries along.
fn settings() -> [Settings; 2] {
    let network = |classes| Network::new([1, 18, 18], [2, 3, 4], 1, classes).unwrap();
    let triplet = Settings {
        epochs: 2,
        sampler: Sampler::Shuffled { batch_size: 8 },
        augmentation: Augmentation { shift: 2.0, ..Augmentation::NONE },
        schedule: Schedule::OneCycle,
        ema: Some(0.9),
        ..Settings::plain(network(0), Objective::pairs(PairLoss::Triplet(Triplet::default())), 5)
    };
    let mixed = Settings {
        mixup: true,
        batch_norm: true,
        optimizer: OptimizerKind::Sgd { momentum: 0.9, nesterov: true, weight_decay: 1e-4 },
        lr: 0.05,
        ema: None,
        augmentation: Augmentation::NONE,
        sampler: Sampler::Shuffled { batch_size: 4 },
        ..triplet
    };
    let objective = Objective::CROSS_ENTROPY;
    [triplet, Settings { network: network(3), objective, ..mixed }]
}

/// What a run leaves: the model's parameters and its history.
fn result(training: &Training<'_>) -> (Vec<u32>, Vec<EpochStats>) {
    let values = training.model_parameters().values;
    (values.iter().map(|value| value.to_bits()).collect(), training.history().to_vec())
}

fn undisturbed(settings: Settings, data: &Dataset) -> (Vec<u32>, Vec<EpochStats>) {
    let mut training = Training::new(settings, data).unwrap();
    while !training.is_done() {
        training.epoch(|_| ()).unwrap();
    }
    result(&training)
}

/// The checkpoint's way through a file.
fn through_file(training: &Training<'_>) -> Checkpoint {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.checkpoint");
    training.checkpoint().save(&path).unwrap();
    let loaded = Checkpoint::load(&path).unwrap();
    assert_eq!(loaded, training.checkpoint());
    loaded
}

#[test]
fn stopped_after_any_batches_and_resumed_a_run_ends_as_undisturbed() {
    let data = data();
    for settings in settings() {
        let expected = undisturbed(settings, &data);
        let per_epoch = Training::new(settings, &data).unwrap().batches_per_epoch();
        // Stopped once anywhere, or every so many batches.
        for every in 1..=2 * per_epoch {
            let mut training = Training::new(settings, &data).unwrap();
            let (mut stops, mut batches) = (0, 0);
            while !training.is_done() {
                let ended = training.epoch_until(|_| {
                    batches += 1;
                    match batches % every {
                        0 => ControlFlow::Break(()),
                        _ => ControlFlow::Continue(()),
                    }
                });
                let at_end = training.batches_done() == 0;
                assert_eq!(ended.unwrap().is_some(), at_end);
                stops += usize::from(!at_end);
                let checkpoint = through_file(&training);
                training = Training::new(settings, &data).unwrap().resume(checkpoint).unwrap();
            }
            // A stop at the end of an epoch is none.
            let wanted = (1..=2 * per_epoch).filter(|b| b % every == 0 && b % per_epoch != 0);
            assert_eq!(stops, wanted.count());
            assert_eq!(batches, 2 * per_epoch, "no batch is trained twice");
            assert_eq!(result(&training), expected, "every {every} batches");
        }
    }
}

#[test]
fn checkpoints_of_versions_before_are_read() {
    let data = data();
    let settings = settings()[0];
    let mut training = Training::new(settings, &data).unwrap();
    training.epoch(|_| ()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.checkpoint");
    training.checkpoint().save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes[8], 4);
    let content = bytes.len() - 4;
    // Version 2 is without the last byte, which says that no epoch was begun.
    for (version, len) in [(3, content), (2, content - 1)] {
        let mut bytes = bytes[..len].to_vec();
        bytes[8] = version;
        let crc = checkpoint::CRC.checksum(&bytes);
        bytes.extend(crc.to_le_bytes());
        fs::write(&path, bytes).unwrap();
        let loaded = Checkpoint::load(&path).unwrap();
        let mut training = Training::new(settings, &data).unwrap().resume(loaded).unwrap();
        training.epoch(|_| ()).unwrap();
        assert_eq!(result(&training), undisturbed(settings, &data));
    }
}

/// All that a run writes: a checkpoint after each epoch, then the model.
fn run(directory: &Path, settings: Settings, data: &Dataset) -> Result<(), String> {
    let (checkpoint, model) = (directory.join("a.model.checkpoint"), directory.join("a.model"));
    let mut training = Training::new(settings, data).unwrap();
    if checkpoint.exists() {
        let loaded = Checkpoint::load(&checkpoint).unwrap();
        training = training.resume(loaded).unwrap();
    }
    while !training.is_done() {
        training.epoch(|_| ()).unwrap();
        training.checkpoint().save(&checkpoint).map_err(|error| error.to_string())?;
    }
    let new = NewModel {
        parameters: NewParameters::F32(&training.model_parameters()),
        class_names: &data.class_names,
        acceptance: None,
        self_test_images: &[],
    };
    save_model(&model, &new).map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_fault_in_any_operation_of_a_run_loses_no_more_than_an_epoch() {
    let data = data();
    for settings in settings() {
        let settings = Settings { epochs: 3, ..settings };
        let whole = tempfile::tempdir().unwrap();
        run(whole.path(), settings, &data).unwrap();
        let expected = fs::read(whole.path().join("a.model")).unwrap();
        for once in [false, true] {
            let mut faults = 0;
            for working in 0.. {
                let directory = tempfile::tempdir().unwrap();
                let directory = directory.path();
                let work = || run(directory, settings, &data);
                let (result, failed) = faults::with(working, once, ErrorKind::StorageFull, work);
                if failed {
                    faults += 1;
                    let error = result.unwrap_err();
                    let names_it = ["a.model.checkpoint: cannot write", "a.model: cannot write"];
                    assert!(names_it.iter().any(|name| error.contains(name)), "{error}");
                    // The last whole checkpoint is there, the model is not.
                    let operations = 4;
                    let checkpoint = directory.join("a.model.checkpoint");
                    let epochs = Checkpoint::load(&checkpoint).map_or(0, |c| c.history.len());
                    assert_eq!(epochs, (working / operations).min(3), "{error}");
                    assert_eq!(fs::read_dir(directory).unwrap().count(), epochs.min(1));
                    run(directory, settings, &data).unwrap();
                }
                assert!(fs::read(directory.join("a.model")).unwrap() == expected, "{working}");
                if !failed {
                    break;
                }
            }
            // Four files, each created, written, synced and renamed.
            assert_eq!(faults, 16);
        }
    }
}
