//! Models: opened where they lie, and written.

mod acceptance;
mod encoding;
mod error;
mod packing;
mod self_test;

use serde::{Deserialize, Serialize};

pub use acceptance::{Acceptance, Rule};
use encoding::sealed::Sealed;
pub use encoding::{Encoding, F32};
pub use error::{EmbedError, ModelError};
pub use self_test::{SELF_TEST_TOLERANCE, SelfTest, SelfTestError};

use crate::chunks::chunks;
use crate::file::{self, FileKind};
use crate::forward::float;
use crate::{Embedding, Names, Network};

/// A model file, checked and used where it lies.
///
/// `E` is the encoding of its parameters. Opening checks everything once; no
/// later call can fail because of the file.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a, E: Encoding = F32> {
    network: Network,
    class_names: &'a str,
    fingerprint: u32,
    acceptance: Option<Acceptance>,
    /// The packed parameters.
    values: &'a [E::Value],
    self_test: SelfTest<'a>,
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    encoding: u8,
    network: Network,
    class_names: &'a str,
    #[serde(with = "postcard::fixint::le")]
    fingerprint: u32,
    acceptance: Option<Acceptance>,
    self_test_images: &'a [u8],
}

/// What a model file holds, to be written.
#[derive(Clone, Copy, Debug)]
pub struct ModelContents<'a> {
    /// The network.
    pub network: Network,
    /// The flat vector that [`Network::tensors`] describes.
    pub parameters: &'a [f32],
    /// One name for each class, joined by line feeds, or empty.
    pub class_names: &'a str,
    /// When a thing counts as recognised, if that was calibrated.
    pub acceptance: Option<Acceptance>,
    /// Images and their embeddings for [`Model::self_test`]; may be empty.
    pub self_test: SelfTest<'a>,
}

impl<'a> ModelContents<'a> {
    /// A network and its parameters alone.
    pub const fn new(network: Network, parameters: &'a [f32]) -> Self {
        let self_test = SelfTest { images: &[], embeddings: &[] };
        ModelContents { network, parameters, class_names: "", acceptance: None, self_test }
    }

    fn header(&self) -> Header<'a> {
        Header {
            encoding: F32::CODE,
            network: self.network,
            class_names: self.class_names,
            fingerprint: 0,
            acceptance: self.acceptance,
            self_test_images: self.self_test.images,
        }
    }

    fn body_len(&self) -> usize {
        4 * packing::len(&self.network) + size_of_val(self.self_test.embeddings)
    }

    fn check(&self) -> Result<(), ModelError> {
        let expected = self.network.parameters();
        let found = self.parameters.len();
        if found != expected {
            return Err(ModelError::Parameters { expected, found });
        }
        if !self.parameters.iter().all(|parameter| parameter.is_finite()) {
            return Err(ModelError::NotFinite);
        }
        check_class_names(&self.network, self.class_names)?;
        check_acceptance(self.acceptance)?;
        check_self_test(&self.network, self.self_test)
    }
}

impl<'a, E: Encoding> Model<'a, E> {
    /// Opens a model file that lies at an address that is a multiple of 4, as
    /// [`include_model!`](crate::include_model) ensures.
    ///
    /// # Errors
    /// [`ModelError`] says what is wrong with the file.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let (header, body): (Header<'a>, _) = file::open(bytes, FileKind::Model)?;
        let Header { encoding, network, class_names, fingerprint, acceptance, .. } = header;
        if encoding != E::CODE {
            return Err(ModelError::Encoding { found: encoding });
        }
        let parameters = packing::len(&network) * size_of::<E::Value>();
        let (parameters, embeddings) = body.split_at_checked(parameters).ok_or(ModelError::Body)?;
        let (values, embeddings) = (file::values(parameters)?, file::values(embeddings)?);
        E::check(values)?;
        let self_test = SelfTest { images: header.self_test_images, embeddings };
        check_class_names(&network, class_names)?;
        check_acceptance(acceptance)?;
        check_self_test(&network, self_test)?;
        Ok(Model { network, class_names, fingerprint, acceptance, values, self_test })
    }

    /// When a thing counts as recognised, if that was calibrated for this model.
    pub const fn acceptance(&self) -> Option<Acceptance> {
        self.acceptance
    }

    /// The images and embeddings of [`Model::self_test`].
    pub const fn self_test_contents(&self) -> SelfTest<'a> {
        self.self_test
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
        let features = float::features(&self.network, convs, image, workspace)?;
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
        let features = float::features(&self.network, convs, image, workspace)?;
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
        let (expected, found) = (self.network.parameters(), out.len());
        if found != expected {
            return Err(ModelError::Parameters { expected, found });
        }
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

fn check_acceptance(acceptance: Option<Acceptance>) -> Result<(), ModelError> {
    match acceptance {
        Some(acceptance) if !acceptance.is_valid() => Err(ModelError::Acceptance),
        _ => Ok(()),
    }
}

/// As many embeddings as images, all finite.
fn check_self_test(network: &Network, self_test: SelfTest<'_>) -> Result<(), ModelError> {
    let SelfTest { images, embeddings } = self_test;
    let (image, embedding) = (network.input().len().max(1), network.embedding_len().max(1));
    let fits = images.len().is_multiple_of(image)
        && (images.len() / image).checked_mul(embedding) == Some(embeddings.len())
        && embeddings.iter().all(|value| value.is_finite());
    if fits { Ok(()) } else { Err(ModelError::SelfTest) }
}

/// Bytes that [`write()`] takes.
///
/// # Errors
/// As [`write()`], but for the buffer.
pub fn file_len(contents: &ModelContents<'_>) -> Result<usize, ModelError> {
    contents.check()?;
    Ok(file::len(FileKind::Model, &contents.header(), contents.body_len())?)
}

/// Bytes of each layer's parameters in a model file: three convolutions, then
/// the classifier.
pub const fn layer_bytes(network: &Network) -> [usize; 4] {
    packing::layer_bytes(network)
}

/// Writes a model file to the start of `out` and gives its length.
///
/// # Errors
/// The [`ModelError`] that says which of the contents do not fit the network;
/// [`FileError::Buffer`] if `out` is shorter than [`file_len`].
///
/// [`FileError::Buffer`]: crate::FileError::Buffer
pub fn write(contents: &ModelContents<'_>, out: &mut [u8]) -> Result<usize, ModelError> {
    contents.check()?;
    let network = &contents.network;
    let mut header = contents.header();
    let len =
        file::write(FileKind::Model, &mut header, contents.body_len(), out, |header, body| {
            let (parameters, rest) =
                body.split_at_mut_checked(4 * packing::len(network)).unwrap_or_default();
            packing::pack(network, contents.parameters, parameters);
            let (values, _) = rest.as_chunks_mut::<4>();
            for (bytes, value) in values.iter_mut().zip(contents.self_test.embeddings) {
                *bytes = value.to_le_bytes();
            }
            header.fingerprint = fingerprint(F32::CODE, network, parameters);
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
