//! Checkpoints of training: what is accepted must be a state to go on from.

use lookalike_trainer::data::Dataset;
use lookalike_trainer::train::{Checkpoint, Training};

use crate::{as_file, with_checksum};

/// Networks with more parameters than this are read and not built.
const MOST_PARAMETERS: usize = 100_000;

/// Reads the bytes as a checkpoint and resumes from what can be read.
pub fn run(data: &[u8]) {
    for bytes in with_checksum(data) {
        let Ok(checkpoint) = as_file(&bytes, Checkpoint::load) else { continue };
        let settings = checkpoint.settings;
        let network = settings.training_network();
        if network.parameters() > MOST_PARAMETERS {
            continue;
        }
        let data = images(&checkpoint);
        let Ok(training) = Training::new(settings, &data) else { continue };
        let epochs = checkpoint.history.len();
        if let Some(training) = training.resume(checkpoint) {
            assert_eq!(training.history().len(), epochs);
            // That of a file that says it has fewer epochs than were done is
            // taken for done.
            assert_eq!(training.is_done(), training.epochs_done() >= settings.epochs);
            assert_eq!(training.model_parameters().network, settings.network);
        }
    }
}

/// Images for the checkpoint's network, two of each class.
fn images(checkpoint: &Checkpoint) -> Dataset {
    let network = checkpoint.settings.network;
    let classes = network.classes().max(2);
    let shape = network.input();
    Dataset {
        shape,
        pixels: vec![7; 2 * classes * shape.len()],
        labels: (0..2 * classes).map(|i| (i / 2) as u16).collect(),
        class_names: (0..classes).map(|class| class.to_string()).collect(),
    }
}
