//! `trainer evaluate`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use lookalike_trainer::data::{Dataset, Split};
use lookalike_trainer::files::{LoadedModel, load_model};
use lookalike_trainer::nn;
use lookalike_trainer::retrieval::{self, Evaluation, Options, table};
use lookalike_trainer::rng::{Purpose, stream};
use ndarray::Array2;

use super::console::spinner;
use super::options::{DataOptions, ThreadOptions};
use super::output::{print, print_json};

/// Measure how well a model retrieves.
///
/// Every query searches all other images of the split; those of its class are
/// relevant. Prints the classifier's accuracy, if the model has one, and
/// retrieval metrics with 95 % bootstrap intervals and their definitions.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer evaluate digits.model --data mnist --split test")]
pub struct Evaluate {
    /// The model file.
    model: PathBuf,
    #[command(flatten)]
    data: DataOptions,
    /// Which part of the data.
    #[arg(long, value_enum, value_name = "S", default_value = "test")]
    split: Split,
    /// How many images search: `all`, or a number drawn at random.
    #[arg(long, value_name = "N|all", default_value = "all")]
    queries: Queries,
    /// Only images of these classes, by name or number, for example `5,6`.
    #[arg(long, value_name = "a,b", value_delimiter = ',')]
    only_classes: Vec<String>,
    /// Resamples of the bootstrap; 0 leaves the intervals out.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    resamples: usize,
    /// Where the random numbers of queries and bootstrap come from.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    threads: ThreadOptions,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug)]
enum Queries {
    All,
    Some(usize),
}

impl FromStr for Queries {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match (s, s.parse()) {
            ("all", _) => Ok(Queries::All),
            (_, Ok(n)) if n > 0 => Ok(Queries::Some(n)),
            _ => Err("expected `all` or a number above 0".into()),
        }
    }
}

impl Evaluate {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        self.threads.run(|| {
            let model = load_model(&self.model)?;
            let mut data = self.data.load_for(self.split, &model)?;
            if !self.only_classes.is_empty() {
                data = data.filter_classes(&data.class_numbers(&self.only_classes)?, &[])?;
            }
            let queries = match self.queries {
                Queries::Some(n) if n < data.len() => Some(sample(data.len(), n, self.seed)),
                _ => None,
            };
            let bar = spinner(format!("evaluating {} images", data.len()));
            let (evaluation, _) = evaluate(
                &model,
                &data,
                Options {
                    queries: queries.as_deref(),
                    resamples: self.resamples,
                    seed: self.seed,
                    ..Options::default()
                },
            )?;
            bar.finish_and_clear();
            if self.json {
                return print_json(&evaluation);
            }
            let name = self.model.file_stem().unwrap_or_default().to_string_lossy();
            print(&table(&[(&name, &evaluation)]))
        })
    }
}

/// `count` of the images below `images`, ascending.
fn sample(images: usize, count: usize, seed: u64) -> Vec<u32> {
    let mut rng = stream(seed, Purpose::Selection, 0);
    let mut chosen: Vec<u32> =
        rand::seq::index::sample(&mut rng, images, count).into_iter().map(|i| i as u32).collect();
    chosen.sort_unstable();
    chosen
}

/// Embeds `data` and evaluates it, with accuracy where the model has a
/// classifier; returns the embeddings as well.
pub fn evaluate(
    model: &LoadedModel,
    data: &Dataset,
    options: Options<'_>,
) -> anyhow::Result<(Evaluation, Array2<f32>)> {
    let (embeddings, logits) = model.classify(data);
    let options = Options { class_names: &data.class_names, ..options };
    let mut evaluation = retrieval::evaluate(embeddings.view(), &data.labels, &options)?;
    if model.network.classes() > 0 {
        let right: Vec<bool> = nn::predicted(logits.view(), &data.labels).collect();
        evaluation.set_accuracy(&right);
    }
    Ok((evaluation, embeddings))
}
