//! `trainer inspect`.

use std::path::PathBuf;

use clap::Args;
use lookalike::model::{int8_layer_bytes, layer_bytes};
use lookalike::{Acceptance, Network, Packing, Rule, Shape};
use lookalike_trainer::device::{Footprint, footprints, grouped};
use lookalike_trainer::files::{FirmwareFile, LoadedGallery, LoadedModel, Quantized};
use serde::Serialize;

use super::output::{print, print_json};

/// Show what a model or gallery file holds and what it takes on a device.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer inspect digits.model")]
pub struct Inspect {
    /// The file.
    file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A layer as it is written about: its output, parameters and work.
#[derive(Serialize)]
struct Layer {
    name: &'static str,
    output: String,
    parameters: usize,
    multiply_accumulates: u64,
    flash_bytes: usize,
}

#[derive(Serialize)]
struct ModelReport {
    kind: &'static str,
    version: u8,
    encoding: &'static str,
    /// How an int8 model's parameters are packed.
    packing: Option<&'static str>,
    /// What an int8 model makes other codes with.
    coder: Option<CoderReport>,
    fingerprint: String,
    input: String,
    classes: usize,
    class_names: Vec<String>,
    embedding_dimensions: usize,
    parameters: usize,
    multiply_accumulates: u64,
    /// When a thing counts as recognised, if that was calibrated.
    acceptance: Option<AcceptanceReport>,
    self_test_images: usize,
    /// The whole file, which is what a device keeps in flash.
    flash_bytes: u64,
    /// What a device needs in RAM to embed one image.
    workspace_bytes: usize,
    layers: Vec<Layer>,
    /// What embedding and searching take on measured boards.
    boards: Vec<Footprint>,
}

/// What makes the smaller codes.
#[derive(Serialize)]
struct CoderReport {
    /// Values of a projected embedding; 0 without a projection.
    projected_dimensions: usize,
    /// What binary codes are made by.
    bits: &'static str,
    flash_bytes: usize,
}

#[derive(Serialize)]
struct AcceptanceReport {
    threshold: f32,
    false_accept_rate: f32,
    rule: &'static str,
}

impl From<Acceptance> for AcceptanceReport {
    fn from(acceptance: Acceptance) -> Self {
        AcceptanceReport {
            threshold: acceptance.threshold,
            false_accept_rate: acceptance.false_accept_rate,
            rule: match acceptance.rule {
                Rule::NearestPrototype => "nearest prototype",
                _ => "nearest item",
            },
        }
    }
}

#[derive(Serialize)]
struct GalleryReport {
    kind: &'static str,
    version: u8,
    code: &'static str,
    model_fingerprint: String,
    items: usize,
    embedding_dimensions: usize,
    labels: Vec<LabelCount>,
    flash_bytes: u64,
}

#[derive(Serialize)]
struct LabelCount {
    label: String,
    items: usize,
}

impl Inspect {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        match FirmwareFile::load(&self.file)? {
            FirmwareFile::Gallery(gallery) => self.show(&gallery_report(&gallery), gallery_text),
            FirmwareFile::Model(model) => self.show(&model_report(&model), model_text),
        }
    }

    fn show<R: Serialize>(&self, report: &R, text: fn(&R) -> String) -> anyhow::Result<()> {
        if self.json { print_json(report) } else { print(&text(report)) }
    }
}

fn shape(shape: Shape) -> String {
    format!("{}x{}x{}", shape.height, shape.width, shape.channels)
}

fn packing_name(packing: Packing) -> &'static str {
    match packing {
        Packing::Compact => "compact",
        Packing::Fast => "fast",
    }
}

fn coder_report(quantized: &Quantized) -> Option<CoderReport> {
    let coder = &quantized.coder;
    (!coder.is_empty()).then(|| CoderReport {
        projected_dimensions: coder.offsets.len(),
        bits: if coder.thresholds.is_empty() { "projection" } else { "thresholds" },
        flash_bytes: 2 * coder.thresholds.len() + coder.weights.len() + 4 * coder.offsets.len(),
    })
}

fn layers(network: &Network, packing: Option<Packing>) -> Vec<Layer> {
    let tensors = network.tensors();
    let work = network.multiply_accumulates();
    let grid = network.grid();
    let pooled = Shape { height: grid, width: grid, channels: network.widths()[2] };
    let outputs = [
        ("convolution 1, ReLU, max-pool", shape(network.pool1())),
        ("convolution 2, ReLU, max-pool", shape(network.pool2())),
        ("convolution 3, ReLU, average-pool", shape(pooled)),
        ("classifier", network.classes().to_string()),
    ];
    let layer = |(i, (name, output)): (usize, (&'static str, String))| {
        let parameters = tensors[2 * i].len() + tensors[2 * i + 1].len();
        Layer {
            name,
            output,
            parameters,
            multiply_accumulates: work[i],
            flash_bytes: match packing {
                None => layer_bytes(network)[i],
                Some(packing) => int8_layer_bytes(network, packing)[i],
            },
        }
    };
    let count = if network.classes() > 0 { 4 } else { 3 };
    outputs.into_iter().take(count).enumerate().map(layer).collect()
}

fn model_report(model: &LoadedModel) -> ModelReport {
    let flash_bytes = model.file().len() as u64;
    let network = &model.network;
    let packing = model.quantized().map(|quantized| quantized.packing);
    ModelReport {
        kind: "model",
        version: 1,
        encoding: if packing.is_some() { "int8" } else { "f32" },
        packing: packing.map(packing_name),
        coder: model.quantized().and_then(coder_report),
        fingerprint: format!("{:08x}", model.fingerprint),
        input: shape(network.input()),
        classes: network.classes(),
        class_names: model.class_names.clone(),
        acceptance: model.acceptance.map(AcceptanceReport::from),
        self_test_images: model.self_test_images.len() / network.input().len(),
        embedding_dimensions: network.embedding_len(),
        parameters: network.parameters(),
        multiply_accumulates: network.multiply_accumulates().iter().sum(),
        flash_bytes,
        workspace_bytes: match packing {
            None => network.workspace_bytes(),
            Some(packing) => network.int8_workspace_bytes(packing),
        },
        layers: layers(network, packing),
        boards: footprints(network, packing, flash_bytes),
    }
}

fn gallery_report(gallery: &LoadedGallery) -> GalleryReport {
    let mut labels: Vec<LabelCount> = Vec::new();
    for label in gallery.labels() {
        match labels.iter_mut().find(|l| l.label == *label) {
            Some(count) => count.items += 1,
            None => labels.push(LabelCount { label: label.clone(), items: 1 }),
        }
    }
    GalleryReport {
        kind: "gallery",
        version: 1,
        code: gallery.code().name(),
        model_fingerprint: format!("{:08x}", gallery.fingerprint()),
        items: gallery.labels().len(),
        embedding_dimensions: gallery.dimension(),
        labels,
        flash_bytes: gallery.file().len() as u64,
    }
}

fn model_text(report: &ModelReport) -> String {
    let mut text = format!(
        "model, version {}, {} parameters as {}, fingerprint {}\n\
         input {} (height x width x channels), embedding of {} dimensions, {} classes\n\
         {} multiply-accumulates an image\n\
         on a device: {} bytes of flash (the file), {} bytes of RAM as workspace\n\n",
        report.version,
        grouped(report.parameters as u64),
        match report.packing {
            Some(packing) => format!("{}, packed {packing}", report.encoding),
            None => report.encoding.to_owned(),
        },
        report.fingerprint,
        report.input,
        report.embedding_dimensions,
        report.classes,
        grouped(report.multiply_accumulates),
        grouped(report.flash_bytes),
        grouped(report.workspace_bytes as u64),
    );
    if !report.class_names.is_empty() {
        text += &format!("classes: {}\n\n", report.class_names.join(", "));
    }
    if let Some(coder) = &report.coder {
        text += &format!(
            "coder of {} bytes: projection to {} values, binary codes by {}\n\n",
            grouped(coder.flash_bytes as u64),
            coder.projected_dimensions,
            coder.bits,
        );
    }
    if let Some(a) = &report.acceptance {
        text += &format!(
            "accepts up to squared distance {} to the {}, calibrated for a false-accept rate of {}\n\n",
            a.threshold, a.rule, a.false_accept_rate
        );
    }
    text += &format!(
        "{:<34} {:>10} {:>11} {:>12} {:>12}\n",
        "layer", "output", "parameters", "multiply-acc", "flash bytes"
    );
    for layer in &report.layers {
        text += &format!(
            "{:<34} {:>10} {:>11} {:>12} {:>12}\n",
            layer.name,
            layer.output,
            grouped(layer.parameters as u64),
            grouped(layer.multiply_accumulates),
            grouped(layer.flash_bytes as u64),
        );
    }
    if report.boards.is_empty() {
        return text;
    }
    text += &format!(
        "\n{:<12} {:<16} {:>12} {:>11} {:>11} {:>12}\n",
        "board", "processor", "flash bytes", "of it code", "static RAM", "stack bytes"
    );
    for board in &report.boards {
        text += &format!(
            "{:<12} {:<16} {:>12} {:>11} {:>11} {:>12}\n",
            board.board,
            board.processor,
            grouped(board.flash_bytes),
            grouped(board.code_bytes),
            grouped(board.static_ram_bytes),
            grouped(board.stack_bytes),
        );
    }
    text += "Code and stack are measured with the example firmware, within 1 %; a gallery comes on top.\n";
    text
}

fn gallery_text(report: &GalleryReport) -> String {
    let mut text = format!(
        "gallery, version {}, {} items as {}, embeddings of {} dimensions\n\
         made by the model with fingerprint {}; {} bytes of flash\n\n",
        report.version,
        grouped(report.items as u64),
        report.code,
        report.embedding_dimensions,
        report.model_fingerprint,
        grouped(report.flash_bytes),
    );
    for count in &report.labels {
        text += &format!("{:>8}  {}\n", count.items, count.label);
    }
    text
}
