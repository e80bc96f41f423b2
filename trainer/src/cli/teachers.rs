//! The models that teach a run: read, or trained before it.

use std::path::{Path, PathBuf};

use lookalike_trainer::data::Dataset;
use lookalike_trainer::nn::Parameters;
use lookalike_trainer::train::{Checkpoint, Options, Settings, Teacher, TrainError, Training};

use super::console::note;
use super::train::{parameters_of, run_epochs, usage};

/// The models among the teachers of `options` for a run that writes `out`: those
/// that are read, then those that are trained. What is trained leaves a
/// checkpoint until the run has ended, and goes on from it if `goes_on`; a
/// signal stops it with [`Interrupted`](super::interrupt::Interrupted).
pub fn teachers(
    options: &Options,
    data: &Dataset,
    out: &Path,
    goes_on: bool,
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
    // Before hours are spent on others.
    let input = data.shape;
    if models.iter().any(|model| model.network.input() != input) {
        return Err(TrainError::TeacherShape.into());
    }
    for (name, settings) in to_train {
        models.push(trained(name, settings.map_err(usage)?, data, out, goes_on)?);
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

fn trained(
    name: &str,
    settings: Settings,
    data: &Dataset,
    out: &Path,
    goes_on: bool,
) -> anyhow::Result<Parameters> {
    let path = checkpoint(out, name);
    let mut training = Training::new(settings, data)?;
    // One of other settings is of a run that is not wanted any more.
    if goes_on
        && path.try_exists()?
        && let Some(begun) = Training::new(settings, data)?.resume(Checkpoint::load(&path)?)
    {
        training = begun;
    }
    match training.epochs_done() {
        0 => note!("training the teacher `{name}` first"),
        epochs => note!("the teacher `{name}` goes on after epoch {epochs}"),
    }
    Ok(run_epochs(name, training, Some(&path))?.model_parameters())
}
