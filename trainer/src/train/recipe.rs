//! Settings that were chosen by measurement, under a name.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::Options;

/// A named set of options; `docs/training.md` says what each is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// Retrieval among the classes that were trained on.
    Best,
    /// Retrieval among classes never seen.
    OpenSet,
}

impl Recipe {
    /// What the recipe says, as TOML.
    pub fn toml(self) -> &'static str {
        match self {
            Recipe::Best => include_str!("recipes/best.toml"),
            Recipe::OpenSet => include_str!("recipes/open-set.toml"),
        }
    }

    /// Its options.
    pub fn options(self) -> Options {
        Options::from_toml(self.toml(), "recipe").expect("a recipe is valid")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Source, Split};

    #[test]
    fn recipes_make_settings() {
        let data = Source::Mnist.load(Split::Test).unwrap();
        for recipe in Recipe::value_variants() {
            let options = recipe.options();
            options.settings(&data).unwrap().check().unwrap();
            assert_eq!(Options::from_toml(&options.to_toml(), "").unwrap(), options);
        }
    }
}
