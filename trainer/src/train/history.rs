//! The figures of a run's epochs, kept beside its model.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::EpochStats;
use crate::files::{WriteError, write_atomically};

/// The figures of the run that made a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The model's fingerprint, in hexadecimal.
    pub fingerprint: String,
    /// A row for each epoch.
    pub epochs: Vec<EpochStats>,
}

/// Why a history cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// It cannot be read.
    #[error("{}: cannot read the file: {cause}; check its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// It is no history.
    #[error(
        "{}: not the history of a training run: {cause}; remove it, or train the model again",
        path.display()
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: serde_json::Error,
    },
}

impl History {
    /// Of a model with this fingerprint.
    pub fn new(fingerprint: u32, epochs: &[EpochStats]) -> History {
        History { fingerprint: format!("{fingerprint:08x}"), epochs: epochs.to_vec() }
    }

    /// Whether it is that of a model with this fingerprint.
    pub fn is_of(&self, fingerprint: u32) -> bool {
        self.fingerprint == format!("{fingerprint:08x}")
    }

    /// Where the history of the model file `model` lies: beside it.
    pub fn path(model: &Path) -> PathBuf {
        let mut name = model.as_os_str().to_owned();
        name.push(".history.json");
        PathBuf::from(name)
    }

    /// Writes it beside the model file, atomically.
    ///
    /// # Errors
    /// When the file cannot be written; what was there before stays.
    pub fn save(&self, model: &Path) -> Result<(), WriteError> {
        let mut text = serde_json::to_string_pretty(self).expect("figures are JSON");
        text.push('\n');
        write_atomically(History::path(model), |writer| writer.write_all(text.as_bytes()))
    }

    /// Reads what lies beside the model file; `None` if nothing does.
    ///
    /// # Errors
    /// When the file cannot be read, or is no history.
    pub fn load(model: &Path) -> Result<Option<History>, HistoryError> {
        let path = History::path(model);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(HistoryError::Read { path, cause }),
        };
        match serde_json::from_str(&text) {
            Ok(history) => Ok(Some(history)),
            Err(cause) => Err(HistoryError::Content { path, cause }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let model = directory.path().join("a.model");
        assert!(History::load(&model).unwrap().is_none());
        let stats = EpochStats { loss: 0.125, accuracy: Some(0.5), pairs: None };
        let history = History::new(0xbeef, &[stats, EpochStats::default()]);
        history.save(&model).unwrap();
        assert_eq!(History::load(&model).unwrap(), Some(history.clone()));
        assert!(history.is_of(0xbeef) && !history.is_of(0xbee));
    }

    #[test]
    fn what_is_no_history_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let model = directory.path().join("a.model");
        for text in ["", "{}", "{\"fingerprint\": \"1\", \"epochs\": [{\"loss\": null}]}"] {
            std::fs::write(History::path(&model), text).unwrap();
            let error = History::load(&model).unwrap_err().to_string();
            assert!(error.contains("a.model.history.json: not the history"), "{error}");
        }
        std::fs::remove_file(History::path(&model)).unwrap();
        std::fs::create_dir(History::path(&model)).unwrap();
        let error = History::load(&model).unwrap_err().to_string();
        assert!(error.contains("cannot read the file"), "{error}");
    }
}
