//! `trainer bench`: the project's own speed, for comparison with others.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand, ValueEnum};
use lookalike::{F32, Model, Network};
use lookalike_trainer::data::{Dataset, Sampler, Split};
use lookalike_trainer::files::{AlignedBytes, load_model};
use lookalike_trainer::loss::Triplet;
use lookalike_trainer::optim::OptimizerKind;
use lookalike_trainer::retrieval::{self, Options, search};
use lookalike_trainer::train::{Objective, PairLoss, Settings, Training};
use serde_json::{Value, json};

use super::options::{DataOptions, ThreadOptions};
use super::output::print_json;
use super::scaling::Scaling;
use super::threads::Threads;

/// Time the trainer's main work; prints one JSON object, or tables.
///
/// `scripts/compare-pytorch.py` runs this beside PyTorch, pytorch-metric-learning,
/// FAISS and ONNX Runtime and prints ratios. Times alone mean little on a
/// machine that does other things.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer bench epoch --loss triplet --threads 2")]
pub struct Bench {
    #[command(subcommand)]
    work: Work,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    threads: ThreadOptions,
}

#[derive(Subcommand)]
enum Work {
    /// Epochs of training on the training split.
    #[command(after_help = "Example:\n  trainer bench epoch --loss triplet --threads 2")]
    Epoch {
        /// The loss; cross-entropy with SGD, triplet (all) with Adam.
        #[arg(long, value_enum, default_value = "cross-entropy")]
        loss: BenchLoss,
        /// Images of a batch.
        #[arg(long, default_value_t = 64)]
        batch_size: usize,
        /// Epochs, each timed.
        #[arg(long, default_value_t = 1)]
        epochs: u32,
    },
    /// What more threads gain in training: short stretches with each number of
    /// threads, in turn, so that all see what else the machine does.
    #[command(after_help = "Example:\n  trainer bench threads --batch-size 64")]
    Threads(Threads),
    /// Load and embed a split, then all metrics, every image a query, no bootstrap.
    #[command(after_help = "Example:\n  trainer bench evaluate digits.model --images 1000")]
    Evaluate {
        /// The model file.
        model: PathBuf,
        /// Which part of the data.
        #[arg(long, value_enum, default_value = "test")]
        split: Split,
        /// Only the first N images.
        #[arg(long)]
        images: Option<u32>,
    },
    /// Exact top-10 of the test images among the training images.
    #[command(after_help = "Example:\n  trainer bench search digits.model")]
    Search {
        /// The model file.
        model: PathBuf,
    },
    /// One image at a time through the core, on one thread.
    #[command(after_help = "Example:\n  trainer bench single digits.model")]
    Single {
        /// The model file.
        model: PathBuf,
    },
    /// Epochs for batches of 16 to 512, evaluation of 1,000 to 60,000 images:
    /// prints Markdown tables.
    #[command(after_help = "Example:\n  trainer bench scaling digits.model --plot scaling.svg")]
    Scaling(Scaling),
}

/// What is trained.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum BenchLoss {
    /// Cross-entropy, with SGD.
    CrossEntropy,
    /// The triplet loss over all triplets, with Adam.
    Triplet,
}

impl BenchLoss {
    /// The reference network on `data`.
    pub fn settings(
        self,
        data: &Dataset,
        batch_size: usize,
        epochs: u32,
    ) -> anyhow::Result<Settings> {
        let momentum = OptimizerKind::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
        let (objective, optimizer, classes) = match self {
            BenchLoss::CrossEntropy => {
                (Objective::CROSS_ENTROPY, momentum, data.class_count() as u16)
            }
            BenchLoss::Triplet => (
                Objective::pairs(PairLoss::Triplet(Triplet::default())),
                OptimizerKind::Adam { weight_decay: 0.0 },
                0,
            ),
        };
        let network = Network::REFERENCE.with_classes(classes)?;
        Ok(Settings {
            optimizer,
            epochs,
            sampler: Sampler::Shuffled { batch_size },
            ..Settings::plain(network, objective, 0)
        })
    }
}

impl Bench {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        self.threads.run(|| match &self.work {
            Work::Epoch { loss, batch_size, epochs } => {
                print_json(&self.epoch(*loss, *batch_size, *epochs)?)
            }
            Work::Threads(threads) => print_json(&threads.run(&self.data.load(Split::Train)?)?),
            Work::Evaluate { model, split, images } => {
                print_json(&self.evaluate(model, *split, *images)?)
            }
            Work::Search { model } => print_json(&self.search(model)?),
            Work::Single { model } => print_json(&self.single(model)?),
            Work::Scaling(scaling) => scaling.run(&self.data.data),
        })
    }

    fn epoch(&self, loss: BenchLoss, batch_size: usize, epochs: u32) -> anyhow::Result<Value> {
        let data = self.data.load(Split::Train)?;
        let settings = loss.settings(&data, batch_size, epochs)?;
        let mut training = Training::new(settings, &data)?;
        let mut seconds = Vec::new();
        while !training.is_done() {
            let started = Instant::now();
            training.epoch(|_| ())?;
            seconds.push(started.elapsed().as_secs_f64());
        }
        Ok(json!({
            "images": data.len(),
            "batch_size": batch_size,
            "epoch_seconds": seconds,
            "data_bytes": data.pixels.len(),
            "peak_memory_bytes": peak_memory(),
        }))
    }

    fn evaluate(&self, path: &Path, split: Split, images: Option<u32>) -> anyhow::Result<Value> {
        let model = load_model(path)?;
        let started = Instant::now();
        let mut data = self.data.load_for(split, &model)?;
        if let Some(images) = images {
            let indices: Vec<u32> = (0..images.min(data.len() as u32)).collect();
            data = data.subset(&indices);
        }
        let loaded = started.elapsed().as_secs_f64();
        let embeddings = model.embed(&data);
        let embedded = started.elapsed().as_secs_f64();
        let options = Options { resamples: 0, ..Options::default() };
        let evaluation = retrieval::evaluate(embeddings.view(), &data.labels, &options)?;
        let all = started.elapsed().as_secs_f64();
        Ok(json!({
            "images": data.len(),
            "load_seconds": loaded,
            "embed_seconds": embedded - loaded,
            "metrics_seconds": all - embedded,
            "seconds": all,
            "mean_average_precision": evaluation.mean.average_precision,
            "peak_memory_bytes": peak_memory(),
        }))
    }

    fn search(&self, path: &Path) -> anyhow::Result<Value> {
        let model = load_model(path)?;
        let [gallery, queries] =
            [self.data.load_for(Split::Train, &model)?, self.data.load_for(Split::Test, &model)?]
                .map(|data| model.embed(&data));
        let started = Instant::now();
        let found = search(queries.view(), gallery.view(), 10, None);
        let seconds = started.elapsed().as_secs_f64();
        Ok(json!({
            "items": gallery.nrows(),
            "queries": found.len(),
            "k": 10,
            "seconds": seconds,
            "queries_per_second": found.len() as f64 / seconds,
        }))
    }

    fn single(&self, path: &Path) -> anyhow::Result<Value> {
        let bytes = AlignedBytes::read(path)?;
        let model = Model::<F32>::from_bytes(&bytes)?;
        let data = self.data.load_as(Split::Test, Some(model.network().input()))?;
        let mut workspace = vec![0.0; model.workspace_len()];
        let mut microseconds = Vec::new();
        for i in (0..data.len()).take(2200) {
            let started = Instant::now();
            model.embed(data.image(i), &mut workspace)?;
            microseconds.push(started.elapsed().as_secs_f64() * 1e6);
        }
        // The first ones warm caches and branch predictors.
        let counted = &mut microseconds[200.min(data.len() / 2)..];
        counted.sort_unstable_by(f64::total_cmp);
        Ok(json!({ "images": counted.len(), "median_microseconds": counted[counted.len() / 2] }))
    }
}

/// The most memory that this process has held so far, where Linux tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    kilobytes.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
