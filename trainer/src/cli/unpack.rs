//! `trainer unpack`.

use std::path::PathBuf;

use clap::Args;
use lookalike_trainer::data::Split;
use lookalike_trainer::files::write_folders;

use super::UsageError;
use super::console::note;
use super::options::{DataOptions, ThreadOptions};

/// Write a data set as pictures, one folder a class.
///
/// DIR gets the folders `train` and `test`, these one folder for each class,
/// and these the images as PNG: to look at, to add to, and to take as a start
/// for data of one's own.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer unpack --data mnist --per-class 100 --out digits")]
pub struct Unpack {
    #[command(flatten)]
    data: DataOptions,
    /// The directory to make.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only the first N training and N test images of each class; all if left out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    per_class: Option<u32>,
    /// Names for the classes, in the order of their numbers; as the data names
    /// them if left out.
    #[arg(long, value_name = "a,b", value_delimiter = ',')]
    class_names: Vec<String>,
    #[command(flatten)]
    threads: ThreadOptions,
}

impl Unpack {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        self.threads.run(|| {
            let mut splits = Vec::new();
            for split in [Split::Train, Split::Test] {
                let mut data = self.data.load(split)?;
                if let Some(count) = self.per_class {
                    data = data.first_per_class(count as usize);
                }
                if !self.class_names.is_empty() {
                    let (given, classes) = (self.class_names.len(), data.class_count());
                    if given != classes {
                        let text = format!("--class-names has {given} names for {classes} classes");
                        return Err(UsageError(text).into());
                    }
                    data.class_names.clone_from(&self.class_names);
                }
                splits.push((split, data));
            }
            let images = write_folders(&self.out, &splits)?;
            note!("wrote {images} pictures to {}", self.out.display());
            Ok(())
        })
    }
}
