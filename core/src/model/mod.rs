//! Models: opened where they lie, and written.

mod encoding;
mod error;
mod packing;

use serde::{Deserialize, Serialize};

use encoding::sealed::Sealed;
pub use encoding::{Encoding, F32};
pub use error::{EmbedError, ModelError};

use crate::chunks::chunks;
use crate::file::{self, FileKind};
use crate::{Embedding, Names, Network, forward};

/// A model file, checked and used where it lies.
///
/// `E` is the encoding of its parameters. Opening checks everything once; no
/// later call can fail because of the file.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a, E: Encoding = F32> {
    network: Network,
    class_names: &'a str,
    fingerprint: u32,
    values: &'a [E::Value],
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    encoding: u8,
    network: Network,
    class_names: &'a str,
    #[serde(with = "postcard::fixint::le")]
    fingerprint: u32,
}

impl<'a, E: Encoding> Model<'a, E> {
    /// Opens a model file that lies at an address that is a multiple of 4, as
    /// [`include_model!`](crate::include_model) ensures.
    ///
    /// # Errors
    /// [`ModelError`] says what is wrong with the file.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let (header, body): (Header<'a>, _) = file::open(bytes, FileKind::Model)?;
        let Header { encoding, network, class_names, fingerprint } = header;
        if encoding != E::CODE {
            return Err(ModelError::Encoding { found: encoding });
        }
        check_class_names(&network, class_names)?;
        let values = file::values(body)?;
        E::check(&network, values)?;
        Ok(Model { network, class_names, fingerprint, values })
    }

    /// The network's dimensions.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The names of the classes in order; none if the model does not name them.
    pub fn class_names(&self) -> Names<'a> {
        Names::none_if_empty(self.class_names)
    }

    /// A number that changes with everything that determines the embedding:
    /// encoding, dimensions and parameters, the classifier left aside. It ties
    /// a gallery to its model.
    pub const fn fingerprint(&self) -> u32 {
        self.fingerprint
    }
}

impl Model<'_, F32> {
    /// Number of `f32` that [`Model::embed`] works in.
    pub const fn workspace_len(&self) -> usize {
        self.network.workspace_len()
    }

    /// Embeds an image: height x width x channels bytes, channels-last. The
    /// embedding lies in the workspace; what that held before does not matter.
    ///
    /// # Errors
    /// [`EmbedError::Image`] and [`EmbedError::Workspace`] for a wrong length;
    /// [`EmbedError::NotFinite`] if huge parameters overflow.
    pub fn embed<'w>(
        &self,
        image: &[u8],
        workspace: &'w mut [f32],
    ) -> Result<Embedding<'w>, EmbedError> {
        let (convs, _) = packing::views(&self.network, self.values);
        let features = forward::features(&self.network, convs, image, workspace)?;
        Ok(Embedding::normalize(features)?)
    }

    /// Classifies an image from its features before normalisation: writes one
    /// logit for each class and gives the class of the largest, the first of
    /// equal ones.
    ///
    /// # Errors
    /// As [`Model::embed`]; also [`EmbedError::NoClassifier`], and
    /// [`EmbedError::Logits`] if `logits` has another length than there are classes.
    pub fn classify(
        &self,
        image: &[u8],
        workspace: &mut [f32],
        logits: &mut [f32],
    ) -> Result<usize, EmbedError> {
        let classes = self.network.classes();
        if classes == 0 {
            return Err(EmbedError::NoClassifier);
        }
        if logits.len() != classes {
            return Err(EmbedError::Logits { expected: classes, found: logits.len() });
        }
        let (convs, [weights, biases]) = packing::views(&self.network, self.values);
        let features = forward::features(&self.network, convs, image, workspace)?;
        let rows = chunks(weights, features.len());
        let mut best = (0, f32::NEG_INFINITY);
        for (class, (logit, (row, bias))) in logits.iter_mut().zip(rows.zip(biases)).enumerate() {
            *logit = crate::dot(row, features) + bias;
            if !logit.is_finite() {
                return Err(EmbedError::NotFinite);
            }
            if *logit > best.1 {
                best = (class, *logit);
            }
        }
        Ok(best.0)
    }

    /// Copies the parameters, bit for bit, into the flat vector that
    /// [`Network::tensors`] describes.
    ///
    /// # Errors
    /// [`ModelError::Parameters`] if `out` has another length than there are
    /// parameters.
    pub fn copy_parameters(&self, out: &mut [f32]) -> Result<(), ModelError> {
        check_parameters(&self.network, out)?;
        packing::unpack(&self.network, self.values, out);
        Ok(())
    }
}

fn check_class_names(network: &Network, class_names: &str) -> Result<(), ModelError> {
    if !class_names.is_empty() && Names::new(class_names).count() != network.classes() {
        return Err(ModelError::ClassNames);
    }
    Ok(())
}

fn check_parameters(network: &Network, parameters: &[f32]) -> Result<(), ModelError> {
    let expected = network.parameters();
    if parameters.len() != expected {
        return Err(ModelError::Parameters { expected, found: parameters.len() });
    }
    Ok(())
}

fn header<'a>(network: &Network, class_names: &'a str) -> Header<'a> {
    Header { encoding: F32::CODE, network: *network, class_names, fingerprint: 0 }
}

/// Bytes that [`write()`] takes.
///
/// # Errors
/// [`ModelError::ClassNames`] as [`write()`].
pub fn file_len(network: &Network, class_names: &str) -> Result<usize, ModelError> {
    check_class_names(network, class_names)?;
    Ok(file::len(FileKind::Model, &header(network, class_names), 4 * packing::len(network))?)
}

/// Bytes of each layer's parameters in a model file: three convolutions, then
/// the classifier.
pub const fn layer_bytes(network: &Network) -> [usize; 4] {
    packing::layer_bytes(network)
}

/// Writes a model file to the start of `out` and gives its length.
///
/// `class_names` are joined by line feeds, one for each class, or empty;
/// `parameters` is the flat vector that [`Network::tensors`] describes.
///
/// # Errors
/// [`ModelError::ClassNames`], [`ModelError::Parameters`] and
/// [`ModelError::NotFinite`] for the arguments; [`FileError::Buffer`] if `out`
/// is shorter than [`file_len`].
///
/// [`FileError::Buffer`]: crate::FileError::Buffer
pub fn write(
    network: &Network,
    class_names: &str,
    parameters: &[f32],
    out: &mut [u8],
) -> Result<usize, ModelError> {
    check_class_names(network, class_names)?;
    check_parameters(network, parameters)?;
    if !parameters.iter().all(|parameter| parameter.is_finite()) {
        return Err(ModelError::NotFinite);
    }
    let mut header = header(network, class_names);
    let body_len = 4 * packing::len(network);
    let len = file::write(FileKind::Model, &mut header, body_len, out, |header, body| {
        packing::pack(network, parameters, body);
        header.fingerprint = fingerprint(F32::CODE, network, body);
    })?;
    Ok(len)
}

/// CRC-32 over the postcard bytes of encoding and network without classifier,
/// then over the packed convolutions.
fn fingerprint(encoding: u8, network: &Network, body: &[u8]) -> u32 {
    let mut digest = file::crc32();
    // The encoding's byte and eight numbers of at most 3 bytes.
    let mut buffer = [0; 32];
    let identity = (encoding, network.without_classifier());
    digest.update(postcard::to_slice(&identity, &mut buffer).unwrap_or_default());
    digest.update(body.get(..4 * packing::embedding_part(network)).unwrap_or_default());
    digest.finalize()
}
