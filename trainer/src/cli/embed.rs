//! `trainer embed`.

use std::path::PathBuf;

use clap::Args;
use lookalike_trainer::data::Split;
use lookalike_trainer::files::{EmbeddingTable, TableFormat, labels_path, load_model};

use super::UsageError;
use super::console::note;
use super::options::{DataOptions, ThreadOptions};

/// Write embeddings and labels for other tools.
///
/// The ending of the file tells the format. `.npy`: the embeddings, float32
/// `[N, D]`, with the labels, int64 `[N]`, in `FILE.labels.npy`. `.parquet`: a
/// row an image of `id`, `label`, `class_name`, `split` and `embedding`, which
/// LanceDB, DuckDB, Spark and others read. `.pgcopy`: the binary `COPY` format
/// of PostgreSQL with pgvector, without the split. `.safetensors`: tensors
/// `embeddings` and `labels`.
///
/// An `id` is the number of an item in a gallery of the same images.
#[derive(Args)]
#[command(after_help = "Examples:\n  trainer embed digits.model --out test.npy --split test\n  \
                  trainer embed digits.model --out train.parquet --split train --per-class 1000")]
pub struct Embed {
    /// The model file.
    model: PathBuf,
    /// The file to write, ending in `.npy`, `.parquet`, `.pgcopy` or `.safetensors`.
    #[arg(long, value_name = "FILE.npy|.parquet|.pgcopy|.safetensors")]
    out: PathBuf,
    #[command(flatten)]
    data: DataOptions,
    /// Which part of the data.
    #[arg(long, value_enum, value_name = "S", default_value = "test")]
    split: Split,
    /// Only the first N images of each class; all if left out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    per_class: Option<u32>,
    #[command(flatten)]
    threads: ThreadOptions,
}

impl Embed {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let format = self.format()?;
        self.threads.run(|| {
            let model = load_model(&self.model)?;
            let mut data = self.data.load_for(self.split, &model)?;
            if let Some(count) = self.per_class {
                data = data.first_per_class(count as usize);
            }
            let model_name = &self.model.file_stem().unwrap_or_default().to_string_lossy();
            let table =
                EmbeddingTable { model: &model, model_name, data: &data, split: self.split };
            table.write(&self.out, format)?;
            let out = self.out.display();
            match format {
                TableFormat::Npy => note!("wrote {out} and {}", labels_path(&self.out).display()),
                TableFormat::PgCopy => note!(
                    "wrote {out}, for a table (id bigint, label integer, class_name text, \
                     embedding vector({}))",
                    model.network.embedding_len()
                ),
                _ => note!("wrote {out}"),
            }
            Ok(())
        })
    }

    fn format(&self) -> Result<TableFormat, UsageError> {
        let extension = self.out.extension().unwrap_or_default();
        TableFormat::of_extension(extension).ok_or_else(|| {
            let out = self.out.display();
            UsageError(match extension.to_str() {
                Some("parquet") => format!(
                    "--out {out}: this program was built without Parquet; build it with the \
                     cargo feature `parquet`"
                ),
                _ => format!("--out {out} must end in .npy, .parquet, .pgcopy or .safetensors"),
            })
        })
    }
}
