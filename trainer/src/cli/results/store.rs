//! What has been done, in the working directory: for each run a model and a
//! JSON file of its settings and figures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use lookalike_trainer::data::Dataset;
use lookalike_trainer::files::write_atomically;
use lookalike_trainer::retrieval::few_shot::Shots;
use lookalike_trainer::retrieval::{Evaluation, Metrics};
use lookalike_trainer::train::Settings;
use serde::{Deserialize, Serialize};

use crate::cli::console::print_line;

/// Images, so that others are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    count: usize,
    crc_32: u32,
}

impl Images {
    /// Those of a set, and their labels.
    pub fn of(data: &Dataset) -> Images {
        const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
        let mut digest = CRC.digest();
        digest.update(&data.pixels);
        digest.update(bytemuck::cast_slice(&data.labels));
        Images { count: data.len(), crc_32: digest.finalize() }
    }
}

/// All that has been done for one run or baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The training; `None` of a baseline.
    pub trained: Option<Trained>,
    /// By the measurement's name.
    pub measured: BTreeMap<String, Measured>,
}

/// A training run that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// What it is determined by, besides the data.
    pub settings: Settings,
    /// What it was trained on.
    pub images: Images,
    /// Time in its epochs, over interruptions; `None` if part of it is not known.
    pub seconds: Option<f64>,
    /// Threads of the last epoch.
    pub threads: usize,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// With a model of this fingerprint.
    Model(u32),
    /// It diverged, or had nothing to learn from: the error.
    Failed(String),
}

/// A measurement, and of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What was asked.
    pub asked: Asked,
    /// What was found.
    pub figures: Figures,
}

/// What a measurement is determined by, besides the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The test images.
    pub images: Images,
    /// The images that shots were drawn from, and what decides what is drawn.
    pub few_shot: Option<(Images, Enrolment)>,
    /// The images that a quantised model was calibrated on.
    pub calibrated: Option<Images>,
}

/// How few shots are enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The new classes.
    pub unseen: Vec<u16>,
    /// Numbers of shots.
    pub shots: Vec<usize>,
    /// Items of each other class.
    pub seen_items: usize,
    /// Draws.
    pub draws: usize,
}

/// The figures of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// `None` without a classifier.
    pub accuracy: Option<f64>,
    /// The means over all queries.
    pub mean: MeanFigures,
    /// Those of each class.
    pub classes: Vec<ClassFigures>,
    /// Points of the mean curve: recall and precision.
    pub curve: Vec<[f64; 2]>,
    /// Recognition by the shots enrolled; empty where it was not asked for.
    pub few_shot: Vec<Shots>,
}

/// Means over queries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanFigures {
    /// mAP.
    pub mean_average_precision: f64,
    /// MAP@R.
    pub map_at_r: f64,
    /// R-precision.
    pub r_precision: f64,
    /// Precision@1.
    pub precision_at_1: f64,
}

impl From<&Metrics> for MeanFigures {
    fn from(metrics: &Metrics) -> MeanFigures {
        MeanFigures {
            mean_average_precision: metrics.average_precision,
            map_at_r: metrics.map_at_r,
            r_precision: metrics.r_precision,
            precision_at_1: metrics.precision_at[0],
        }
    }
}

/// The figures of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassFigures {
    /// Its name.
    pub name: String,
    /// Its queries.
    pub queries: usize,
    /// Their means.
    pub mean: MeanFigures,
}

impl Figures {
    /// Those of an evaluation and of recognition by few shots.
    pub fn new(evaluation: &Evaluation, few_shot: Vec<Shots>) -> Figures {
        Figures {
            accuracy: evaluation.accuracy.map(|(accuracy, _)| accuracy),
            mean: (&evaluation.mean).into(),
            classes: evaluation
                .per_class
                .iter()
                .map(|class| ClassFigures {
                    name: class.name.clone(),
                    queries: class.queries,
                    mean: (&class.mean).into(),
                })
                .collect(),
            curve: evaluation.curves.raw.iter().map(|p| [p.recall, p.precision]).collect(),
            few_shot,
        }
    }
}

/// The working directory.
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// Makes the directory if it is not there.
    pub fn open(directory: &Path) -> anyhow::Result<Store> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("{}: cannot make the directory", directory.display()))?;
        Ok(Store { directory: directory.to_owned() })
    }

    /// The model file of a run.
    pub fn model(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.model"))
    }

    fn record(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }

    /// What is known of a run or baseline; nothing where there is no record.
    /// One that cannot be understood counts as none, with a warning.
    pub fn load(&self, name: &str) -> anyhow::Result<Record> {
        let path = self.record(name);
        let text = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Record::default()),
            read => read.with_context(|| format!("{}: cannot read it", path.display()))?,
        };
        Ok(serde_json::from_slice(&text).unwrap_or_else(|error| {
            print_line(format_args!(
                "warning: {} is not a record of this program ({error}): the run is done again",
                path.display()
            ));
            Record::default()
        }))
    }

    /// Writes a record, and gives it back as it will be read.
    pub fn save(&self, name: &str, record: &Record) -> anyhow::Result<Record> {
        let text = serde_json::to_vec_pretty(record)?;
        write_atomically(self.record(name), |writer| writer.write_all(&text))?;
        // A number that was written and read again may differ in its last bit.
        Ok(serde_json::from_slice(&text)?)
    }
}
