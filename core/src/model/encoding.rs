//! How a model's parameters are encoded.

use super::ModelError;

pub(super) mod sealed {
    use super::*;

    pub trait Sealed {
        /// A value of the file's body.
        type Value: bytemuck::AnyBitPattern + 'static;

        /// The number that stands for this encoding in a file.
        const CODE: u8;

        /// Checks the packed parameters.
        fn check(values: &[Self::Value]) -> Result<(), ModelError>;
    }
}

/// An encoding of a model's parameters; [`F32`] is the only one of version 1.
pub trait Encoding: sealed::Sealed {}

/// Parameters as 32-bit floating-point numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum F32 {}

impl Encoding for F32 {}

impl sealed::Sealed for F32 {
    type Value = f32;

    const CODE: u8 = 0;

    fn check(values: &[f32]) -> Result<(), ModelError> {
        if !values.iter().all(|value| value.is_finite()) {
            return Err(ModelError::NotFinite);
        }
        Ok(())
    }
}
