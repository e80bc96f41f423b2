//! `trainer train`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use lookalike_trainer::data::{Dataset, Split};
use lookalike_trainer::files::{
    LoadedParameters, NewModel, NewParameters, OutputLock, load_model, save_model,
    self_test_images, write_atomically,
};
use lookalike_trainer::nn::Parameters;
use lookalike_trainer::train::{
    Checkpoint, EpochStats, History, Options, OptionsError, Recipe, Settings, Training,
};
use serde::Serialize;

use super::UsageError;
use super::console::{TrainingBar, note};
use super::interrupt::{Interrupted, Listener, command_line};
use super::options::{DataOptions, ThreadOptions};
use super::output::print_json;
use super::teachers;

/// Train one model.
///
/// Options come from the command line, from `--config`, from `--recipe` and
/// from the defaults, in this order of precedence; with `--loss` the losses of
/// file and recipe are replaced, and what belongs to those. The options used are
/// written beside the model as `FILE.toml`, which `--config` reads, and the
/// figures of the epochs as `FILE.history.json`. After each epoch a checkpoint
/// is written beside the model file; `--resume` goes on from it and ends with
/// the same bytes as an undisturbed run. Ctrl-C writes one too, after the batch
/// that is being trained; a second Ctrl-C ends at once.
#[derive(Args)]
#[command(after_help = "Example:
  trainer train --loss triplet --epochs 20 --out digits.model
  trainer train --recipe best --out digits.model
  trainer train --config digits.model.toml --seed 1 --out digits1.model")]
pub struct Train {
    /// The model file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    data: DataOptions,
    /// Which part of the data; `fit` leaves some training images out, which
    /// are `validation`.
    #[arg(long, value_enum, value_name = "S", default_value = "train")]
    split: Split,
    /// Leave out the images of these classes, by name or number, for example `8,9`.
    #[arg(long, value_name = "a,b", value_delimiter = ',')]
    exclude_classes: Vec<String>,
    /// Settings that were chosen by measurement: `best` for classes that are
    /// trained on, `open-set` for classes that the device will meet first.
    #[arg(long, value_enum, value_name = "NAME")]
    recipe: Option<Recipe>,
    /// Options from a TOML file whose keys are named as these are.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Start from the weights of this model instead of random ones.
    #[arg(long, value_name = "MODEL")]
    init: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    threads: ThreadOptions,
    /// Go on from the checkpoint beside the model file, if there is one.
    #[arg(long, conflicts_with = "restart")]
    resume: bool,
    /// Start again although there is a checkpoint; it is overwritten.
    #[arg(long)]
    restart: bool,
    /// Print the run's figures as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    model: &'a Path,
    fingerprint: String,
    parameters: usize,
    settings: Settings,
    epochs: &'a [EpochStats],
}

impl Train {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        self.threads.run(|| {
            let options = self.all_options()?;
            let mut data = self.data.load_as(self.split, options.family().input())?;
            if !self.exclude_classes.is_empty() {
                data = data.filter_classes(&[], &data.class_numbers(&self.exclude_classes)?)?;
            }
            let settings = options.settings(&data).map_err(usage)?;
            note!("{}", costs(&options, &settings, &data)?.trim_end());
            let _claim = OutputLock::claim(&self.out)?;
            let checkpoint = Checkpoint::path(&self.out);
            self.check_unfinished()?;
            let from = self.init.as_deref().map(parameters_of).transpose()?;
            // What is wrong is said before teachers are trained.
            settings.check()?;
            let teachers = teachers::teachers(&options, &data, &self.out, |settings, path| {
                self.resumed(Training::new(settings, &data)?, path)
            })?;
            let training = self.start(settings, &data, &teachers, from.as_ref())?;
            let training = self.resumed(training, &checkpoint)?;
            let training = run_epochs("train", training, Some(&checkpoint))?;
            let fingerprint = save_trained(&self.out, &training, &data)?;
            self.save_options(&options.with_widths(&settings.network))?;
            remove_checkpoints(&self.out)?;
            note!("wrote {}", self.out.display());
            if self.json {
                let settings = *training.settings();
                print_json(&Summary {
                    model: &self.out,
                    fingerprint: format!("{fingerprint:08x}"),
                    parameters: settings.network.parameters(),
                    settings,
                    epochs: training.history(),
                })?;
            }
            Ok(())
        })
    }

    /// The options of the command line over those of the file over the recipe's.
    fn all_options(&self) -> anyhow::Result<Options> {
        let mut options = self.options.clone();
        if let Some(path) = &self.config {
            options = options.over(&Options::load(path)?);
        }
        if let Some(recipe) = self.recipe {
            options = options.over(&recipe.options());
        }
        Ok(options)
    }

    /// Writes the options beside the model.
    fn save_options(&self, options: &Options) -> anyhow::Result<()> {
        let mut name = self.out.as_os_str().to_owned();
        name.push(".toml");
        let text = options.to_toml();
        Ok(write_atomically(Path::new(&name), |writer| writer.write_all(text.as_bytes()))?)
    }

    /// Refuses to start over a run that has not ended, unless told to.
    fn check_unfinished(&self) -> anyhow::Result<()> {
        for checkpoint in checkpoints(&self.out) {
            if checkpoint.try_exists()? && !self.resume && !self.restart {
                anyhow::bail!(
                    "{} is the checkpoint of an unfinished run: go on with --resume, or start \
                     again with --restart",
                    checkpoint.display()
                );
            }
        }
        Ok(())
    }

    fn start<'d>(
        &self,
        settings: Settings,
        data: &'d Dataset,
        teachers: &[Parameters],
        from: Option<&Parameters>,
    ) -> anyhow::Result<Training<'d>> {
        let mut training = Training::taught(settings, data, teachers)?;
        if let (Some(path), Some(from)) = (&self.init, from) {
            let named = || format!("--init {}", path.display());
            training = training.warm(from).with_context(named)?;
        }
        Ok(training)
    }

    /// A run that has not begun, where its checkpoint says that it was.
    fn resumed<'d>(
        &self,
        training: Training<'d>,
        checkpoint: &Path,
    ) -> anyhow::Result<Training<'d>> {
        if self.restart || !checkpoint.try_exists()? {
            return Ok(training);
        }
        let Some(training) = training.resume(Checkpoint::load(checkpoint)?) else {
            anyhow::bail!(
                "{} is of a run with other settings or other data: give the options that it was \
                 started with, or start again with --restart",
                checkpoint.display()
            );
        };
        match training.batches_done() {
            0 => note!("going on after epoch {}", training.epochs_done()),
            batches => {
                note!("going on in epoch {} after batch {batches}", training.epochs_done() + 1);
            }
        }
        Ok(training)
    }
}

/// What the network costs on a device, to be read before it is trained.
fn costs(options: &Options, settings: &Settings, data: &Dataset) -> anyhow::Result<String> {
    let class_names = if settings.network.classes() > 0 { &data.class_names[..] } else { &[] };
    Ok(options.family().costs(&settings.network, class_names)?)
}

/// Options that contradict each other are wrong usage.
pub fn usage(error: OptionsError) -> anyhow::Error {
    match error {
        OptionsError::Usage(text) => UsageError(text).into(),
        error => error.into(),
    }
}

/// The parameters of a floating-point model.
pub fn parameters_of(path: &Path) -> anyhow::Result<Parameters> {
    match load_model(path)?.parameters {
        LoadedParameters::F32(parameters) => Ok(parameters),
        LoadedParameters::Int8(_) => anyhow::bail!(
            "{} is an integer model, which cannot be trained: give the floating-point model that \
             it was quantised from",
            path.display()
        ),
    }
}

/// Trains to the end, with progress, warnings and, where a path is given,
/// checkpoints. Then a signal stops it after a batch with [`Interrupted`].
pub fn run_epochs<'d>(
    name: &str,
    mut training: Training<'d>,
    checkpoint: Option<&Path>,
) -> anyhow::Result<Training<'d>> {
    let settings = *training.settings();
    let listener = checkpoint.map(|_| Listener::start()).transpose()?;
    let signal = || listener.as_ref().and_then(Listener::signal);
    let mut bar = TrainingBar::new(name, &training, settings.epochs);
    while !training.is_done() {
        let ended = training.epoch_until(|step| {
            bar.step(step);
            if signal().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if let Some(stats) = ended {
            bar.epoch(&stats);
            if let Some(warning) = stats.warning(&settings.objective) {
                bar.say(&format!("warning: {warning}"));
            }
        }
        let Some(path) = checkpoint else { continue };
        training.checkpoint().save(path)?;
        // The model of a run that is done is written all the same.
        if let Some(signal) = signal().filter(|_| !training.is_done()) {
            bar.stop();
            return Err(interrupted(signal, &training, path).into());
        }
    }
    Ok(training)
}

fn interrupted(signal: i32, training: &Training<'_>, checkpoint: &Path) -> Interrupted {
    let (epochs, path) = (training.epochs_done(), checkpoint.display());
    let place = match training.batches_done() {
        0 => format!("after epoch {epochs}"),
        batches => format!("in epoch {} after batch {batches}", epochs + 1),
    };
    Interrupted {
        signal,
        place: format!("{place}; all that was done is kept in {path}"),
        command: command_line("--restart", Some("--resume")),
    }
}

/// Writes the model of a run and, beside it, the figures of its epochs; returns
/// the model's fingerprint.
pub fn save_trained(path: &Path, training: &Training<'_>, data: &Dataset) -> anyhow::Result<u32> {
    let new = NewModel {
        parameters: NewParameters::F32(&training.model_parameters()),
        class_names: &data.class_names,
        acceptance: None,
        self_test_images: self_test_images(data),
    };
    let fingerprint = save_model(path, &new)?;
    History::new(fingerprint, training.history()).save(path)?;
    Ok(fingerprint)
}

/// Where checkpoints of the run that writes `out` may lie: its own, and those of
/// its teachers.
fn checkpoints(out: &Path) -> impl Iterator<Item = PathBuf> {
    std::iter::once(Checkpoint::path(out)).chain(teachers::checkpoints(out))
}

/// Removes the checkpoints of the run that writes `out`, and of its teachers.
pub fn remove_checkpoints(out: &Path) -> anyhow::Result<()> {
    checkpoints(out).try_for_each(|path| remove_if_there(&path))
}

/// Removes a file; there may be none.
pub fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("{}: cannot remove it", path.display()))
        }
        _ => Ok(()),
    }
}
