//! Model files: the core's format, on disk.

use std::path::{Path, PathBuf};

use lookalike::model::{self, ModelContents, SelfTest};
use lookalike::{Acceptance, F32, Model, ModelError, Shape};
use rand::Rng;

use super::{AlignedBytes, ReadError, WriteError, write_atomically};
use crate::data::Dataset;
use crate::nn::Parameters;
use crate::rng::{Purpose, stream};

/// A model that was read from a file.
#[derive(Clone, Debug)]
pub struct LoadedModel {
    /// Its network and parameters.
    pub parameters: Parameters,
    /// The names of its classes; none without a classifier.
    pub class_names: Vec<String>,
    /// When a thing counts as recognised, if that was calibrated.
    pub acceptance: Option<Acceptance>,
    /// The images of its self-test, one after another.
    pub self_test_images: Vec<u8>,
    /// What ties galleries to it: see [`Model::fingerprint`].
    pub fingerprint: u32,
}

/// What a model file is made of.
#[derive(Clone, Copy, Debug)]
pub struct NewModel<'a> {
    /// Network and parameters.
    pub parameters: &'a Parameters,
    /// Names of the classes, kept where the network has a classifier for them.
    pub class_names: &'a [String],
    /// When a thing counts as recognised, if that was calibrated.
    pub acceptance: Option<Acceptance>,
    /// Images that a device embeds to check itself, one after another; their
    /// embeddings are computed by the code that the device runs.
    pub self_test_images: &'a [u8],
}

impl LoadedModel {
    /// The model, to be written again.
    pub fn as_new(&self) -> NewModel<'_> {
        NewModel {
            parameters: &self.parameters,
            class_names: &self.class_names,
            acceptance: self.acceptance,
            self_test_images: &self.self_test_images,
        }
    }
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
    let model = Model::<F32>::from_bytes(&bytes).map_err(content)?;
    let mut parameters = Parameters::zeros(model.network());
    model.copy_parameters(&mut parameters.values).map_err(content)?;
    Ok(LoadedModel {
        parameters,
        class_names: model.class_names().map(String::from).collect(),
        acceptance: model.acceptance(),
        self_test_images: model.self_test_contents().images.to_vec(),
        fingerprint: model.fingerprint(),
    })
}

/// Writes a model file atomically and returns its fingerprint.
///
/// # Errors
/// When the parameters are not all finite, the self-test's images do not fit
/// the network, or the file cannot be written; what was there before stays.
pub fn save_model(path: &Path, new: &NewModel<'_>) -> Result<u32, ModelIoError> {
    let content = |error| ModelIoError::Content { path: path.to_owned(), error };
    let network = new.parameters.network;
    let names = match network.classes() {
        0 => String::new(),
        _ => new.class_names.join("\n"),
    };
    let bare = ModelContents {
        class_names: &names,
        acceptance: new.acceptance,
        ..ModelContents::new(network, &new.parameters.values)
    };
    let bytes = encode(&bare).map_err(content)?;
    let model = Model::<F32>::from_bytes(&bytes).map_err(content)?;
    let fingerprint = model.fingerprint();

    let mut workspace = vec![0.0; model.workspace_len()];
    let mut embeddings = Vec::new();
    for image in new.self_test_images.chunks_exact(network.input().len()) {
        match model.embed(image, &mut workspace) {
            Ok(embedding) => embeddings.extend_from_slice(embedding.as_slice()),
            Err(_) => return Err(content(ModelError::NotFinite)),
        }
    }
    let self_test = SelfTest { images: new.self_test_images, embeddings: &embeddings };
    let bytes = encode(&ModelContents { self_test, ..bare }).map_err(content)?;
    write_atomically(path, |writer| writer.write_all(&bytes))?;
    Ok(fingerprint)
}

fn encode(contents: &ModelContents<'_>) -> Result<AlignedBytes, ModelError> {
    let mut bytes = AlignedBytes::zeroed(model::file_len(contents)?);
    model::write(contents, &mut bytes)?;
    Ok(bytes)
}

/// Number of images that the trainer gives a model for its self-test.
const SELF_TEST_IMAGES: usize = 2;

/// The first images of `data`, for a self-test.
pub fn self_test_images(data: &Dataset) -> &[u8] {
    &data.pixels[..data.len().min(SELF_TEST_IMAGES) * data.shape.len()]
}

/// Images of noise, for the self-test of a model that comes without data.
pub fn self_test_noise(input: Shape) -> Vec<u8> {
    let mut rng = stream(0, Purpose::Selection, 0);
    let mut images = vec![0; SELF_TEST_IMAGES * input.len()];
    rng.fill_bytes(&mut images);
    images
}
