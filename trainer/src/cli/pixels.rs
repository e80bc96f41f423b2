//! `trainer pixels`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use lookalike_trainer::data::Split;
use lookalike_trainer::files::{load_model, write_together};

use super::console::note;
use super::options::{DataOptions, ThreadOptions};

/// Write images as the bytes that firmware gives to a model.
///
/// FILE gets the images one after another, each height x width x channels
/// bytes; FILE.labels the name of each one's class, a line each. Firmware is
/// tested with what its camera would deliver.
#[derive(Args)]
#[command(
    after_help = "Example:\n  trainer pixels cups.model --data photos --per-class 5 --out cups.images"
)]
pub struct Pixels {
    /// The model file, which says how large the images are.
    model: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
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

impl Pixels {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        self.threads.run(|| {
            let model = load_model(&self.model)?;
            let mut data = self.data.load_for(self.split, &model)?;
            if let Some(count) = self.per_class {
                data = data.first_per_class(count as usize);
            }
            let name = |&label: &u16| format!("{}\n", data.class_names[usize::from(label)]);
            let labels: String = data.labels.iter().map(name).collect();
            let labels_out = labels_path(&self.out);
            write_together([
                (&self.out, Box::new(|writer| writer.write_all(&data.pixels))),
                (&labels_out, Box::new(|writer| writer.write_all(labels.as_bytes()))),
            ])?;
            let (images, out) = (data.len(), self.out.display());
            note!("wrote {images} images to {out} and {}", labels_out.display());
            Ok(())
        })
    }
}

fn labels_path(out: &Path) -> PathBuf {
    let mut path = OsString::from(out);
    path.push(".labels");
    path.into()
}
