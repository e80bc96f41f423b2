//! The embedding of an image: a vector of unit length.

use core::fmt;

use crate::{Code, F32};

#[cfg(not(arm_vfma))]
use libm::sqrtf as square_root;

#[cfg(arm_vfma)]
use crate::machine::fpu::square_root;

/// PyTorch's `normalize` clamps the norm below at this.
const SMALLEST_NORM: f32 = 1e-12;

/// A feature vector in the [`Code`] `C`, which is [`F32`] or an integer code.
///
/// The values of an [`F32`] embedding are the features divided by their L2
/// norm. Every value is finite. The norm is 1, except that features whose norm is
/// below 1e-12 keep a smaller one, and zero features give a zero embedding.
/// The values are in PyTorch's flatten order `[channel][grid row][grid column]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Embedding<'a, C: Code = F32>(&'a [C::Word]);

/// Why values are not an embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EmbeddingError {
    /// A value, or the norm, is infinite or not a number.
    NotFinite,
    /// The norm is above 1.
    NotNormalized,
    /// The words are not what the integer code allows: the inverse norm is not
    /// that of the values, their largest is not the code's, or there are too
    /// many or too few words.
    Code,
}

impl fmt::Display for EmbeddingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EmbeddingError::NotFinite => "the embedding has a value that is not finite",
            EmbeddingError::NotNormalized => "the embedding's norm is above 1",
            EmbeddingError::Code => "the embedding's words do not fit its code",
        })
    }
}

impl core::error::Error for EmbeddingError {}

impl<'a, C: Code> Embedding<'a, C> {
    /// Words that are known to be an embedding.
    pub(crate) const fn from_words(words: &'a [C::Word]) -> Self {
        Embedding(words)
    }

    /// Takes words as the code lays them out: for [`F32`], values that are
    /// normalised already.
    ///
    /// # Errors
    /// For [`F32`] [`EmbeddingError::NotFinite`], or
    /// [`EmbeddingError::NotNormalized`] for a squared norm above 1.001; for
    /// integer codes [`EmbeddingError::Code`].
    pub fn from_slice(words: &'a [C::Word]) -> Result<Self, EmbeddingError> {
        C::check(words)?;
        Ok(Embedding(words))
    }

    /// The words, as the code lays them out: the values of an [`F32`] embedding.
    pub const fn as_slice(&self) -> &'a [C::Word] {
        self.0
    }

    /// The values, divided by their norm, whatever the code: bits are 1 and -1
    /// before that. A last word that is not full adds the values that it has
    /// room for.
    pub fn values(&self) -> impl ExactSizeIterator<Item = f32> + use<'a, C> {
        C::values(self.0)
    }
}

impl<'a> Embedding<'a> {
    /// Divides features by max(L2 norm, 1e-12) in place, as PyTorch's
    /// [`normalize`](https://pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html).
    ///
    /// # Errors
    /// [`EmbeddingError::NotFinite`]; the features are then left as they were.
    pub fn normalize(features: &'a mut [f32]) -> Result<Embedding<'a>, EmbeddingError> {
        let norm = square_root(crate::dot(features, features));
        if !norm.is_finite() {
            return Err(EmbeddingError::NotFinite);
        }
        let divisor = if norm > SMALLEST_NORM { norm } else { SMALLEST_NORM };
        for value in features.iter_mut() {
            *value /= divisor;
        }
        Ok(Embedding(features))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_as_pytorch() {
        let mut features = [3.0, 0.0, 4.0];
        assert_eq!(Embedding::normalize(&mut features).unwrap().as_slice(), [0.6, 0.0, 0.8]);
        let mut zero = [0.0; 3];
        assert_eq!(Embedding::normalize(&mut zero).unwrap().as_slice(), [0.0; 3]);
        let mut tiny = [5e-13, 0.0];
        let tiny = Embedding::normalize(&mut tiny).unwrap();
        assert_eq!(tiny.as_slice(), [0.5, 0.0]);
        assert_eq!(Embedding::<F32>::from_slice(tiny.as_slice()), Ok(tiny));
    }

    #[test]
    fn refuses_what_is_no_embedding() {
        for bad in [f32::NAN, f32::INFINITY, 1e30] {
            assert_eq!(Embedding::normalize(&mut [bad, 1.0]), Err(EmbeddingError::NotFinite));
            assert_eq!(Embedding::<F32>::from_slice(&[bad, 1.0]), Err(EmbeddingError::NotFinite));
        }
        assert_eq!(Embedding::<F32>::from_slice(&[1.0, 0.1]), Err(EmbeddingError::NotNormalized));
    }
}
