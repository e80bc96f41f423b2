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
    use crate::data::{Sampler, Source, Split};
    use crate::train::Objective;

    #[test]
    fn recipes_make_settings() {
        let data = Source::Mnist.load(Split::Test).unwrap();
        for recipe in Recipe::value_variants() {
            let options = recipe.options();
            options.settings(&data).unwrap().check().unwrap();
            assert_eq!(Options::from_toml(&options.to_toml(), "").unwrap(), options);
        }
    }

    #[test]
    fn another_loss_does_without_what_belongs_to_the_recipe_s() {
        let data = Source::Mnist.load(Split::Test).unwrap();
        let over = |toml, recipe: Recipe| {
            let options = Options::from_toml(toml, "").unwrap().over(&recipe.options());
            (options.clone(), options.settings(&data).unwrap().objective)
        };
        let (options, objective) = over("loss = ['cross-entropy']", Recipe::Best);
        assert_eq!((options.pair_weight, options.lr), (None, Recipe::Best.options().lr));
        assert_eq!(objective, Objective::CROSS_ENTROPY);
        let (options, _) = over("loss = ['cross-entropy', 'smooth-ap']", Recipe::Best);
        assert_eq!(options.pair_weight, Recipe::Best.options().pair_weight);
        let (options, _) = over("loss = ['cross-entropy']", Recipe::OpenSet);
        assert_eq!((options.cosine_scale, options.mixup), (None, Some(true)));
    }

    #[test]
    fn another_way_to_make_batches_does_without_the_recipe_s() {
        let data = Source::Mnist.load(Split::Test).unwrap();
        let sampler = |toml, base: &Options| {
            let options = Options::from_toml(toml, "").unwrap().over(base);
            options.settings(&data).map(|settings| settings.sampler)
        };
        let shuffled = Recipe::OpenSet.options();
        assert!(shuffled.batch_size.is_some());
        let in_classes = Options::from_toml("loss = ['triplet']\nbatches = '10x6'", "").unwrap();
        let (ten_by_six, of_32) = ("batches = '10x6'", "batch-size = 32");
        let expected = Sampler::PK { classes: 10, images: 6 };
        assert_eq!(sampler(ten_by_six, &shuffled).unwrap(), expected);
        assert_eq!(sampler("", &in_classes).unwrap(), expected);
        assert_eq!(sampler(of_32, &in_classes).unwrap(), Sampler::Shuffled { batch_size: 32 });
        assert!(sampler(&format!("{ten_by_six}\n{of_32}"), &shuffled).is_err());
    }
}
