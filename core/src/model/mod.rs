//! Models: opened where they lie, and written.

mod acceptance;
mod encoding;
mod error;
mod float;
mod int8;
mod plan;
mod self_test;

use crc::{Digest, Table};
use serde::{Deserialize, Serialize};

pub use acceptance::{Acceptance, Rule};
pub use encoding::Encoding;
pub use error::{EmbedError, ModelError};
pub use float::{F32, layer_bytes};
pub use int8::{Int8, Int8Parameters, Layer, int8_layer_bytes};
pub use plan::ModelPlan;
pub use self_test::{SELF_TEST_TOLERANCE, SelfTest, SelfTestError};

use crate::chunks::chunks;
use crate::file::{self, FileKind};
use crate::{Code, Embedding, Names, Network};

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
    parameters: E::Packed<'a>,
    self_test: SelfTest<'a, E>,
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
pub struct ModelContents<'a, E: Encoding = F32> {
    /// The network.
    pub network: Network,
    /// For [`F32`] the flat vector that [`Network::tensors`] describes, for
    /// [`Int8`] the [`Int8Parameters`].
    pub parameters: E::Plain<'a>,
    /// One name for each class, joined by line feeds, or empty.
    pub class_names: &'a str,
    /// When a thing counts as recognised, if that was calibrated.
    pub acceptance: Option<Acceptance>,
    /// Images and their embeddings for [`Model::self_test`]; may be empty.
    pub self_test: SelfTest<'a, E>,
}

impl<'a> ModelContents<'a> {
    /// A network and its parameters alone.
    pub const fn new(network: Network, parameters: &'a [f32]) -> Self {
        Self::bare(network, parameters)
    }
}

impl<'a> ModelContents<'a, Int8> {
    /// A network and its quantised parameters alone.
    pub const fn int8(network: Network, parameters: Int8Parameters<'a>) -> Self {
        Self::bare(network, parameters)
    }
}

impl<'a, E: Encoding> ModelContents<'a, E> {
    const fn bare(network: Network, parameters: E::Plain<'a>) -> Self {
        let self_test = SelfTest { images: &[], embeddings: &[] };
        ModelContents { network, parameters, class_names: "", acceptance: None, self_test }
    }

    fn header(&self) -> Header<'a> {
        Header {
            encoding: E::number(&self.parameters),
            network: self.network,
            class_names: self.class_names,
            fingerprint: 0,
            acceptance: self.acceptance,
            self_test_images: self.self_test.images,
        }
    }

    fn parameter_bytes(&self) -> usize {
        E::packed_bytes(&self.network, &self.parameters)
    }

    fn body_len(&self) -> usize {
        self.parameter_bytes() + size_of_val(self.self_test.embeddings)
    }

    fn check(&self) -> Result<(), ModelError> {
        E::check(&self.network, &self.parameters)?;
        check_class_names(&self.network, self.class_names)?;
        check_acceptance(self.acceptance)?;
        self.self_test.check(&self.network)
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
        let (parameters, embeddings) = E::open(encoding, &network, body)?;
        let embeddings = file::values(embeddings)?;
        let self_test = SelfTest { images: header.self_test_images, embeddings };
        check_class_names(&network, class_names)?;
        check_acceptance(acceptance)?;
        self_test.check(&network)?;
        Ok(Model { network, class_names, fingerprint, acceptance, parameters, self_test })
    }

    /// When a thing counts as recognised, if that was calibrated for this model.
    pub const fn acceptance(&self) -> Option<Acceptance> {
        self.acceptance
    }

    /// The images and embeddings of [`Model::self_test`].
    pub const fn self_test_contents(&self) -> SelfTest<'a, E> {
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

    /// Words in code `C` of an embedding that the model makes or that is made of
    /// one; `None` for projected ones if the model has no projection.
    pub(crate) fn words_in<C: Code>(&self) -> Option<usize> {
        C::words_of_model(self.network.embedding_len(), E::projected_len(&self.parameters))
    }

    /// Number of words of 4 bytes, `f32` or `u32`, that [`Model::embed`] works in.
    pub fn workspace_len(&self) -> usize {
        E::workspace_len(&self.network, &self.parameters)
    }

    /// Embeds an image: height x width x channels bytes, channels-last. The
    /// embedding lies in the workspace; what that held before does not matter.
    ///
    /// # Errors
    /// [`EmbedError::Image`] and [`EmbedError::Workspace`] for a wrong length;
    /// [`EmbedError::NotFinite`] if huge parameters of an [`F32`] model overflow.
    pub fn embed<'w>(
        &self,
        image: &[u8],
        workspace: &'w mut [E::Word],
    ) -> Result<Embedding<'w, E::Embedded>, EmbedError> {
        E::embed(&self.network, &self.parameters, image, workspace)
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
        workspace: &mut [E::Word],
        logits: &mut [f32],
    ) -> Result<usize, EmbedError> {
        let classes = self.network.classes();
        if classes == 0 {
            return Err(EmbedError::NoClassifier);
        }
        if logits.len() != classes {
            return Err(EmbedError::Logits { expected: classes, found: logits.len() });
        }
        let ([weights, biases], features) =
            E::classifier(&self.network, &self.parameters, image, workspace)?;
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

/// Bytes that [`write()`] takes.
///
/// # Errors
/// As [`write()`], but for the buffer.
pub fn file_len<E: Encoding>(contents: &ModelContents<'_, E>) -> Result<usize, ModelError> {
    contents.check()?;
    Ok(file::len(FileKind::Model, &contents.header(), contents.body_len())?)
}

/// Writes a model file to the start of `out` and gives its length.
///
/// # Errors
/// The [`ModelError`] that says which of the contents do not fit the network;
/// [`FileError::Buffer`] if `out` is shorter than [`file_len`],
/// [`FileError::Misaligned`] if an [`Int8`] model's `out` does not begin at a
/// multiple of 4.
///
/// [`FileError::Buffer`]: crate::FileError::Buffer
/// [`FileError::Misaligned`]: crate::FileError::Misaligned
pub fn write<E: Encoding>(
    contents: &ModelContents<'_, E>,
    out: &mut [u8],
) -> Result<usize, ModelError> {
    contents.check()?;
    let mut header = contents.header();
    let len =
        file::write(FileKind::Model, &mut header, contents.body_len(), out, |header, body| {
            let (parameters, rest) =
                body.split_at_mut_checked(contents.parameter_bytes()).unwrap_or_default();
            header.fingerprint = E::pack(&contents.network, &contents.parameters, parameters)?;
            let embeddings: &[u8] = bytemuck::cast_slice(contents.self_test.embeddings);
            for (byte, value) in rest.iter_mut().zip(embeddings) {
                *byte = *value;
            }
            Ok(())
        })?;
    Ok(len)
}

/// The beginning of a fingerprint: a CRC-32 over the postcard bytes of encoding
/// and network without classifier, to be continued over the parameters that
/// determine the embedding.
fn identity_digest(number: u8, network: &Network) -> Digest<'static, u32, Table<1>> {
    let mut digest = file::crc32();
    // The encoding's byte and eight numbers of at most 3 bytes.
    let mut buffer = [0; 32];
    let identity = (number, network.without_classifier());
    digest.update(postcard::to_slice(&identity, &mut buffer).unwrap_or_default());
    digest
}
