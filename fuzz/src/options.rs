//! Options of training as TOML: `--config` files and recipes.

use std::str;

use lookalike::Shape;
use lookalike_trainer::data::Dataset;
use lookalike_trainer::train::{Options, Recipe, Settings};

/// Reads the bytes as options, writes them again, and makes settings of them.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let options = match Options::from_toml(text, "options.toml") {
        Ok(options) => options,
        Err(error) => {
            assert!(error.to_string().starts_with("options.toml: "));
            return;
        }
    };
    let written = options.to_toml();
    let again = Options::from_toml(&written, "written").expect("written by this program");
    // Not the values: a number that is none is not equal to itself.
    assert_eq!(again.to_toml(), written);
    let over = options.over(&Recipe::Best.options());
    for options in [options, over] {
        // The search for the largest network that fits takes seconds.
        let options = Options { fit: None, ..options };
        if let Ok(settings) = options.settings(&data_set()) {
            check(&settings);
        }
    }
}

fn check(settings: &Settings) {
    match settings.check() {
        Ok(()) => assert!(settings.lr.is_finite() && settings.epochs > 0),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn data_set() -> Dataset {
    let shape = Shape { height: 20, width: 20, channels: 1 };
    Dataset {
        shape,
        pixels: vec![0; 4 * shape.len()],
        labels: vec![0, 0, 1, 1],
        class_names: vec!["a".into(), "b".into()],
    }
}
