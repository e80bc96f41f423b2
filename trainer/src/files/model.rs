//! Model files: the core's formats, on disk.

use std::path::{Path, PathBuf};

use lookalike::model::{self, Encoding, Int8Parameters, ModelContents, SelfTest};
use lookalike::{Acceptance, F32, Int8, Model, ModelError, Network, Packing, Shape};
use rand::Rng;

use super::{AlignedBytes, ReadError, WriteError, write_atomically};
use crate::data::Dataset;
use crate::device::SELF_TEST_IMAGES;
use crate::nn::Parameters;
use crate::quantize::Layer;
use crate::quantize::coder::CoderParameters;
use crate::rng::{Purpose, stream};

/// How model files start.
pub(super) const MAGIC: &[u8] = b"LKMODEL\0";

/// A model that was read from a file, of either encoding. What it makes of
/// images is the same to ask for: see [`LoadedModel::embed`].
#[derive(Clone, Debug)]
pub struct LoadedModel {
    /// The network.
    pub network: Network,
    /// Its parameters.
    pub parameters: LoadedParameters,
    /// The file, which the core runs.
    pub(super) file: AlignedBytes,
    /// The names of its classes; none without a classifier.
    pub class_names: Vec<String>,
    /// When a thing counts as recognised, if that was calibrated.
    pub acceptance: Option<Acceptance>,
    /// The images of its self-test, one after another.
    pub self_test_images: Vec<u8>,
    /// What ties galleries to it: see [`Model::fingerprint`].
    pub fingerprint: u32,
}

/// The parameters of a model in either encoding.
#[derive(Clone, Debug)]
pub enum LoadedParameters {
    /// 32-bit floating point.
    F32(Parameters),
    /// 8-bit integers, in their plain order.
    Int8(Box<Quantized>),
}

/// The parameters of an integer model, in their plain order.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// The network.
    pub network: Network,
    /// How a file holds them.
    pub packing: Packing,
    /// The three convolutions.
    pub layers: [Layer; 3],
    /// The classifier for features of the integer network: weights, then biases.
    pub classifier: Vec<f32>,
    /// What makes the smaller codes; empty parameters for what there is not.
    pub coder: CoderParameters,
}

impl Quantized {
    fn contents(&self) -> Int8Parameters<'_> {
        let [a, b, c] = &self.layers;
        let coder = !self.coder.is_empty();
        Int8Parameters {
            packing: self.packing,
            convs: [a.view(), b.view(), c.view()],
            classifier: &self.classifier,
            coder: coder.then(|| self.coder.coder(self.network.embedding_len())),
        }
    }
}

/// Parameters to be written, in either encoding.
#[derive(Clone, Copy, Debug)]
pub enum NewParameters<'a> {
    /// 32-bit floating point.
    F32(&'a Parameters),
    /// 8-bit integers.
    Int8(&'a Quantized),
}

/// What a model file is made of.
#[derive(Clone, Copy, Debug)]
pub struct NewModel<'a> {
    /// Network and parameters.
    pub parameters: NewParameters<'a>,
    /// Names of the classes, kept where the network has a classifier for them.
    pub class_names: &'a [String],
    /// When a thing counts as recognised, if that was calibrated.
    pub acceptance: Option<Acceptance>,
    /// Images that a device embeds to check itself, one after another; their
    /// embeddings are computed by the code that the device runs.
    pub self_test_images: &'a [u8],
}

impl LoadedModel {
    /// A model that is in no file, or not yet.
    ///
    /// # Errors
    /// As [`save_model`], but for the file.
    pub fn new(new: &NewModel<'_>) -> Result<LoadedModel, ModelError> {
        open(file(new)?.0)
    }

    /// The model, to be written again.
    pub fn as_new(&self) -> NewModel<'_> {
        NewModel {
            parameters: match &self.parameters {
                LoadedParameters::F32(parameters) => NewParameters::F32(parameters),
                LoadedParameters::Int8(quantized) => NewParameters::Int8(quantized),
            },
            class_names: &self.class_names,
            acceptance: self.acceptance,
            self_test_images: &self.self_test_images,
        }
    }

    /// The whole file.
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    /// The f32 parameters; `None` of an integer model.
    pub fn float(&self) -> Option<&Parameters> {
        match &self.parameters {
            LoadedParameters::F32(parameters) => Some(parameters),
            LoadedParameters::Int8(_) => None,
        }
    }

    /// The integer parameters; `None` of an f32 model.
    pub fn quantized(&self) -> Option<&Quantized> {
        match &self.parameters {
            LoadedParameters::F32(_) => None,
            LoadedParameters::Int8(quantized) => Some(quantized),
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

/// Reads and checks a model file of either encoding.
///
/// # Errors
/// When it cannot be read or is not a whole model of a known version.
pub fn load_model(path: &Path) -> Result<LoadedModel, ModelIoError> {
    check(path, AlignedBytes::read_if(path, |head| head.starts_with(MAGIC))?)
}

/// Checks the content of the file at `path`.
pub(super) fn check(path: &Path, bytes: AlignedBytes) -> Result<LoadedModel, ModelIoError> {
    open(bytes).map_err(|error| ModelIoError::Content { path: path.to_owned(), error })
}

fn open(bytes: AlignedBytes) -> Result<LoadedModel, ModelError> {
    let mut loaded = match Model::<F32>::from_bytes(&bytes) {
        Ok(model) => {
            let mut parameters = Parameters::zeros(model.network());
            model.copy_parameters(&mut parameters.values)?;
            loaded(&model, LoadedParameters::F32(parameters))
        }
        Err(ModelError::Encoding { .. }) => {
            let model = Model::<Int8>::from_bytes(&bytes)?;
            let quantized = unpack(&model)?;
            loaded(&model, LoadedParameters::Int8(Box::new(quantized)))
        }
        Err(error) => return Err(error),
    };
    loaded.file = bytes;
    Ok(loaded)
}

fn loaded<E: Encoding>(model: &Model<'_, E>, parameters: LoadedParameters) -> LoadedModel {
    LoadedModel {
        network: *model.network(),
        parameters,
        file: AlignedBytes::default(),
        class_names: model.class_names().map(String::from).collect(),
        acceptance: model.acceptance(),
        self_test_images: model.self_test_contents().images.to_vec(),
        fingerprint: model.fingerprint(),
    }
}

fn unpack(model: &Model<'_, Int8>) -> Result<Quantized, ModelError> {
    let network = *model.network();
    let [a, b, c] = network.widths();
    let channels = [[network.input().channels, a], [a, b], [b, c]];
    let mut layers = channels.map(|[inputs, outputs]| Layer {
        inputs,
        weights: vec![0; 9 * inputs * outputs],
        biases: vec![0; outputs],
        multipliers: vec![0; outputs],
    });
    for (index, Layer { weights, biases, multipliers, .. }) in layers.iter_mut().enumerate() {
        model.copy_convolution(index, weights, biases, multipliers)?;
    }
    let coder = model.coder().map_or_else(CoderParameters::default, |coder| CoderParameters {
        thresholds: coder.thresholds().to_vec(),
        weights: coder.weights().to_vec(),
        offsets: coder.offsets().to_vec(),
    });
    let classifier = model.classifier().concat();
    Ok(Quantized { network, packing: model.packing(), layers, classifier, coder })
}

/// Writes a model file atomically and returns its fingerprint.
///
/// # Errors
/// When the parameters are not all finite or out of their ranges, the
/// self-test's images do not fit the network, or the file cannot be written;
/// what was there before stays.
pub fn save_model(path: &Path, new: &NewModel<'_>) -> Result<u32, ModelIoError> {
    let (bytes, fingerprint) =
        file(new).map_err(|error| ModelIoError::Content { path: path.to_owned(), error })?;
    write_atomically(path, |writer| writer.write_all(&bytes))?;
    Ok(fingerprint)
}

/// The bytes of a model file, and its fingerprint.
fn file(new: &NewModel<'_>) -> Result<(AlignedBytes, u32), ModelError> {
    let (acceptance, images) = (new.acceptance, new.self_test_images);
    let names = |network: &Network| match network.classes() {
        0 => String::new(),
        _ => new.class_names.join("\n"),
    };
    match new.parameters {
        NewParameters::F32(Parameters { network, values }) => {
            let class_names = &names(network);
            let new = ModelContents::new(*network, values);
            let bare = ModelContents { class_names, acceptance, ..new };
            let (embeddings, fingerprint) = self_test(&bare, images)?;
            let self_test = SelfTest { images, embeddings: &embeddings };
            Ok((encode(&ModelContents { self_test, ..bare })?, fingerprint))
        }
        NewParameters::Int8(quantized) => {
            let class_names = &names(&quantized.network);
            let new = ModelContents::int8(quantized.network, quantized.contents());
            let bare = ModelContents { class_names, acceptance, ..new };
            let (embeddings, fingerprint) = self_test(&bare, images)?;
            let self_test = SelfTest { images, embeddings: &embeddings };
            Ok((encode(&ModelContents { self_test, ..bare })?, fingerprint))
        }
    }
}

/// The embeddings of images by the code that a device runs, and the model's
/// fingerprint.
fn self_test<E: Encoding>(
    contents: &ModelContents<'_, E>,
    images: &[u8],
) -> Result<(Vec<E::Word>, u32), ModelError> {
    let bytes = encode(contents)?;
    let model = Model::<E>::from_bytes(&bytes)?;
    let mut workspace = vec![E::Word::default(); model.workspace_len()];
    let mut embeddings = Vec::new();
    for image in images.chunks_exact(contents.network.input().len()) {
        let embedding = model.embed(image, &mut workspace).map_err(|_| ModelError::NotFinite)?;
        embeddings.extend_from_slice(embedding.as_slice());
    }
    Ok((embeddings, model.fingerprint()))
}

fn encode<E: Encoding>(contents: &ModelContents<'_, E>) -> Result<AlignedBytes, ModelError> {
    let mut bytes = AlignedBytes::zeroed(model::file_len(contents)?);
    model::write(contents, &mut bytes)?;
    Ok(bytes)
}

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
