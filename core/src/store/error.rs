//! What can go wrong with a store.

use core::fmt;

/// Why a store cannot be opened, read or changed. `E` is the flash driver's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum StoreError<E> {
    /// The flash driver reported an error.
    Flash(E),
    /// The region does not suit the flash: it is not made of whole pages, not
    /// inside the flash, has no room for two blocks, or the flash's words are
    /// of a size that is not supported.
    Region,
    /// The store holds another model's embeddings. [`erase`](super::erase) it to start again.
    OtherModel {
        /// The model's fingerprint.
        expected: u32,
        /// The fingerprint in the store or in the export.
        found: u32,
    },
    /// The model's or an export's embeddings, or an embedding given, have
    /// another length than the store's.
    Dimension {
        /// Words of the store's embeddings: for f32 their dimension.
        expected: usize,
        /// Words found.
        found: usize,
    },
    /// The store or the export was written by a newer version of this library.
    Version {
        /// The version found.
        found: u8,
        /// The newest version that this library reads.
        newest: u8,
    },
    /// The embeddings are coded otherwise than asked for.
    Code {
        /// The code found; `docs/store.md` lists them.
        found: u8,
    },
    /// The region holds something that no store and no power cut leaves.
    /// [`erase`](super::erase) it to start again.
    Corrupted,
    /// The flash did not keep what was written; the operation did not take place.
    Verify,
    /// No room for the items. Nothing has changed.
    Full,
    /// The label is longer than [`MAX_LABEL`](crate::gallery::MAX_LABEL) bytes.
    Label,
    /// Every id has been used.
    Ids,
    /// There is no item with this id.
    UnknownId,
    /// The bytes are not an export.
    NotAnExport,
    /// The export is damaged or incomplete. Nothing has changed.
    DamagedExport,
}

impl<E: fmt::Display> fmt::Display for StoreError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Flash(error) => write!(f, "flash: {error}"),
            StoreError::Region => f.write_str("the store's region does not suit the flash"),
            StoreError::OtherModel { expected, found } => write!(
                f,
                "the enrolments were made with another model: fingerprint {found:08x} instead of \
                 {expected:08x}"
            ),
            StoreError::Dimension { expected, found } => {
                write!(f, "the store holds embeddings of {expected} words, not {found}")
            }
            StoreError::Version { found, newest } => {
                write!(f, "the enrolments have version {found}, the newest supported is {newest}")
            }
            StoreError::Code { found } => {
                write!(f, "the enrolments have code {found}, which was not asked for")
            }
            StoreError::Corrupted => f.write_str("the store's region holds something else"),
            StoreError::Verify => f.write_str("the flash did not keep what was written"),
            StoreError::Full => f.write_str("the store is full"),
            StoreError::Label => f.write_str("a label can have at most 32 bytes"),
            StoreError::Ids => f.write_str("the store has used up its ids"),
            StoreError::UnknownId => f.write_str("there is no item with this id"),
            StoreError::NotAnExport => f.write_str("these bytes are not an export of a store"),
            StoreError::DamagedExport => f.write_str("the export is damaged or incomplete"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for StoreError<E> {}
