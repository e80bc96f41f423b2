//! How long a model file will be, before there are parameters.

use super::int8::int8_file_words;
use super::{Acceptance, Header, ModelError, Rule, check_class_names, layer_bytes};
use crate::file::{self, FileError, FileKind};
use crate::{Network, Packing, U8};

/// What a model file will hold, as far as its length depends on it.
///
/// ```
/// use lookalike::model::ModelPlan;
/// use lookalike::{Network, Packing};
///
/// let network = Network::REFERENCE.without_classifier();
/// let plan = ModelPlan { packing: Some(Packing::Compact), ..ModelPlan::new(network) };
/// assert!((28_000..30_000).contains(&plan.file_len()?));
/// # Ok::<(), lookalike::ModelError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ModelPlan<'a> {
    /// The network.
    pub network: Network,
    /// How its parameters will be packed in 8-bit integers; `None` for an
    /// [`F32`](super::F32) model.
    pub packing: Option<Packing>,
    /// Values of projected embeddings that an integer model's coder will make.
    pub projected: usize,
    /// Thresholds of its binary codes: none, or one for each value of an embedding.
    pub thresholds: usize,
    /// One name for each class, joined by line feeds, or empty.
    pub class_names: &'a str,
    /// As many bytes as the images of the self-test.
    pub self_test_images: &'a [u8],
}

impl ModelPlan<'_> {
    /// An f32 model of a network without classifier and self-test.
    pub const fn new(network: Network) -> Self {
        ModelPlan {
            network,
            packing: None,
            projected: 0,
            thresholds: 0,
            class_names: "",
            self_test_images: &[],
        }
    }

    /// Bytes of the file, an acceptance threshold included.
    ///
    /// # Errors
    /// [`ModelError::ClassNames`] for another number of names than classes,
    /// [`ModelError::SelfTest`] for bytes that are no whole images,
    /// [`ModelError::Coder`] for more values than can be counted.
    pub fn file_len(&self) -> Result<usize, ModelError> {
        let ModelPlan { network, packing, class_names, self_test_images, .. } = *self;
        check_class_names(&network, class_names)?;
        let image = network.input().len().max(1);
        if !self_test_images.len().is_multiple_of(image) {
            return Err(ModelError::SelfTest);
        }
        let images = self_test_images.len() / image;
        let values = network.embedding_len();
        let (parameters, embedding) = match packing {
            None => (layer_bytes(&network).iter().sum(), values),
            Some(packing) => {
                let words = int8_file_words(&network, packing, self.projected, self.thresholds);
                (
                    words.and_then(|words| words.checked_mul(4)).ok_or(ModelError::Coder)?,
                    U8::words(values),
                )
            }
        };
        let body = images
            .checked_mul(4 * embedding)
            .and_then(|embeddings| embeddings.checked_add(parameters))
            .ok_or(FileError::Malformed)?;
        let header = Header {
            // Every encoding's number takes one byte.
            encoding: 0,
            network,
            class_names,
            fingerprint: 0,
            acceptance: Some(Acceptance {
                threshold: 0.0,
                false_accept_rate: 0.0,
                rule: Rule::NearestItem,
            }),
            self_test_images,
        };
        Ok(file::len(FileKind::Model, &header, body)?)
    }
}
