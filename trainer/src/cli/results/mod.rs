//! `trainer results`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use lookalike_trainer::data::Source;
use lookalike_trainer::figures::{Curve, curves_svg, per_class_svg};
use lookalike_trainer::files::{OutputLock, write_atomically};

use super::UsageError;
use super::console::note;
use super::options::ThreadOptions;
use super::output::print_json;

mod document;
mod experiments;
mod measure;
mod store;
mod summary;
mod training;
mod work;

use document::{Call, figure_name};
use experiments::{Data, Part};
use measure::Sets;
use store::Store;
use summary::Summary;
use work::Work;

/// Where Debian's package `dataset-fashion-mnist` puts its files.
const FASHION: &str = "/usr/share/datasets/fashion-mnist";

/// Reproduce the results table: every loss and recipe on two data sets.
///
/// Trains and measures what `docs/results.md` shows and writes that document
/// and its figures anew. Each model that is trained is kept in the working
/// directory with a JSON file of its settings and figures, so the command can be
/// stopped at any time: started again, it goes on with the epoch that it was in
/// and does nothing twice. A run whose settings or images have changed since
/// counts as not done. Takes hours on two cores.
#[derive(Args)]
#[command(after_help = "Example:
  trainer results --work results --out docs/results.md

Only the models for unseen classes, from one seed, as a start:
  trainer results --work results --out results.md --only unseen --seeds 0")]
pub struct Results {
    /// The document to write; its figures go to `images` beside it.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The directory that keeps models and figures.
    #[arg(long, value_name = "DIR")]
    work: PathBuf,
    /// Do only these parts; what the directory has of the others is shown as well.
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    /// Train from each of these seeds.
    #[arg(long, value_name = "S,..", value_delimiter = ',', default_value = "0,1,2")]
    seeds: Vec<u64>,
    /// Where a data set is: `fashion=DIR` [default: where Debian's package
    /// dataset-fashion-mnist puts it], `mnist=DIR` [default: built in].
    #[arg(long, value_name = "NAME=D", value_parser = parse_data)]
    data: Vec<(Data, Source)>,
    /// Do nothing that is missing: write the document from what there is.
    #[arg(long, conflicts_with = "only")]
    report: bool,
    /// Try the command out with few images and two epochs; the figures mean nothing.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    threads: ThreadOptions,
    /// Also print the figures as one JSON object.
    #[arg(long)]
    json: bool,
}

fn parse_data(text: &str) -> Result<(Data, Source), String> {
    let (name, source) = text.split_once('=').ok_or("expected NAME=D, for example fashion=DIR")?;
    let Ok(source) = source.parse();
    Ok((name.parse()?, source))
}

impl Results {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let mut seeds = self.seeds.clone();
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.len() < self.seeds.len() {
            return Err(UsageError("--seeds has a seed twice".into()).into());
        }
        self.threads.run(|| {
            let sets = Sets::load(&self.sources(), self.quick)?;
            // What cannot be written must not be found out after hours.
            let images = self.out.parent().unwrap_or(Path::new("")).join("images");
            std::fs::create_dir_all(&images)
                .with_context(|| format!("{}: cannot make the directory", images.display()))?;
            let store = Store::open(&self.work)?;
            let _claim = OutputLock::claim(&self.work)?;
            let parts = match self.only.as_slice() {
                [] => Part::value_variants(),
                only => only,
            };
            let (runs, quick) = (!self.report, self.quick);
            let done = Work { sets: &sets, store: &store, parts, runs, quick }.done(&seeds)?;
            let summary = Summary::new(&done, &seeds);
            let call = Call { seeds: &seeds, missing: done.missing, quick };
            draw(&summary, &images)?;
            let text = document::render(&summary, &sets, &call);
            write_atomically(&self.out, |writer| writer.write_all(text.as_bytes()))?;
            note!("wrote {} and its figures", self.out.display());
            if self.json { print_json(&summary) } else { Ok(()) }
        })
    }

    fn sources(&self) -> BTreeMap<Data, Source> {
        let default =
            [(Data::Mnist, Source::Mnist), (Data::Fashion, Source::Directory(FASHION.into()))];
        default.into_iter().chain(self.data.iter().cloned()).collect()
    }
}

/// Draws the figures of each data set.
fn draw(summary: &Summary<'_>, directory: &Path) -> anyhow::Result<()> {
    for data in Data::ALL {
        let curves = document::plotted().filter_map(|name| {
            let (_, figures) = summary.curve(name, data)?;
            let mean_average_precision = figures.mean.mean_average_precision;
            Some(Curve { name, mean_average_precision, points: figures.curve.clone() })
        });
        write(
            directory,
            &figure_name("precision-recall", data),
            &curves_svg(&curves.collect::<Vec<_>>())?,
        )?;

        let rows = summary.closed(data);
        let names = rows.iter().map(|row| &row.classes).max_by_key(|classes| classes.len());
        let names: Vec<String> =
            names.into_iter().flatten().map(|class| class.name.clone()).collect();
        let of_class = |row: &summary::ClosedRow, place: usize| {
            row.classes.get(place).map_or(f64::NAN, |c| c.mean_average_precision.mean)
        };
        let series: Vec<(&str, Vec<f64>)> = document::plotted()
            .filter_map(|name| rows.iter().find(|row| row.method == name))
            .map(|row| (row.method, (0..names.len()).map(|place| of_class(row, place)).collect()))
            .collect();
        let svg = per_class_svg("mean average precision of a class's queries", &names, &series)?;
        write(directory, &figure_name("per-class", data), &svg)?;
    }
    Ok(())
}

fn write(directory: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    Ok(write_atomically(directory.join(name), |writer| writer.write_all(text.as_bytes()))?)
}
