//! What is evaluated: models, and what they have to beat.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use lookalike_trainer::data::{Dataset, Source};
use lookalike_trainer::files::{LoadedModel, load_model};
use lookalike_trainer::retrieval::baseline::{hog, pixels, random_network};
use lookalike_trainer::retrieval::{Evaluation, Options};
use ndarray::Array2;
use serde::Serialize;

use super::{evaluate, evaluate_embeddings};
use crate::cli::UsageError;
use crate::cli::options::check_model;

/// What is evaluated in a model's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Baseline {
    /// The images themselves: pixels as stored, divided by their L2 norm.
    Pixels,
    /// Histograms of oriented gradients, 5x5 cells of 8 directions.
    Hog,
    /// The reference network with random weights, those of `--seed`.
    Random,
}

impl Baseline {
    /// As the command line spells it.
    pub fn name(self) -> &'static str {
        match self {
            Baseline::Pixels => "pixels",
            Baseline::Hog => "hog",
            Baseline::Random => "random",
        }
    }
}

/// What gives images their embeddings.
pub enum Subject {
    /// A network.
    Model(Box<LoadedModel>),
    /// A description `[N, E]` of all images that nothing was learned for.
    Description(fn(&Dataset) -> Array2<f32>),
}

impl Subject {
    /// A baseline for the images of `data`.
    pub fn baseline(baseline: Baseline, data: &Dataset, seed: u64) -> anyhow::Result<Subject> {
        Ok(match baseline {
            Baseline::Pixels => Subject::Description(pixels),
            Baseline::Hog => Subject::Description(hog),
            Baseline::Random => Subject::Model(Box::new(random_network(data.shape, seed)?)),
        })
    }

    /// Embeddings `[N, E]` of all images.
    pub fn embed(&self, data: &Dataset) -> Array2<f32> {
        match self {
            Subject::Model(model) => model.embed(data),
            Subject::Description(describe) => describe(data),
        }
    }

    /// Lets the images search one another; returns their embeddings as well.
    pub fn evaluate(
        &self,
        data: &Dataset,
        options: Options<'_>,
    ) -> anyhow::Result<(Evaluation, Array2<f32>)> {
        match self {
            Subject::Model(model) => evaluate(model, data, options),
            Subject::Description(describe) => {
                let embeddings = describe(data);
                Ok((evaluate_embeddings(&embeddings, data, options)?, embeddings))
            }
        }
    }

    /// The model, if it is one.
    pub fn model(&self) -> Option<&LoadedModel> {
        match self {
            Subject::Model(model) => Some(model),
            Subject::Description(_) => None,
        }
    }
}

/// Each with a name of its own: that of the file, or its path where two files
/// have the same.
pub fn subjects(
    models: &[PathBuf],
    baselines: &[Baseline],
    data: &Dataset,
    source: &Source,
    seed: u64,
) -> anyhow::Result<Vec<(String, Subject)>> {
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut uses = BTreeMap::new();
    let names = models.iter().map(stem).chain(baselines.iter().map(|b| b.name().to_owned()));
    names.for_each(|name| *uses.entry(name).or_insert(0) += 1);

    let mut subjects: Vec<(String, Subject)> = Vec::new();
    for path in models {
        let model = load_model(path)?;
        check_model(&model, data, source)?;
        let stem = stem(path);
        let name = if uses[&stem] == 1 { stem } else { path.display().to_string() };
        subjects.push((name, Subject::Model(Box::new(model))));
    }
    for &baseline in baselines {
        subjects.push((baseline.name().to_owned(), Subject::baseline(baseline, data, seed)?));
    }
    let twice = |(place, (name, _)): (usize, &(String, Subject))| {
        subjects[..place].iter().any(|(other, _)| other == name).then(|| name.clone())
    };
    if let Some(name) = subjects.iter().enumerate().find_map(twice) {
        return Err(UsageError(format!("`{name}` is given twice")).into());
    }
    Ok(subjects)
}

/// Results by name, for `--json`.
#[derive(Serialize)]
#[serde(untagged)]
pub enum ByName<'a, T> {
    /// The only one, without its name.
    One(&'a T),
    /// All of several.
    Several {
        /// By name.
        models: BTreeMap<&'a str, &'a T>,
    },
}

impl<'a, T> ByName<'a, T> {
    /// Of these results.
    pub fn new(results: &'a [(&str, T)]) -> Self {
        match results {
            [(_, only)] => ByName::One(only),
            several => {
                let models = several.iter().map(|(name, result)| (*name, result));
                ByName::Several { models: models.collect() }
            }
        }
    }
}
