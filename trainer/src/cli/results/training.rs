//! One run of training, which goes on where it was cut off.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lookalike_trainer::data::Dataset;
use lookalike_trainer::files::{load_model, write_atomically};
use lookalike_trainer::nn::Parameters;
use lookalike_trainer::train::{
    Checkpoint, CheckpointError, Options, Settings, TrainError, Training,
};

use super::store::{Images, Outcome, Trained};
use crate::cli::console::{TrainingBar, note, print_line};
use crate::cli::interrupt::{Interrupted, Listener, command_line};
use crate::cli::teachers;
use crate::cli::train::{remove_checkpoints, remove_if_there, save_trained};

/// Whether the model of a run is there: trained with these settings on these
/// images, or known not to train, and still the file that was written.
pub fn is_done(
    trained: Option<&Trained>,
    settings: &Settings,
    images: Images,
    model: &Path,
) -> bool {
    let same = trained.filter(|t| t.settings == *settings && t.images == images);
    match same.map(|trained| &trained.outcome) {
        Some(Outcome::Failed(_)) => true,
        Some(Outcome::Model(fingerprint)) => {
            load_model(model).is_ok_and(|model| model.fingerprint == *fingerprint)
        }
        None => false,
    }
}

/// Trains a model into the file `model`; goes on from a checkpoint of the same
/// run beside it. Checkpoint and times stay until [`clean`] removes them.
///
/// A signal stops it after a batch with [`Interrupted`]; the epoch is then begun
/// again another time, since a part of one has no time of its own in the records.
pub fn train(
    name: &str,
    options: &Options,
    data: &Dataset,
    model: &Path,
) -> anyhow::Result<Trained> {
    let settings = options.settings(data)?;
    let trained = |seconds, outcome| Trained {
        settings,
        images: Images::of(data),
        seconds,
        threads: rayon::current_num_threads(),
        outcome,
    };
    let teachers_begun = teachers::checkpoints(model).iter().any(|path| path.exists());
    let started = Instant::now();
    let begin = |settings, path: &Path| start(settings, data, &[], path);
    let teachers = teachers::teachers(options, data, model, begin).map_err(to_be_repeated)?;
    let seconds = started.elapsed().as_secs_f64();
    let mut training = start(settings, data, &teachers, &Checkpoint::path(model))?;
    let epochs = training.epochs_done();
    let mut times = match teachers_begun || epochs > 0 {
        true => Times::load(model, epochs as usize),
        false => Times::start(model, seconds)?,
    };
    let listener = Listener::start()?;
    let mut bar = TrainingBar::new(name, &training, settings.epochs);
    while !training.is_done() {
        let started = Instant::now();
        let ended = training.epoch_until(|step| {
            bar.step(step);
            match listener.signal() {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        });
        let stats = match ended {
            Ok(Some(stats)) => stats,
            Ok(None) => {
                bar.stop();
                let epochs = training.epochs_done();
                return Err(interrupted(&listener, name, epochs).into());
            }
            Err(error @ (TrainError::NotFinite { .. } | TrainError::NoTriplet { .. })) => {
                bar.say(&format!("warning: {name}: {error}"));
                return Ok(trained(times.total(), Outcome::Failed(error.to_string())));
            }
            Err(error) => return Err(error.into()),
        };
        bar.epoch(&stats);
        if let Some(warning) = stats.warning(&settings.objective) {
            bar.say(&format!("warning: {warning}"));
        }
        // Before the checkpoint: what it counts has its times.
        times.save(started.elapsed().as_secs_f64())?;
        training.checkpoint().save(&Checkpoint::path(model))?;
        if listener.signal().is_some() && !training.is_done() {
            bar.stop();
            return Err(interrupted(&listener, name, training.epochs_done()).into());
        }
    }
    let fingerprint = save_trained(model, &training, data)?;
    Ok(trained(times.total(), Outcome::Model(fingerprint)))
}

fn interrupted(listener: &Listener, name: &str, epochs: u32) -> Interrupted {
    Interrupted {
        signal: listener.signal().unwrap_or_default(),
        place: format!("while {name} was trained; {epochs} epochs of it and all before are kept"),
        command: command_line("", None),
    }
}

/// An interruption while teachers were trained, after which the command is to be
/// given again as it is.
fn to_be_repeated(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Interrupted>() {
        Ok(stopped) => Interrupted { command: command_line("", None), ..stopped }.into(),
        Err(error) => error,
    }
}

/// The run from its checkpoint, or from the start where there is none of it.
fn start<'d>(
    settings: Settings,
    data: &'d Dataset,
    teachers: &[Parameters],
    checkpoint: &Path,
) -> anyhow::Result<Training<'d>> {
    let training = Training::taught(settings, data, teachers)?;
    if !checkpoint.try_exists()? {
        return Ok(training);
    }
    let found = match Checkpoint::load(checkpoint) {
        Ok(found) => found,
        Err(error @ (CheckpointError::Content { .. } | CheckpointError::Version { .. })) => {
            print_line(format_args!("warning: {error}; starting the run again"));
            return Ok(training);
        }
        Err(error) => return Err(error.into()),
    };
    match training.resume(found) {
        Some(training) => {
            note!("going on after epoch {}", training.epochs_done());
            Ok(training)
        }
        // Of other settings, which are not wanted any more.
        None => Ok(Training::taught(settings, data, teachers)?),
    }
}

/// Removes what is needed only until a run has ended.
pub fn clean(model: &Path) -> anyhow::Result<()> {
    remove_checkpoints(model)?;
    remove_if_there(&times_path(model))
}

fn times_path(model: &Path) -> PathBuf {
    model.with_extension("seconds")
}

/// How long teachers and then each epoch took, kept beside the checkpoint.
struct Times {
    path: PathBuf,
    /// `None` if those before an interruption are lost.
    seconds: Option<Vec<f64>>,
}

impl Times {
    /// Of a run whose teachers took so long.
    fn start(model: &Path, teachers: f64) -> anyhow::Result<Times> {
        let mut times = Times { path: times_path(model), seconds: Some(Vec::new()) };
        times.save(teachers)?;
        Ok(times)
    }

    /// Of a run that goes on after `epochs`.
    fn load(model: &Path, epochs: usize) -> Times {
        let path = times_path(model);
        let read = std::fs::read(&path).ok();
        let seconds: Option<Vec<f64>> = read.and_then(|text| serde_json::from_slice(&text).ok());
        // One epoch more than the checkpoint counts, if it was cut off there.
        let seconds = seconds.and_then(|seconds| Some(seconds.get(..=epochs)?.to_vec()));
        Times { path, seconds }
    }

    fn save(&mut self, seconds: f64) -> anyhow::Result<()> {
        if let Some(all) = &mut self.seconds {
            all.push(seconds);
            let text = serde_json::to_vec(all)?;
            write_atomically(&self.path, |writer| writer.write_all(&text))?;
        }
        Ok(())
    }

    fn total(&self) -> Option<f64> {
        self.seconds.as_ref().map(|seconds| seconds.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_epochs_that_count() {
        let directory = tempfile::tempdir().unwrap();
        let model = directory.path().join("a.model");
        let mut times = Times::start(&model, 0.5).unwrap();
        for seconds in [1.0, 2.0, 4.0] {
            times.save(seconds).unwrap();
        }
        assert_eq!(times.total(), Some(7.5));
        assert_eq!(Times::load(&model, 2).total(), Some(3.5));
        assert_eq!(Times::load(&model, 4).total(), None);
        assert_eq!(Times::load(&model, 0).total(), Some(0.5));
        clean(&model).unwrap();
        assert_eq!(Times::load(&model, 0).total(), None);
        assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none());
    }
}
