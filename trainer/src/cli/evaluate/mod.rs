//! `trainer evaluate`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use lookalike_trainer::data::{Dataset, Split};
use lookalike_trainer::figures::precision_recall_svg;
use lookalike_trainer::files::{LoadedModel, load_model, write_atomically};
use lookalike_trainer::nn;
use lookalike_trainer::retrieval::{self, Evaluation, Options, per_class_table, table};
use lookalike_trainer::rng::{Purpose, stream};
use ndarray::Array2;

use super::UsageError;
use super::console::{note, spinner};
use super::options::{DataOptions, ThreadOptions};
use super::output::{print, print_json};

mod few_shot;
mod subject;

use few_shot::FewShotOptions;
pub use few_shot::few_shot;
use subject::ByName;
pub use subject::{Baseline, Subject, subjects};

/// Measure how well models retrieve.
///
/// Every query searches all other images of the split; those of its class are
/// relevant. Prints the classifier's accuracy, if a model has one, and
/// retrieval metrics with 95 % bootstrap intervals and their definitions, side
/// by side for several models and baselines. With `--few-shot` it measures
/// instead how well classes are recognised that are enrolled with a few shots.
#[derive(Args)]
#[command(after_help = "Example:
  trainer evaluate digits.model --data mnist --split test

Two models and raw pixels on classes that were left out of training:
  trainer evaluate a.model b.model --baseline pixels --only-classes 5,6,7,8,9
  trainer evaluate a.model b.model --baseline pixels --few-shot --unseen 5,6,7,8,9")]
pub struct Evaluate {
    /// The model files.
    #[arg(required_unless_present = "baseline", value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// Also evaluate what a model has to beat; can be given more than once.
    #[arg(long, value_enum, value_name = "B")]
    baseline: Vec<Baseline>,
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
    /// Also print the figures of each class.
    #[arg(long)]
    per_class: bool,
    /// Also draw the precision-recall curves into this SVG file.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    few_shot: FewShotOptions,
    /// Resamples of the bootstrap; 0 leaves the intervals out.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    resamples: usize,
    /// Where the random numbers of queries, draws, bootstrap and random weights
    /// come from.
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
            let first = self.models.first().map(|path| load_model(path)).transpose()?;
            let data = self.load(self.split, first.as_ref())?;
            let subjects =
                subjects(&self.models, &self.baseline, &data, &self.data.data, self.seed)?;
            if self.few_shot.asked() {
                self.measure_few_shot(&subjects, &data, first.as_ref())
            } else {
                self.measure_retrieval(&subjects, &data)
            }
        })
    }

    /// The chosen classes of a split, as the input of a model.
    fn load(&self, split: Split, model: Option<&LoadedModel>) -> anyhow::Result<Dataset> {
        self.data.load_only(split, model, &self.only_classes)
    }

    fn measure_retrieval(
        &self,
        subjects: &[(String, Subject)],
        data: &Dataset,
    ) -> anyhow::Result<()> {
        let queries = match self.queries {
            Queries::Some(n) if n < data.len() => Some(sample(data.len(), n, self.seed)),
            _ => None,
        };
        let options = Options {
            queries: queries.as_deref(),
            resamples: self.resamples,
            seed: self.seed,
            ..Options::default()
        };
        let bar = spinner("");
        let mut evaluations = Vec::new();
        for (name, subject) in subjects {
            bar.set_message(format!("{name}: evaluating {} images", data.len()));
            evaluations.push((name.as_str(), subject.evaluate(data, options)?.0));
        }
        bar.finish_and_clear();
        let named: Vec<(&str, &Evaluation)> = evaluations.iter().map(|(n, e)| (*n, e)).collect();
        if let Some(path) = &self.plot {
            let svg = precision_recall_svg(&named)?;
            write_atomically(path, |writer| writer.write_all(svg.as_bytes()))?;
            note!("wrote {}", path.display());
        }
        if self.json {
            return print_json(&ByName::new(&named));
        }
        print(&table(&named))?;
        if self.per_class {
            print(&format!("\n{}", per_class_table(&named)))?;
        }
        Ok(())
    }

    fn measure_few_shot(
        &self,
        subjects: &[(String, Subject)],
        data: &Dataset,
        model: Option<&LoadedModel>,
    ) -> anyhow::Result<()> {
        let Some(enrolled_from) = self.split.enrolled_from() else {
            let text = format!(
                "--few-shot enrols from `train` or `fit`: its queries are of --split test or \
                 validation, not {}",
                self.split
            );
            return Err(UsageError(text).into());
        };
        let pool = self.load(enrolled_from, model)?;
        let draws = self.few_shot.draws(&pool, self.resamples, self.seed)?;
        let bar = spinner("");
        let mut results = Vec::new();
        for (name, subject) in subjects {
            bar.set_message(format!("{name}: enrolling {} times", self.few_shot.repeats()));
            results.push((name.as_str(), few_shot(subject, &draws, &pool, data)?));
        }
        bar.finish_and_clear();
        if self.json {
            print_json(&ByName::new(&results))
        } else {
            print(&few_shot::text(&results, &data.class_names))
        }
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
    let mut evaluation = evaluate_embeddings(&embeddings, data, options)?;
    if model.network.classes() > 0 {
        let right: Vec<bool> = nn::predicted(logits.view(), &data.labels).collect();
        evaluation.set_accuracy(&right);
    }
    Ok((evaluation, embeddings))
}

/// Evaluates the embeddings of `data`.
fn evaluate_embeddings(
    embeddings: &Array2<f32>,
    data: &Dataset,
    options: Options<'_>,
) -> anyhow::Result<Evaluation> {
    let options = Options { class_names: &data.class_names, ..options };
    Ok(retrieval::evaluate(embeddings.view(), &data.labels, &options)?)
}
