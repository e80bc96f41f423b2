//! `trainer export`: weights for PyTorch, files as source for firmware.

use std::path::{Path, PathBuf};

use clap::Args;
use lookalike_trainer::files::{FirmwareFile, Language, load_model, safetensors};
use lookalike_trainer::nn::Parameters;

use super::UsageError;
use super::console::note;

/// Write a model's weights for PyTorch, or a model or gallery as source code.
///
/// The ending of the file to write tells what is meant. `.safetensors` takes
/// the weights of an f32 model, as PyTorch's state dict. `.rs` and `.c` take a
/// model or gallery as an aligned array, for firmware that has no file system;
/// `.h` declares the array of the `.c` file and the sizes of buffers.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
                  trainer export digits.model --out weights.safetensors\n  \
                  trainer export digits.int8.model --out src/digits.rs\n  \
                  trainer export digits.gallery --out src/digits_gallery.c\n  \
                  trainer export digits.gallery --out src/digits_gallery.h")]
pub struct Export {
    /// The model or gallery file.
    file: PathBuf,
    /// The file to write, ending in `.safetensors`, `.rs`, `.c` or `.h`.
    #[arg(long, value_name = "FILE.safetensors|.rs|.c|.h")]
    out: PathBuf,
}

impl Export {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        match self.out.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => self.weights()?,
            Some("rs") => self.source(Language::Rust)?,
            Some("c") => self.source(Language::C)?,
            Some("h") => self.source(Language::CHeader)?,
            _ => {
                let out = self.out.display();
                let text = format!("--out {out} must end in .safetensors, .rs, .c or .h");
                return Err(UsageError(text).into());
            }
        }
        note!("wrote {}", self.out.display());
        Ok(())
    }

    fn weights(&self) -> anyhow::Result<()> {
        let model = load_model(&self.file)?;
        let Some(Parameters { network, values }) = model.float() else {
            anyhow::bail!(
                "{} is an int8 model, whose weights PyTorch would not take: export the f32 model \
                 that it was made of",
                self.file.display()
            );
        };
        Ok(safetensors::export(&self.out, network, values)?)
    }

    fn source(&self, language: Language) -> anyhow::Result<()> {
        let name = self.out.file_stem().map(Path::new).unwrap_or(&self.out).to_string_lossy();
        Ok(FirmwareFile::load(&self.file)?.write_source(&self.out, language, &name)?)
    }
}
