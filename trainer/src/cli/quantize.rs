//! `trainer quantize`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use lookalike::Packing;
use lookalike_trainer::data::Split;
use lookalike_trainer::files::{load_model, save_model};
use lookalike_trainer::quantize::coder::{Bits, CodeTrial, MAX_OUTPUTS, Projection};
use lookalike_trainer::quantize::{self, Calibration, Options, Report, Trial};
use lookalike_trainer::retrieval::codes::CodeFigures;

use super::UsageError;
use super::console::{note, spinner};
use super::options::{DataOptions, ThreadOptions};
use super::output::{print, print_json};

/// Turn an f32 model into an int8 one, which needs no FPU and a quarter of the flash.
///
/// Ranges of activations come from training images. What was tried is compared
/// on other training images, never on the test split: `trainer codes` and
/// `trainer evaluate` measure there. The model also gets what makes the smaller
/// codes of its embeddings. An acceptance threshold is not taken over: run
/// `trainer calibrate` on the int8 model.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer quantize digits.model --out digits.int8.model")]
pub struct Quantize {
    /// The f32 model file.
    model: PathBuf,
    /// The int8 model file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    data: DataOptions,
    /// How the parameters are packed; the embeddings are the same.
    #[arg(long, value_enum, value_name = "P", default_value = "fast")]
    packing: PackingName,
    /// How ranges of activations are found; all are tried if left out. What has
    /// the best signal-to-noise ratio is used.
    #[arg(long, value_enum, value_name = "C")]
    calibration: Option<Calibration>,
    /// Training images to calibrate on.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    calibration_images: u32,
    /// Values of projected embeddings, at most 256; 0 for no projection.
    #[arg(long, value_name = "P", default_value_t = 32)]
    project: usize,
    /// Where the choice of images comes from.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    threads: ThreadOptions,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum PackingName {
    /// Direct convolution: the least flash and RAM.
    Compact,
    /// Winograd's convolution: the fewest instructions.
    Fast,
}

impl From<PackingName> for Packing {
    fn from(name: PackingName) -> Packing {
        match name {
            PackingName::Compact => Packing::Compact,
            PackingName::Fast => Packing::Fast,
        }
    }
}

impl Quantize {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        check_outputs(self.project)?;
        self.threads.run(|| {
            let model = load_model(&self.model)?;
            let train = self.data.load_for(Split::Train, &model)?;
            let options = Options {
                calibration: self.calibration,
                calibration_images: self.calibration_images as usize,
                outputs: self.project,
                seed: self.seed,
                ..Options::default()
            };
            let bar = spinner("quantising");
            let quantized = quantize::quantize(&model, &train, self.packing.into(), &options);
            bar.finish_and_clear();
            let (quantized, report) = quantized?;
            save_model(&self.out, &quantized.as_new())?;
            note!("wrote {}", self.out.display());
            if self.json { print_json(&report) } else { print(&text(&report)) }
        })
    }
}

/// Fails for more values than a projection can have.
pub fn check_outputs(outputs: usize) -> Result<(), UsageError> {
    if outputs <= MAX_OUTPUTS {
        return Ok(());
    }
    Err(UsageError(format!("--project {outputs} is more than {MAX_OUTPUTS}")))
}

fn decibels(snr: Option<f64>) -> String {
    snr.map_or_else(|| "exact".into(), |snr| format!("{snr:.1}"))
}

/// mAP, MAP@R, precision@1, recall@10.
fn figures(figures: Option<CodeFigures>) -> String {
    let Some(f) = figures else { return format!("{:>8} {:>8} {:>8} {:>8}", "-", "-", "-", "-") };
    format!(
        "{:>8.4} {:>8.4} {:>8.4} {:>8.4}",
        f.mean_average_precision, f.map_at_r, f.precision_at_1, f.recall_at_10
    )
}

fn trial_name(trial: &Trial) -> String {
    let recipe = &trial.recipe;
    let mut name = format!("range by {}", recipe.calibration.name());
    if !recipe.correct_biases {
        name += ", no bias correction";
    }
    if !recipe.clip_weights {
        name += ", no weight clipped";
    }
    if recipe.equalization != 0.0 {
        name += &format!(", equalisation {}", recipe.equalization);
    }
    name
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "calibrated on {} training images, compared on {} others; the first is used\n\n",
        report.calibration_images, report.validation_images
    );
    text += &format!("{:<58} {:>6} {}\n", "", "SNR dB", HEADINGS);
    text += &format!("{:<58} {:>6} {}\n", "f32", "", figures(report.float));
    for trial in &report.trials {
        text += &format!(
            "{:<58} {:>6} {}\n",
            trial_name(trial),
            decibels(trial.snr),
            figures(trial.figures)
        );
    }
    text += &format!(
        "\n{:<15} {:>12} {:>12} {:>12} {:>10}\n",
        "layer", "SNR dB", "of its own", "step", "saturated"
    );
    for layer in &report.layers {
        text += &format!(
            "{:<15} {:>12} {:>12} {:>12.6} {:>9.4}%\n",
            layer.layer,
            decibels(layer.snr),
            decibels(layer.own_snr),
            layer.scale,
            100.0 * layer.saturated
        );
    }
    text += &format!("\n{:<65} {}\n", "codes, the first of each kind is used", HEADINGS);
    for trial in &report.coder.projections {
        text += &format!("{:<65} {}\n", projection_name(trial), figures(trial.figures));
    }
    for trial in &report.coder.bits {
        text += &format!("{:<65} {}\n", bits_name(trial), figures(trial.figures));
    }
    text += "\nSNR is the signal-to-noise ratio against the f32 network: of the normalised\n\
             embedding above, of each layer's output below, with all layers before it\n\
             quantised and with only its own input rounded. recall@10 is the share of the 10\n\
             nearest images by exact f32 distances that are among the 10 nearest.\n";
    text
}

const HEADINGS: &str = "     mAP    MAP@R    prec@1 recall@10";

fn projection_name(trial: &CodeTrial<Projection>) -> String {
    let Projection { centred, whitening } = trial.choice;
    let centred = if centred { "centred" } else { "not centred" };
    format!("projected: {centred}, whitening {whitening}")
}

fn bits_name(trial: &CodeTrial<Bits>) -> String {
    match trial.choice {
        Bits::Median => "binary: above the median".into(),
        Bits::Mean { deviations: 0.0 } => "binary: above the mean".into(),
        Bits::Mean { deviations } => {
            format!("binary: above the mean and {deviations} standard deviations")
        }
        Bits::Projection => "binary: sides of hyperplanes of the projection".into(),
    }
}
