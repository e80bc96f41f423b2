//! Reading and writing files without ever losing what was there.
//!
//! - [`write_atomically`], [`write_together`]: files are replaced whole or not at all
//! - [`OutputLock`]: one run at a time on an output
//! - [`load_model`], [`save_model`], [`load_gallery`], [`save_gallery`]: the
//!   core's own formats
//! - [`AlignedBytes`]: a file in memory, aligned for zero-copy readers
//! - [`safetensors`]: weights to and from PyTorch
//! - [`FirmwareFile`]: a model or gallery as Rust or C source
//! - [`EmbeddingTable`]: embeddings and labels for other tools
//! - [`write_folders`]: images as pictures, one folder a class
//! - [`write_npy`]: arrays for NumPy and its relatives

mod aligned;
mod atomic;
mod embed;
mod firmware;
mod folders;
mod gallery;
mod lock;
mod model;
mod npy;
pub mod safetensors;
mod table;
#[cfg(test)]
mod tests;

pub use aligned::{AlignedBytes, ReadError};
#[cfg(test)]
pub(crate) use atomic::faults;
pub use atomic::{Content, WriteError, write_atomically, write_together};
pub use embed::{CodeKind, CodeKindError, CodedEmbeddings, Words, binarize, project};
pub use firmware::{FirmwareFile, FirmwareFileError, Language};
pub use folders::{FoldersError, write_folders};
pub use gallery::{
    GalleryIoError, LoadedGallery, SearchError, load_gallery, load_gallery_of, save_gallery,
};
pub use lock::{LockError, OutputLock};
pub use model::{
    LoadedModel, LoadedParameters, ModelIoError, NewModel, NewParameters, Quantized, load_model,
    save_model, self_test_images, self_test_noise,
};
pub use npy::write_npy;
pub use table::{EmbeddingTable, TableError, TableFormat, labels_path};
