//! Values of options as they are written.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A loss by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LossName {
    /// Cross-entropy of a linear classifier on the features.
    CrossEntropy,
    /// Cross-entropy of a classifier on the cosines of embeddings, with a margin.
    CosineSoftmax,
    /// Triplet loss on squared distances of embeddings.
    Triplet,
    /// Smooth-AP on similarities of embeddings.
    SmoothAp,
    /// Supervised contrastive loss on similarities of embeddings.
    SupervisedContrastive,
}

/// An optimiser by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerName {
    /// Stochastic gradient descent; see `--momentum` and `--nesterov`.
    Sgd,
    /// Adam.
    Adam,
    /// Adam with decoupled weight decay.
    Adamw,
}

/// How batches are made, as it is written: `shuffled` or `PxK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Batches {
    /// A random permutation of all images.
    Shuffled,
    /// K images of each of P classes.
    PK {
        /// P.
        classes: usize,
        /// K.
        images: usize,
    },
}

impl FromStr for Batches {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "shuffled" {
            return Ok(Batches::Shuffled);
        }
        let parse = |(classes, images): (&str, &str)| {
            Some(Batches::PK { classes: classes.parse().ok()?, images: images.parse().ok()? })
        };
        text.split_once('x').and_then(parse).ok_or("expected `shuffled` or PxK, for example 10x6")
    }
}

impl TryFrom<String> for Batches {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Batches> for String {
    fn from(batches: Batches) -> String {
        match batches {
            Batches::Shuffled => "shuffled".into(),
            Batches::PK { classes, images } => format!("{classes}x{images}"),
        }
    }
}

/// Who teaches, as it is written: `hog`, `plain`, `untaught` or a model file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Teacher {
    /// Histograms of oriented gradients, whitened.
    Hog,
    /// A network that is trained first, with [`Options::plain`](super::Options::plain).
    Plain,
    /// A network that is trained first, with [`Options::untaught`](super::Options::untaught).
    Untaught,
    /// A model file.
    Model(PathBuf),
}

impl From<String> for Teacher {
    fn from(text: String) -> Teacher {
        match text.as_str() {
            "hog" => Teacher::Hog,
            "plain" => Teacher::Plain,
            "untaught" => Teacher::Untaught,
            _ => Teacher::Model(text.into()),
        }
    }
}

impl From<Teacher> for String {
    fn from(teacher: Teacher) -> String {
        match teacher {
            Teacher::Hog => "hog".into(),
            Teacher::Plain => "plain".into(),
            Teacher::Untaught => "untaught".into(),
            Teacher::Model(path) => path.to_string_lossy().into_owned(),
        }
    }
}
