//! `trainer embed`.

use std::path::{Path, PathBuf};

use clap::Args;
use lookalike_trainer::data::Split;
use lookalike_trainer::files::{load_model, write_npy};
use ndarray::Array1;

use super::UsageError;
use super::console::note;
use super::options::{DataOptions, ThreadOptions, check_shape};

/// Write embeddings and labels for other tools.
///
/// `FILE.npy` gets the embeddings, float32 `[N, D]`; `FILE.labels.npy` the
/// labels, int64 `[N]`.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer embed digits.model --out test.npy --split test\n  \
                  python3 -c \"import numpy; print(numpy.load('test.npy').shape)\"")]
pub struct Embed {
    /// The model file.
    model: PathBuf,
    /// The file to write, ending in `.npy`.
    #[arg(long, value_name = "FILE.npy")]
    out: PathBuf,
    #[command(flatten)]
    data: DataOptions,
    /// Which part of the data.
    #[arg(long, value_enum, value_name = "S", default_value = "test")]
    split: Split,
    #[command(flatten)]
    threads: ThreadOptions,
}

impl Embed {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        if self.out.extension().is_none_or(|e| e != "npy") {
            return Err(UsageError(format!("--out {} must end in .npy", self.out.display())).into());
        }
        self.threads.run(|| {
            let model = load_model(&self.model)?;
            let data = self.data.load(self.split)?;
            check_shape(&model, &data, &self.data.data)?;
            let embeddings = model.embed(&data);
            let labels: Array1<i64> = data.labels.iter().map(|&l| i64::from(l)).collect();
            write_npy(&self.out, &embeddings)?;
            let labels_out = labels_path(&self.out);
            write_npy(&labels_out, &labels)?;
            note!("wrote {} and {}", self.out.display(), labels_out.display());
            Ok(())
        })
    }
}

fn labels_path(out: &Path) -> PathBuf {
    out.with_extension("labels.npy")
}
