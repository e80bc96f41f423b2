//! The models that teach a run: read, or trained before it.

use std::path::{Path, PathBuf};

use lookalike_trainer::data::Dataset;
use lookalike_trainer::nn::Parameters;
use lookalike_trainer::train::{Checkpoint, Options, Settings, Teacher, TrainError, Training};

use super::console::note;
use super::train::{parameters_of, run_epochs, usage};

/// The models among the teachers of `options` for a run that writes `out`: those
/// that are read, then those that are trained. `start` makes a run from its
/// settings, goes on from a checkpoint at the path if it is to, and is the
/// caller's own way to begin. What is trained leaves a checkpoint until the run
/// has ended; a signal stops it with [`Interrupted`](super::interrupt::Interrupted).
pub fn teachers<'d>(
    options: &Options,
    data: &'d Dataset,
    out: &Path,
    start: impl Fn(Settings, &Path) -> anyhow::Result<Training<'d>>,
) -> anyhow::Result<Vec<Parameters>> {
    let mut models = Vec::new();
    let mut to_train = Vec::new();
    for teacher in options.teachers() {
        match teacher {
            Teacher::Hog => {}
            Teacher::Model(path) => models.push(parameters_of(path)?),
            Teacher::Plain => to_train.push(("plain", options.plain(data))),
            Teacher::Untaught => to_train.push(("untaught", options.untaught().settings(data))),
        }
    }
    // Before time is spent on others.
    if models.iter().any(|model: &Parameters| model.network.input() != data.shape) {
        return Err(TrainError::TeacherShape.into());
    }
    for (name, settings) in to_train {
        let path = checkpoint(out, name);
        let training = start(settings.map_err(usage)?, &path)?;
        if training.epochs_done() == 0 {
            note!("training the teacher `{name}` first");
        }
        models.push(run_epochs(name, training, Some(&path))?.model_parameters());
    }
    Ok(models)
}

/// Where the checkpoints of teachers may lie: beside that of the run.
pub fn checkpoints(out: &Path) -> [PathBuf; 2] {
    ["plain", "untaught"].map(|name| checkpoint(out, name))
}

fn checkpoint(out: &Path, name: &str) -> PathBuf {
    let mut path = out.as_os_str().to_owned();
    path.push(format!(".{name}"));
    Checkpoint::path(Path::new(&path))
}
