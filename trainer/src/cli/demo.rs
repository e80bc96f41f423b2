//! `trainer demo`: the whole experiment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use lookalike::{Network, Packing};
use lookalike_trainer::data::{Dataset, Source, Split, image_file};
use lookalike_trainer::figures::{SheetRow, precision_recall_svg, retrieval_sheet_png};
use lookalike_trainer::files::{
    LoadedModel, OutputLock, load_model, save_gallery, save_model, write_atomically,
};
use lookalike_trainer::loss::Triplet;
use lookalike_trainer::optim::OptimizerKind;
use lookalike_trainer::quantize;
use lookalike_trainer::report::{self, Measured, Report};
use lookalike_trainer::retrieval::{Evaluation, Options, search, table};
use lookalike_trainer::train::{EpochStats, Objective, PairLoss, Settings, Training};
use ndarray::{Array2, Axis};
use serde::Serialize;

use super::console::note;
use super::evaluate::evaluate;
use super::options::ThreadOptions;
use super::output::{print, print_json};
use super::report::codes_of;
use super::train::{run_epochs, save_trained};

/// Compare a classification embedding with a triplet embedding on MNIST.
///
/// Trains both, prints how well they retrieve in f32 and as int8, and writes
/// models, galleries, metrics, figures and a report, `report.html`. Takes about a
/// minute on two cores.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer demo --out demo")]
pub struct Demo {
    /// The directory to write to.
    #[arg(long, value_name = "DIR", default_value = "demo")]
    out: PathBuf,
    /// Passes over the data, for each of the two.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Where all random numbers come from.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    threads: ThreadOptions,
    /// Print the metrics as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Items of each class in the gallery that the demo writes.
const GALLERY_PER_CLASS: usize = 20;
/// Neighbours of each query on the picture sheet.
const SHEET_NEIGHBOURS: usize = 50;
/// And in the report.
const REPORT_NEIGHBOURS: usize = 16;

/// One of the two embeddings: its name and how it is trained.
struct Contender {
    name: &'static str,
    objective: Objective,
    optimizer: OptimizerKind,
    classes: u16,
}

/// What became of it.
struct Result {
    model: LoadedModel,
    evaluation: Evaluation,
    embeddings: Array2<f32>,
    training: Vec<EpochStats>,
    int8: LoadedModel,
    int8_evaluation: Evaluation,
}

/// `metrics.json`.
#[derive(Serialize)]
struct Metrics<'a> {
    data: &'static str,
    epochs: u32,
    seed: u64,
    seconds: f64,
    models: BTreeMap<&'static str, &'a Evaluation>,
    /// The same models, quantised.
    int8: BTreeMap<&'static str, &'a Evaluation>,
}

impl Demo {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        self.threads.run(|| self.compare())
    }

    fn compare(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("{}: cannot make the directory", self.out.display()))?;
        let _claim = OutputLock::claim(&self.out)?;
        let train = Source::Mnist.load(Split::Train)?;
        let test = Source::Mnist.load(Split::Test)?;
        let contenders = [
            Contender {
                name: "cross-entropy",
                objective: Objective::CROSS_ENTROPY,
                optimizer: OptimizerKind::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 },
                classes: 10,
            },
            Contender {
                name: "triplet",
                objective: Objective::pairs(PairLoss::Triplet(Triplet::default())),
                optimizer: OptimizerKind::Adam { weight_decay: 0.0 },
                classes: 0,
            },
        ];
        let mut results = Vec::new();
        for contender in &contenders {
            let (model, training) = self.train(contender, &train)?;
            note!("{}: evaluating {} test images", contender.name, test.len());
            let (evaluation, embeddings) = evaluate(&model, &test, Options::default())?;
            let int8 = self.quantize(contender, &model, &train)?;
            let (int8_evaluation, _) = evaluate(&int8, &test, Options::default())?;
            results.push(Result { model, evaluation, embeddings, training, int8, int8_evaluation });
        }

        let named: Vec<(&'static str, &Evaluation)> =
            contenders.iter().zip(&results).map(|(c, r)| (c.name, &r.evaluation)).collect();
        self.write_figures(&named, &results, &test)?;
        self.write_report(&contenders, &results, (&train, &test))?;
        let items = train.first_per_class(GALLERY_PER_CLASS);
        let Result { model, int8, .. } = &results[1];
        for (name, model) in [("triplet.gallery", model), ("triplet.int8.gallery", int8)] {
            save_gallery(&self.out.join(name), model, &items, model.code())?;
        }
        let int8: Vec<(&'static str, &Evaluation)> =
            contenders.iter().zip(&results).map(|(c, r)| (c.name, &r.int8_evaluation)).collect();
        let metrics = Metrics {
            data: "mnist",
            epochs: self.epochs,
            seed: self.seed,
            seconds: started.elapsed().as_secs_f64(),
            models: named.iter().copied().collect(),
            int8: int8.iter().copied().collect(),
        };
        let json = serde_json::to_vec_pretty(&metrics)?;
        write_atomically(self.out.join("metrics.json"), |w| w.write_all(&json))?;

        if self.json {
            print_json(&metrics)?;
        } else {
            print(&table(&named))?;
            print(&int8_text(&named, &int8))?;
        }
        let out = self.out.display();
        note!("\nwrote models, galleries, metrics.json, figures and report.html to {out}; now try");
        note!(
            "  trainer search {out}/triplet.model --gallery {out}/triplet.gallery {out}/queries/7.png"
        );
        Ok(())
    }

    fn train(
        &self,
        contender: &Contender,
        data: &Dataset,
    ) -> anyhow::Result<(LoadedModel, Vec<EpochStats>)> {
        let network = Network::REFERENCE.with_classes(contender.classes)?;
        let settings = Settings {
            optimizer: contender.optimizer,
            epochs: self.epochs,
            ..Settings::plain(network, contender.objective, self.seed)
        };
        let training = Training::new(settings, data)?;
        let training = run_epochs(contender.name, training, None)?;
        let path = self.out.join(format!("{}.model", contender.name));
        save_trained(&path, &training, data)?;
        Ok((load_model(&path)?, training.history().to_vec()))
    }

    /// With the least that has to be tried: `trainer quantize` compares more.
    fn quantize(
        &self,
        contender: &Contender,
        model: &LoadedModel,
        train: &Dataset,
    ) -> anyhow::Result<LoadedModel> {
        note!("{}: quantising", contender.name);
        let options = quantize::Options::quick(self.seed);
        let (int8, _) = quantize::quantize(model, train, Packing::Fast, &options)?;
        let path = self.out.join(format!("{}.int8.model", contender.name));
        save_model(&path, &int8.as_new())?;
        Ok(int8)
    }

    /// The triplet embedding in detail, beside the other.
    fn write_report(
        &self,
        contenders: &[Contender],
        results: &[Result],
        (train, test): (&Dataset, &Dataset),
    ) -> anyhow::Result<()> {
        note!("writing the report");
        let measured = contenders.iter().zip(results).rev().map(|(contender, result)| Measured {
            name: contender.name.to_owned(),
            model: Some(&result.model),
            evaluation: result.evaluation.clone(),
            embeddings: result.embeddings.clone(),
            training: Some(result.training.clone()),
        });
        let Result { model, int8, .. } = &results[1];
        let codes = codes_of(model, int8, train, test, self.seed)?;
        let options = report::Options {
            source: "mnist, test",
            queries: None,
            neighbours: REPORT_NEIGHBOURS,
            codes: Some(&codes),
            int8: Some(int8),
        };
        let html = Report::new(test, measured.collect(), options)?.html()?;
        Ok(write_atomically(self.out.join("report.html"), |w| w.write_all(html.as_bytes()))?)
    }

    fn write_figures(
        &self,
        named: &[(&'static str, &Evaluation)],
        results: &[Result],
        test: &Dataset,
    ) -> anyhow::Result<()> {
        let svg = precision_recall_svg(named)?;
        write_atomically(self.out.join("precision-recall.svg"), |w| w.write_all(svg.as_bytes()))?;
        let queries = one_of_each_class(test);
        for ((name, _), result) in named.iter().zip(results) {
            let png = sheet(test, &queries, &result.embeddings)?;
            write_atomically(self.out.join(format!("retrieved-{name}.png")), |w| {
                w.write_all(&png)
            })?;
        }
        let directory = self.out.join("queries");
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("{}: cannot make the directory", directory.display()))?;
        for &query in &queries {
            let class = &test.class_names[usize::from(test.labels[query as usize])];
            let path = directory.join(format!("{class}.png"));
            let png = image_file::png(test.image(query as usize), test.shape)?;
            write_atomically(path, |w| w.write_all(&png))?;
        }
        Ok(())
    }
}

/// The int8 models' figures, and their changes against f32.
fn int8_text(
    float: &[(&'static str, &Evaluation)],
    int8: &[(&'static str, &Evaluation)],
) -> String {
    let mut text =
        format!("\n{:<15} {:>7}         {:>7}         {:>7}\n", "int8", "mAP", "MAP@R", "prec@1");
    for ((name, float), (_, int8)) in float.iter().zip(int8) {
        let figures =
            |e: &Evaluation| [e.mean.average_precision, e.mean.map_at_r, e.mean.precision_at[0]];
        text += &format!("{name:<15}");
        for (float, int8) in figures(float).into_iter().zip(figures(int8)) {
            text += &format!(" {int8:>7.4} {:+.4}", int8 - float);
        }
        text.push('\n');
    }
    text +=
        "Beside each figure is the change against f32; `trainer codes` compares smaller codes.\n";
    text
}

/// The first image of each class.
fn one_of_each_class(data: &Dataset) -> Vec<u32> {
    (0..data.class_names.len())
        .filter_map(|class| data.labels.iter().position(|&l| usize::from(l) == class))
        .map(|i| i as u32)
        .collect()
}

fn sheet(data: &Dataset, queries: &[u32], embeddings: &Array2<f32>) -> anyhow::Result<Vec<u8>> {
    let rows: Vec<usize> = queries.iter().map(|&q| q as usize).collect();
    let vectors = embeddings.select(Axis(0), &rows);
    let found = search(vectors.view(), embeddings.view(), SHEET_NEIGHBOURS, Some(queries));
    let rows: Vec<SheetRow> = queries
        .iter()
        .zip(found)
        .map(|(&query, found)| SheetRow {
            query,
            neighbours: found.iter().map(|neighbour| neighbour.id).collect(),
        })
        .collect();
    Ok(retrieval_sheet_png(data, &rows)?)
}
