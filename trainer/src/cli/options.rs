//! Options that several commands share.

use std::num::NonZeroUsize;

use anyhow::Context;
use clap::Args;
use lookalike::Shape;
use lookalike_trainer::data::{
    DataError, Dataset, LoadOptions, Loaded, Source, Split, TestFraction,
};
use lookalike_trainer::files::LoadedModel;

use super::UsageError;
use super::console::print_line;

/// Which images.
#[derive(Args, Clone, Debug)]
pub struct DataOptions {
    /// `mnist`, built in; a directory of IDX files (gzipped or not); or one
    /// with a folder of pictures (PNG, JPEG, BMP) for each class.
    ///
    /// The folders of classes may lie in folders `train` and `test`. The middle
    /// of each picture is scaled to the network's input.
    #[arg(long, value_name = "D", default_value = "mnist", global = true)]
    pub data: Source,
    /// The share of each class's pictures for testing, where no folders `train`
    /// and `test` divide them: from 0 to below 1 [default: 0.2].
    ///
    /// Which pictures these are depends on their names alone: give the same
    /// share to all commands.
    #[arg(long, value_name = "F", global = true)]
    test_fraction: Option<TestFraction>,
    /// Leave out files among the pictures that cannot be read; each is listed.
    #[arg(long, global = true)]
    skip_unreadable: bool,
}

impl DataOptions {
    /// Loads one split as images of the shape that the data has or suggests.
    pub fn load(&self, split: Split) -> anyhow::Result<Dataset> {
        self.load_as(split, None)
    }

    /// Loads one split as images of a shape, or of the data's own.
    pub fn load_as(&self, split: Split, input: Option<Shape>) -> anyhow::Result<Dataset> {
        self.load_with(split, input, &[])
    }

    /// Loads one split as the input of a model, with the model's numbers of classes.
    pub fn load_for(&self, split: Split, model: &LoadedModel) -> anyhow::Result<Dataset> {
        // Without a name for each class, as of imported weights, numbers decide.
        self.load_with(split, Some(model.network.input()), &model.class_names)
    }

    /// Loads those images of a split that are of the classes `only`, of all if
    /// there is none: as the input of a model, if one is given.
    pub fn load_only(
        &self,
        split: Split,
        model: Option<&LoadedModel>,
        only: &[String],
    ) -> anyhow::Result<Dataset> {
        let data = match model {
            Some(model) => self.load_for(split, model)?,
            None => self.load(split)?,
        };
        Ok(match only {
            [] => data,
            only => data.filter_classes(&data.class_numbers(only)?, &[])?,
        })
    }

    fn load_with(
        &self,
        split: Split,
        input: Option<Shape>,
        class_names: &[String],
    ) -> anyhow::Result<Dataset> {
        let options = LoadOptions {
            input,
            class_names,
            test_fraction: self.test_fraction,
            skip_unreadable: self.skip_unreadable,
        };
        let Loaded { dataset, skipped } = self.data.load_with(split, &options)?;
        for problem in &skipped {
            print_line(format_args!("skipped {problem}"));
        }
        Ok(dataset)
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

/// Fails unless images of `data` can go through the network and its classes are
/// the model's, as they are after [`DataOptions::load_for`] this model.
pub fn check_model(model: &LoadedModel, data: &Dataset, source: &Source) -> anyhow::Result<()> {
    let (have, want) = (data.shape, model.network.input());
    if have != want {
        return Err(DataError::Shape { data: source.to_string(), have, want }.into());
    }
    anyhow::ensure!(
        data.class_names.iter().zip(&model.class_names).all(|(have, want)| have == want),
        "the classes of {source} are {}, the model's are {}: evaluate it by itself",
        data.class_names.join(", "),
        model.class_names.join(", ")
    );
    Ok(())
}
