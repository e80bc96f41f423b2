//! `trainer gallery`.

use std::path::PathBuf;

use clap::Args;
use lookalike_trainer::data::Split;
use lookalike_trainer::files::{CodeKind, load_model, save_gallery};

use super::console::note;
use super::options::{DataOptions, ThreadOptions};

/// Embed images and write a gallery that firmware or `trainer search` searches.
#[derive(Args)]
#[command(
    after_help = "Example:\n  trainer gallery digits.model --out digits.gallery --per-class 20"
)]
pub struct Gallery {
    /// The model file.
    model: PathBuf,
    /// The gallery file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    data: DataOptions,
    /// Which part of the data.
    #[arg(long, value_enum, value_name = "S", default_value = "train")]
    split: Split,
    /// Leave out the images of these classes, by name or number.
    #[arg(long, value_name = "a,b", value_delimiter = ',')]
    exclude_classes: Vec<String>,
    /// Only the first N images of each class; all if left out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    per_class: Option<u32>,
    /// The code of the embeddings; that of the model, f32 or u8, if left out.
    /// An f32 model makes f32 and u8, an int8 model all but f32.
    #[arg(long, value_enum, value_name = "C")]
    code: Option<CodeKind>,
    #[command(flatten)]
    threads: ThreadOptions,
}

impl Gallery {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        self.threads.run(|| {
            let model = load_model(&self.model)?;
            let mut data = self.data.load_for(self.split, &model)?;
            if !self.exclude_classes.is_empty() {
                data = data.filter_classes(&[], &data.class_numbers(&self.exclude_classes)?)?;
            }
            if let Some(count) = self.per_class {
                data = data.first_per_class(count as usize);
            }
            let code = self.code.unwrap_or(model.code());
            save_gallery(&self.out, &model, &data, code)?;
            let (items, code) = (data.len(), code.name());
            note!("wrote {items} items as {code} to {}", self.out.display());
            Ok(())
        })
    }
}
