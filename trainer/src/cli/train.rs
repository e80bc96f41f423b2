//! `trainer train`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use lookalike::Network;
use lookalike_trainer::data::{Dataset, Sampler, Split};
use lookalike_trainer::files::{NewModel, NewParameters, save_model, self_test_images};
use lookalike_trainer::loss::{Mining, Reduction, SmoothAp, Triplet};
use lookalike_trainer::optim::{OptimizerKind, Schedule};
use lookalike_trainer::train::{Checkpoint, EpochStats, Objective, Settings, Training};
use serde::Serialize;

use super::UsageError;
use super::console::{TrainingBar, note};
use super::options::{DataOptions, ThreadOptions};
use super::output::print_json;

/// Train one model.
///
/// After each epoch a checkpoint is written beside the model file; `--resume`
/// goes on from it and ends with the same bytes as an undisturbed run.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer train --loss triplet --epochs 20 --out digits.model")]
pub struct Train {
    /// What to minimise.
    #[arg(long, value_enum, value_name = "L")]
    loss: Loss,
    /// The model file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    data: DataOptions,
    /// Leave out the images of these classes, for example `8,9`.
    #[arg(long, value_name = "a,b", value_delimiter = ',')]
    exclude_classes: Vec<u16>,
    #[command(flatten)]
    options: TrainOptions,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Loss {
    /// Cross-entropy of a linear classifier on the features.
    CrossEntropy,
    /// Triplet loss on squared distances of embeddings.
    Triplet,
    /// Smooth-AP on similarities of embeddings.
    SmoothAp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OptimizerName {
    /// Stochastic gradient descent; see `--momentum` and `--nesterov`.
    Sgd,
    /// Adam.
    Adam,
    /// Adam with decoupled weight decay.
    Adamw,
}

/// P x K batches, if they are asked for.
#[derive(Clone, Copy, Debug)]
struct Batches(Option<Sampler>);

fn parse_batches(text: &str) -> Result<Batches, &'static str> {
    if text == "shuffled" {
        return Ok(Batches(None));
    }
    let parse = |(classes, images): (&str, &str)| {
        Some(Sampler::PK { classes: classes.parse().ok()?, images: images.parse().ok()? })
    };
    let sampler = text.split_once('x').and_then(parse);
    sampler.map(|s| Batches(Some(s))).ok_or("expected `shuffled` or PxK, for example 10x6")
}

#[derive(Args)]
struct TrainOptions {
    /// Passes over the data.
    #[arg(long, value_name = "N", default_value_t = 20)]
    epochs: u32,
    /// Images of a shuffled batch.
    #[arg(long, value_name = "B", default_value_t = 64)]
    batch_size: usize,
    /// How batches are made: `shuffled`, or `PxK` for K images of each of P classes.
    #[arg(long, value_name = "shuffled|PxK", default_value = "shuffled", value_parser = parse_batches)]
    batches: Batches,
    /// Learning rate, at its peak.
    #[arg(long, value_name = "X", default_value_t = 0.001)]
    lr: f32,
    /// Update rule.
    #[arg(long, value_enum, value_name = "O", default_value = "adam")]
    optimizer: OptimizerName,
    /// Momentum, with sgd.
    #[arg(long, value_name = "M")]
    momentum: Option<f32>,
    /// Nesterov's momentum, with sgd.
    #[arg(long)]
    nesterov: bool,
    /// L2 penalty; with adamw decoupled.
    #[arg(long, value_name = "W", default_value_t = 0.0)]
    weight_decay: f32,
    /// How the learning rate changes over the run.
    #[arg(long, value_enum, value_name = "S", default_value = "constant")]
    schedule: Schedule,
    /// Average the weights over steps with this decay, for example 0.999, and
    /// write the average.
    #[arg(long, value_name = "DECAY")]
    ema: Option<f32>,
    /// Margin of the triplet loss [default: 0.5].
    #[arg(long, value_name = "M", allow_negative_numbers = true)]
    margin: Option<f32>,
    /// Triplets that count [default: all].
    #[arg(long, value_enum)]
    mining: Option<Mining>,
    /// What the sum over triplets is divided by [default: mean-active].
    #[arg(long, value_enum)]
    reduction: Option<Reduction>,
    /// Only the first N images of a batch are anchors [default: all].
    #[arg(long, value_name = "N")]
    anchors: Option<usize>,
    /// Temperature of Smooth-AP [default: 0.01].
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// Output channels of the three convolutions.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', default_value = "32,32,64")]
    widths: Vec<u16>,
    /// Side of the average-pooling grid.
    #[arg(long, value_name = "G", default_value_t = 2)]
    grid: u16,
    /// Where all random numbers come from.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
}

impl TrainOptions {
    fn objective(&self, loss: Loss) -> Result<Objective, UsageError> {
        let of_triplet = [
            ("--margin", self.margin.is_some()),
            ("--mining", self.mining.is_some()),
            ("--reduction", self.reduction.is_some()),
            ("--anchors", self.anchors.is_some()),
        ];
        for (option, given) in of_triplet {
            if given && loss != Loss::Triplet {
                return Err(UsageError(format!("{option} goes with --loss triplet only")));
            }
        }
        if self.temperature.is_some() && loss != Loss::SmoothAp {
            return Err(UsageError("--temperature goes with --loss smooth-ap only".into()));
        }
        let triplet = Triplet::default();
        Ok(match loss {
            Loss::CrossEntropy => Objective::CrossEntropy,
            Loss::Triplet => Objective::Triplet(Triplet {
                margin: self.margin.unwrap_or(triplet.margin),
                mining: self.mining.unwrap_or(triplet.mining),
                reduction: self.reduction.unwrap_or(triplet.reduction),
                anchors: self.anchors,
            }),
            Loss::SmoothAp => Objective::SmoothAp(SmoothAp {
                temperature: self.temperature.unwrap_or(SmoothAp::default().temperature),
            }),
        })
    }

    fn optimizer(&self) -> Result<OptimizerKind, UsageError> {
        let weight_decay = self.weight_decay;
        if self.optimizer != OptimizerName::Sgd && (self.momentum.is_some() || self.nesterov) {
            let text = "--momentum and --nesterov go with --optimizer sgd only";
            return Err(UsageError(text.into()));
        }
        Ok(match self.optimizer {
            OptimizerName::Sgd => OptimizerKind::Sgd {
                momentum: self.momentum.unwrap_or(0.0),
                nesterov: self.nesterov,
                weight_decay,
            },
            OptimizerName::Adam => OptimizerKind::Adam { weight_decay },
            OptimizerName::Adamw => OptimizerKind::AdamW { weight_decay },
        })
    }

    /// The network for images of `data`, with a classifier if `loss` trains one.
    fn network(&self, loss: Loss, data: &Dataset) -> Result<Network, UsageError> {
        let widths = <[u16; 3]>::try_from(self.widths.as_slice())
            .map_err(|_| UsageError("--widths takes three numbers, for example 32,32,64".into()))?;
        let classes = if loss == Loss::CrossEntropy { data.class_names.len() } else { 0 };
        let side = |x: usize| u16::try_from(x).unwrap_or(u16::MAX);
        let input = [data.shape.channels, data.shape.height, data.shape.width].map(side);
        Network::new(input, widths, self.grid, side(classes))
            .map_err(|e| UsageError(format!("no such network: {e}")))
    }

    fn settings(&self, loss: Loss, data: &Dataset) -> Result<Settings, UsageError> {
        Ok(Settings {
            network: self.network(loss, data)?,
            objective: self.objective(loss)?,
            optimizer: self.optimizer()?,
            lr: self.lr,
            schedule: self.schedule,
            epochs: self.epochs,
            sampler: self.batches.0.unwrap_or(Sampler::Shuffled { batch_size: self.batch_size }),
            ema: self.ema,
            seed: self.seed,
        })
    }
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
            let mut data = self.data.load(Split::Train)?;
            if !self.exclude_classes.is_empty() {
                data = data.filter_classes(&[], &self.exclude_classes)?;
            }
            let settings = self.options.settings(self.loss, &data)?;
            let checkpoint = Checkpoint::path(&self.out);
            let training = self.start(settings, &data, &checkpoint)?;
            let training = run_epochs("train", training, settings, Some(&checkpoint))?;
            let fingerprint = save_trained(&self.out, &training, &data)?;
            remove_checkpoint(&checkpoint)?;
            note!("wrote {}", self.out.display());
            if self.json {
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

    fn start<'d>(
        &self,
        settings: Settings,
        data: &'d Dataset,
        checkpoint: &Path,
    ) -> anyhow::Result<Training<'d>> {
        let there = checkpoint.try_exists()?;
        if there && !self.resume && !self.restart {
            anyhow::bail!(
                "{} is the checkpoint of an unfinished run: go on with --resume, or start again \
                 with --restart",
                checkpoint.display()
            );
        }
        if !there || self.restart {
            return Ok(Training::new(settings, data)?);
        }
        let training = Training::resume(settings, data, Checkpoint::load(checkpoint)?)?;
        let Some(training) = training else {
            anyhow::bail!(
                "{} is of a run with other settings or other data: give the options that it was \
                 started with, or start again with --restart",
                checkpoint.display()
            );
        };
        note!("going on after epoch {}", training.epochs_done());
        Ok(training)
    }
}

/// Trains to the end, with progress, warnings and, where a path is given,
/// checkpoints.
pub fn run_epochs<'d>(
    name: &str,
    mut training: Training<'d>,
    settings: Settings,
    checkpoint: Option<&Path>,
) -> anyhow::Result<Training<'d>> {
    let mut bar = TrainingBar::new(name, &training, settings.epochs);
    while !training.is_done() {
        let stats = training.epoch(|step| bar.step(step))?;
        bar.epoch(&stats);
        if let Some(warning) = stats.warning(&settings.objective) {
            bar.say(&format!("warning: {warning}"));
        }
        if let Some(path) = checkpoint {
            training.checkpoint().save(path)?;
        }
    }
    Ok(training)
}

/// Writes the model of a run and returns its fingerprint.
pub fn save_trained(path: &Path, training: &Training<'_>, data: &Dataset) -> anyhow::Result<u32> {
    let new = NewModel {
        parameters: NewParameters::F32(&training.parameters()),
        class_names: &data.class_names,
        acceptance: None,
        self_test_images: self_test_images(data),
    };
    Ok(save_model(path, &new)?)
}

fn remove_checkpoint(path: &Path) -> anyhow::Result<()> {
    use anyhow::Context;
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("{}: cannot remove it", path.display()))
        }
        _ => Ok(()),
    }
}
