//! `trainer report`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use lookalike::TwoStage;
use lookalike_trainer::data::{Dataset, Split};
use lookalike_trainer::files::{LoadedModel, load_model, write_atomically};
use lookalike_trainer::quantize;
use lookalike_trainer::quantize::table::{CodeTable, measure};
use lookalike_trainer::report::{self, Measured};
use lookalike_trainer::retrieval::Options;
use lookalike_trainer::train::{EpochStats, History};

use super::UsageError;
use super::codes::int8_of;
use super::console::{note, spinner};
use super::evaluate::{Baseline, Subject, subjects};
use super::options::{DataOptions, ThreadOptions};

/// Write a page on how models retrieve: one HTML file that needs nothing else.
///
/// Compares the models, with intervals, and shows the first one in detail: what
/// queries find, each class, which class is taken for which, a map of the
/// embeddings, training, codes, and what it takes on a device. The same input
/// gives the same bytes.
#[derive(Args)]
#[command(after_help = "Example:
  trainer report digits.model --out report.html

Two models beside raw pixels, the queries 3 and 14, and all figures as files:
  trainer report a.model b.model --baseline pixels --query 3,14 --out report.html --figures figures")]
pub struct Report {
    /// The model files; the first is shown in detail.
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// The HTML file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Also write the figures into this directory: plots as SVG, pictures as PNG.
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
    /// Also compare with what a model has to beat; can be given twice.
    #[arg(long, value_enum, value_name = "B")]
    baseline: Vec<Baseline>,
    #[command(flatten)]
    data: DataOptions,
    /// Which part of the data searches itself.
    #[arg(long, value_enum, value_name = "S", default_value = "test")]
    split: Split,
    /// Only images of these classes, by name or number, for example `5,6`.
    #[arg(long, value_name = "a,b", value_delimiter = ',')]
    only_classes: Vec<String>,
    /// Queries to show, by number from 0 among the images; the first of each of
    /// the first ten classes if left out.
    #[arg(long, value_name = "I,J,..", value_delimiter = ',')]
    query: Vec<u32>,
    /// Images to show of those that a query finds.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100))]
    neighbours: u32,
    /// The int8 model that was made of the first; it is quantised quickly if
    /// left out.
    #[arg(long, value_name = "FILE")]
    int8: Option<PathBuf>,
    /// Leave out what codes cost, for which training images are needed.
    #[arg(long, conflicts_with = "int8")]
    no_codes: bool,
    /// Resamples of the bootstrap; 0 leaves the intervals out.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    resamples: usize,
    /// Where random numbers come from.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    threads: ThreadOptions,
}

impl Report {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        self.threads.run(|| self.write())
    }

    fn write(&self) -> anyhow::Result<()> {
        let model = load_model(&self.models[0])?;
        let data = self.data.load_only(self.split, Some(&model), &self.only_classes)?;
        self.check_queries(&data)?;
        let subjects = subjects(&self.models, &self.baseline, &data, &self.data.data, self.seed)?;
        let mut training = self.histories(&subjects)?.into_iter();
        let codes = self.codes(&model, &data)?;

        let bar = spinner("");
        let options = Options { resamples: self.resamples, seed: self.seed, ..Options::default() };
        let mut measured = Vec::new();
        for (name, subject) in &subjects {
            bar.set_message(format!("{name}: evaluating {} images", data.len()));
            let (evaluation, embeddings) = subject.evaluate(&data, options)?;
            measured.push(Measured {
                name: name.clone(),
                model: subject.model(),
                evaluation,
                embeddings,
                training: training.next().flatten(),
            });
        }
        bar.set_message("drawing");
        let source = self.source();
        let report = report::Report::new(
            &data,
            measured,
            report::Options {
                source: &source,
                queries: Some(&self.query[..]).filter(|queries| !queries.is_empty()),
                neighbours: self.neighbours as usize,
                codes: codes.as_ref().map(|(table, _)| table),
                int8: codes.as_ref().map(|(_, int8)| int8),
            },
        )?;
        // All that can go wrong, before anything is written.
        let html = report.html()?;
        let figures = self.figures.as_ref().map(|_| report.figures()).transpose()?;
        bar.finish_and_clear();
        if let (Some(directory), Some(figures)) = (&self.figures, figures) {
            write_figures(directory, &figures)?;
        }
        write_page(&self.out, &html)
    }

    fn check_queries(&self, data: &Dataset) -> Result<(), UsageError> {
        match self.query.iter().find(|&&query| query as usize >= data.len()) {
            None => Ok(()),
            Some(query) => Err(UsageError(format!(
                "--query {query}: the {} images are numbered from 0 to {}",
                data.len(),
                data.len().saturating_sub(1)
            ))),
        }
    }

    /// What the images are.
    fn source(&self) -> String {
        let mut text = format!("{}, {}", self.data.data, self.split);
        if !self.only_classes.is_empty() {
            text += &format!(", only {}", self.only_classes.join(", "));
        }
        text
    }

    /// Of each model, the figures of its training that lie beside it.
    fn histories(
        &self,
        subjects: &[(String, Subject)],
    ) -> anyhow::Result<Vec<Option<Vec<EpochStats>>>> {
        let mut histories = Vec::new();
        // Baselines come after the models.
        for (path, (_, subject)) in self.models.iter().zip(subjects) {
            let history = History::load(path)?;
            let of_it = |history: &History| {
                subject.model().is_some_and(|model| history.is_of(model.fingerprint))
            };
            if history.as_ref().is_some_and(|history| !of_it(history)) {
                note!("{}: of another model; left out", History::path(path).display());
            }
            histories.push(history.filter(of_it).map(|history| history.epochs));
        }
        Ok(histories)
    }

    /// What codes of the first model cost, and the int8 model that makes them.
    fn codes(
        &self,
        model: &LoadedModel,
        data: &Dataset,
    ) -> anyhow::Result<Option<(CodeTable, LoadedModel)>> {
        if model.float().is_none() && self.int8.is_some() {
            let text = "--int8 takes the int8 model of an f32 model, which is to be the first";
            return Err(UsageError(text.into()).into());
        }
        if self.no_codes || model.float().is_none() {
            return Ok(None);
        }
        let bar = spinner("quantising");
        let train = self.data.load_for(Split::Train, model)?;
        let quick = quantize::Options::quick(self.seed);
        let int8 = int8_of(model, self.int8.as_deref(), &train, &quick)?;
        bar.set_message("measuring codes");
        let table = codes_of(model, &int8, &train, data, self.seed);
        bar.finish_and_clear();
        Ok(Some((table?, int8)))
    }
}

/// What the codes of an int8 model cost that need nothing to be learned.
pub fn codes_of(
    model: &LoadedModel,
    int8: &LoadedModel,
    train: &Dataset,
    data: &Dataset,
    seed: u64,
) -> anyhow::Result<CodeTable> {
    let own = int8.quantized().map_or(0, |quantized| quantized.coder.offsets.len());
    Ok(measure(model, int8, train, data, (&[own], TwoStage::SHORTLIST, seed))?)
}

/// Writes the page and says so.
pub fn write_page(path: &Path, html: &str) -> anyhow::Result<()> {
    write_atomically(path, |writer| writer.write_all(html.as_bytes()))?;
    note!("wrote {}", path.display());
    Ok(())
}

fn write_figures(directory: &Path, figures: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("{}: cannot make the directory", directory.display()))?;
    for (name, bytes) in figures {
        write_atomically(directory.join(name), |writer| writer.write_all(bytes))?;
    }
    note!("wrote {} figures to {}", figures.len(), directory.display());
    Ok(())
}
