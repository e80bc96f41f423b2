//! `trainer codes`.

use std::path::{Path, PathBuf};

use clap::Args;
use lookalike::{Packing, TwoStage};
use lookalike_trainer::data::{Dataset, Split};
use lookalike_trainer::files::{CodeKind, LoadedModel, load_model};
use lookalike_trainer::quantize::table::{CodeTable, measure};
use lookalike_trainer::quantize::{self, Options};

use super::UsageError;
use super::console::spinner;
use super::options::{DataOptions, ThreadOptions};
use super::output::{print, print_json};
use super::quantize::check_outputs;

/// Compare what each code of embeddings costs in bytes and in retrieval.
///
/// Every image of the split searches all others: with f32 embeddings of the f32
/// model, and with each code of the int8 model, by the distances that a device
/// computes. A two-stage search ranks a shortlist by Hamming distance with u8;
/// behind the shortlist its ranking goes on by Hamming distance.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer codes digits.model --int8 digits.int8.model")]
pub struct Codes {
    /// The f32 model file.
    model: PathBuf,
    /// The int8 model that was made of it; it is quantised anew if left out.
    #[arg(long, value_name = "FILE")]
    int8: Option<PathBuf>,
    #[command(flatten)]
    data: DataOptions,
    /// Which part of the data searches itself.
    #[arg(long, value_enum, value_name = "S", default_value = "test")]
    split: Split,
    /// Values of projected embeddings, at most 256; the first projection makes
    /// the binary codes as well, unless a model is given: then its own does.
    #[arg(long, value_name = "P,..", value_delimiter = ',', default_value = "32,64")]
    project: Vec<usize>,
    /// Items that the two-stage search ranks.
    #[arg(long, value_name = "N", default_value_t = TwoStage::SHORTLIST)]
    shortlist: usize,
    /// Where random numbers come from.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    threads: ThreadOptions,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Codes {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        self.project.iter().try_for_each(|&outputs| check_outputs(outputs))?;
        self.threads.run(|| {
            let model = load_model(&self.model)?;
            let train = self.data.load_for(Split::Train, &model)?;
            let items = self.data.load_for(self.split, &model)?;
            let bar = spinner("quantising");
            let options = Options {
                outputs: self.project.first().copied().unwrap_or(0),
                seed: self.seed,
                ..Options::default()
            };
            let int8 = int8_of(&model, self.int8.as_deref(), &train, &options)?;
            bar.set_message(format!("measuring {} images", items.len()));
            let table =
                measure(&model, &int8, &train, &items, (&self.project, self.shortlist, self.seed));
            bar.finish_and_clear();
            let table = table?;
            if self.json { print_json(&table) } else { print(&text(&table)) }
        })
    }
}

/// The int8 model in the file, or else made of the f32 `model` as `options` say.
pub fn int8_of(
    model: &LoadedModel,
    path: Option<&Path>,
    train: &Dataset,
    options: &Options,
) -> anyhow::Result<LoadedModel> {
    let int8 = match path {
        Some(path) => load_model(path)?,
        None => quantize::quantize(model, train, Packing::Fast, options)?.0,
    };
    if int8.code() != CodeKind::U8 || int8.network != model.network {
        let text = "--int8 takes the int8 model that was made of the f32 model";
        return Err(UsageError(text.into()).into());
    }
    Ok(int8)
}

/// The table for a terminal, and what its columns mean.
pub fn text(table: &CodeTable) -> String {
    let mut text = format!(
        "{} images, each searching all others\n\n{:<34} {:>5}  {:<22} {:>7}         {:>7}         {:>9} {:>10}\n",
        table.images, "code", "bytes", "against", "mAP", "prec@1", "MAP@R", "recall@10"
    );
    for row in &table.rows {
        let drop = |drop: Option<f64>| match drop {
            // As a change, so that better is more.
            Some(drop) => format!("{:+.4}", -drop),
            None => String::new(),
        };
        text += &format!(
            "{:<34} {:>5}  {:<22} {:>7.4} {:>7} {:>7.4} {:>7} {:>9.4} {:>10.4}\n",
            row.code,
            row.bytes_per_item,
            row.against.as_deref().unwrap_or(""),
            row.figures.mean_average_precision,
            drop(row.map_drop),
            row.figures.precision_at_1,
            drop(row.precision_drop),
            row.figures.map_at_r,
            row.figures.recall_at_10,
        );
    }
    text += "\nBeside mAP and precision@1 is the change against the row named. recall@10 is the share\n\
             of the 10 nearest by exact f32 distances that are among the 10 nearest of the code.\n";
    text
}
