//! Options that several commands share.

use std::num::NonZeroUsize;

use anyhow::Context;
use clap::Args;
use lookalike_trainer::data::{Dataset, Source, Split};
use lookalike_trainer::files::LoadedModel;

use super::UsageError;

/// Which images.
#[derive(Args, Clone, Debug)]
pub struct DataOptions {
    /// `mnist`, built in, or a directory of IDX files (gzipped or not).
    #[arg(long, value_name = "D", default_value = "mnist", global = true)]
    pub data: Source,
}

impl DataOptions {
    /// Loads one split.
    pub fn load(&self, split: Split) -> anyhow::Result<Dataset> {
        Ok(self.data.load(split)?)
    }
}

/// How much of the machine to use.
#[derive(Args, Clone, Copy, Debug)]
pub struct ThreadOptions {
    /// Threads to use; all cores if left out. The results do not depend on it.
    #[arg(long, value_name = "T", global = true)]
    threads: Option<NonZeroUsize>,
}

impl ThreadOptions {
    /// Runs `work` on that many threads.
    pub fn run<R: Send>(
        self,
        work: impl FnOnce() -> anyhow::Result<R> + Send,
    ) -> anyhow::Result<R> {
        let threads = self.threads.map_or(0, NonZeroUsize::get);
        if threads > 1024 {
            return Err(UsageError(format!("--threads {threads} is more than 1024")).into());
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .context("cannot start the threads")?
            .install(work)
    }
}

/// Fails unless images of `data` can go through the network.
pub fn check_shape(model: &LoadedModel, data: &Dataset, source: &Source) -> anyhow::Result<()> {
    let (have, want) = (data.shape, model.network.input());
    if have == want {
        return Ok(());
    }
    anyhow::bail!(
        "the images of {source} are {}x{}x{} (height x width x channels), the model's input is \
         {}x{}x{}: use the data that the model was trained on, or train a model on this data",
        have.height,
        have.width,
        have.channels,
        want.height,
        want.width,
        want.channels
    )
}
