//! `trainer import`: PyTorch's weights.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use lookalike_trainer::files::safetensors::{self, ImportOptions};
use lookalike_trainer::files::{NewModel, NewParameters, save_model, self_test_noise};
use lookalike_trainer::nn::Parameters;

use super::console::note;

/// Make a model file of weights that PyTorch trained.
///
/// The file must have the names and layouts of a PyTorch `Sequential` state
/// dict: `0`, `3` and `6` the convolutions, `10` the classifier, which may be
/// missing.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer import weights.safetensors --out digits.model")]
pub struct Import {
    /// The weights.
    weights: PathBuf,
    /// The model file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Height and width of the input image, which weights do not tell.
    #[arg(long, value_name = "HxW", default_value = "28x28")]
    input: Side,
    /// Side of the average-pooling grid, needed only without a classifier.
    #[arg(long, value_name = "G")]
    grid: Option<u16>,
}

/// Height and width.
#[derive(Clone, Copy, Debug)]
struct Side(u16, u16);

impl FromStr for Side {
    type Err = &'static str;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let parse = |(h, w): (&str, &str)| Some(Side(h.parse().ok()?, w.parse().ok()?));
        s.split_once('x').and_then(parse).ok_or("expected height x width, for example 28x28")
    }
}

impl Import {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let Side(height, width) = self.input;
        let options = ImportOptions { input: (height, width), grid: self.grid };
        let (network, values) = safetensors::import(&self.weights, options)?;
        let parameters = Parameters { network, values };
        let classes = 0..network.classes();
        let names: Vec<String> = classes.map(|class| class.to_string()).collect();
        let new = NewModel {
            parameters: NewParameters::F32(&parameters),
            class_names: &names,
            acceptance: None,
            self_test_images: &self_test_noise(network.input()),
        };
        save_model(&self.out, &new)?;
        note!("wrote {}", self.out.display());
        Ok(())
    }
}
