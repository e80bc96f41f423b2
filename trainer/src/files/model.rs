//! Model files: the core's format, on disk.

use std::path::{Path, PathBuf};

use lookalike::{Model, ModelError};

use super::{AlignedBytes, ReadError, WriteError, write_atomically};
use crate::nn::Parameters;

/// A model that was read from a file.
#[derive(Clone, Debug)]
pub struct LoadedModel {
    /// Its network and parameters.
    pub parameters: Parameters,
    /// The names of its classes; none without a classifier.
    pub class_names: Vec<String>,
    /// What ties galleries to it: see [`Model::fingerprint`].
    pub fingerprint: u32,
}

/// Why a model file cannot be used or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelIoError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Its content is not a model.
    #[error("{}: {error}; train or import the model again", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ModelError,
    },
}

/// Reads and checks a model file.
///
/// # Errors
/// When it cannot be read or is not a whole model of a known version.
pub fn load_model(path: &Path) -> Result<LoadedModel, ModelIoError> {
    let bytes = AlignedBytes::read(path)?;
    let content = |error| ModelIoError::Content { path: path.to_owned(), error };
    let model = Model::<lookalike::F32>::from_bytes(&bytes).map_err(content)?;
    let mut parameters = Parameters::zeros(model.network());
    model.copy_parameters(&mut parameters.values).map_err(content)?;
    Ok(LoadedModel {
        parameters,
        class_names: model.class_names().map(String::from).collect(),
        fingerprint: model.fingerprint(),
    })
}

/// Writes a model file atomically and returns its fingerprint. `class_names`
/// are kept where the network has a classifier for them.
///
/// # Errors
/// When the parameters are not all finite or the file cannot be written; what
/// was there before stays.
pub fn save_model(
    path: &Path,
    parameters: &Parameters,
    class_names: &[String],
) -> Result<u32, ModelIoError> {
    let content = |error| ModelIoError::Content { path: path.to_owned(), error };
    let network = &parameters.network;
    let names = match network.classes() {
        0 => String::new(),
        _ => class_names.join("\n"),
    };
    let len = lookalike::model::file_len(network, &names).map_err(content)?;
    let mut bytes = AlignedBytes::zeroed(len);
    lookalike::model::write(network, &names, &parameters.values, &mut bytes).map_err(content)?;
    let fingerprint = Model::<lookalike::F32>::from_bytes(&bytes).map_err(content)?.fingerprint();
    write_atomically(path, |writer| writer.write_all(&bytes))?;
    Ok(fingerprint)
}
