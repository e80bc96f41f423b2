//! All that a run needs to go on: written after each epoch, and when a run is
//! interrupted within one.
//!
//! The file is one postcard message with a CRC-32 behind it: the fields of
//! [`Checkpoint`] in their order and, since version 3, an epoch that was begun.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::diagnostics::EpochSums;
use super::{EpochStats, Settings};
use crate::files::{AlignedBytes, ReadError, WriteError, write_atomically};
use crate::optim::{Average, Optimizer};

const MAGIC: [u8; 8] = *b"LKCHECKP";
const VERSION: u8 = 4;
/// The last version with pixels as the teacher, of which only runs without are read.
const PIXEL_SIMILARITY: u8 = 3;
/// The last version without an epoch that was begun.
const WHOLE_EPOCHS: u8 = 2;
/// CRC-32 as in model and gallery files.
pub(super) const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// The state of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    magic: [u8; 8],
    version: u8,
    /// The run's settings.
    pub settings: Settings,
    /// CRC-32 of the training data.
    pub data: u32,
    /// The flat vector of parameters.
    pub parameters: Vec<f32>,
    /// The optimiser's moments.
    pub optimizer: Optimizer,
    /// The moving average of the weights.
    pub average: Option<Average>,
    /// A row for each epoch done.
    pub history: Vec<EpochStats>,
    /// Of the next epoch, what is done; behind all else in the file.
    #[serde(skip)]
    pub(super) begun: Option<Begun>,
}

/// A part of an epoch. Parameters, moments and average are those after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// Batches done, counted from the epoch's start.
    pub batches: u32,
    /// What they looked like.
    pub sums: EpochSums,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It is not a checkpoint, or not a whole one.
    #[error("{}: {why}; remove it to train from the start", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// Another version of this program has written it.
    #[error("{}: a checkpoint of version {found}, the newest that this program reads is {newest}; go on with the program that wrote it, or remove it to train from the start", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u8,
        /// The newest version that is read.
        newest: u8,
    },
}

impl Checkpoint {
    pub(super) fn new(
        settings: Settings,
        data: u32,
        (parameters, optimizer, average): (&[f32], &Optimizer, Option<&Average>),
        (history, begun): (&[EpochStats], Option<Begun>),
    ) -> Checkpoint {
        Checkpoint {
            magic: MAGIC,
            version: VERSION,
            settings,
            data,
            parameters: parameters.to_vec(),
            optimizer: optimizer.clone(),
            average: average.cloned(),
            history: history.to_vec(),
            begun,
        }
    }

    /// Where the checkpoint of the model file `out` lies: beside it.
    pub fn path(out: &Path) -> PathBuf {
        let mut name = out.as_os_str().to_owned();
        name.push(".checkpoint");
        PathBuf::from(name)
    }

    /// Writes it atomically.
    ///
    /// # Errors
    /// When the file cannot be written; what was there before stays.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let bytes = postcard::to_allocvec_crc32(&(self, self.begun), CRC.digest())
            .expect("a vector can be extended");
        Ok(write_atomically(path, |writer| writer.write_all(&bytes))?)
    }

    /// Reads and checks one.
    ///
    /// # Errors
    /// When the file cannot be read, is not a checkpoint, is of another version
    /// or is damaged.
    pub fn load(path: &Path) -> Result<Checkpoint, CheckpointError> {
        let content = |why| CheckpointError::Content { path: path.to_owned(), why };
        let bytes = AlignedBytes::read_if(path, |head| head.starts_with(&MAGIC))?;
        let read: Result<Checkpoint, postcard::Error> = match bytes.strip_prefix(&MAGIC) {
            None => return Err(content("not a checkpoint")),
            Some([VERSION | PIXEL_SIMILARITY, ..]) => {
                postcard::from_bytes_crc32::<(Checkpoint, Option<Begun>)>(&bytes, CRC.digest())
                    .map(|(checkpoint, begun)| Checkpoint { begun, ..checkpoint })
            }
            Some([WHOLE_EPOCHS, ..]) => postcard::from_bytes_crc32(&bytes, CRC.digest()),
            Some(&[found, ..]) => {
                let path = path.to_owned();
                return Err(CheckpointError::Version { path, found, newest: VERSION });
            }
            Some([]) => return Err(content("the checkpoint is damaged")),
        };
        let is_old = bytes[MAGIC.len()] <= PIXEL_SIMILARITY;
        let checkpoint = read
            .ok()
            .filter(|read| !is_old || read.settings.objective.similarity.is_none())
            .ok_or_else(|| match is_old {
                true => content("the checkpoint is damaged, or of a run with --pixel-similarity"),
                false => content("the checkpoint is damaged"),
            })?;
        let parameters = checkpoint.settings.training_network().parameters();
        let fits = checkpoint.parameters.len() == parameters
            && checkpoint.optimizer.fits(checkpoint.settings.optimizer, parameters)
            && checkpoint.average.as_ref().is_none_or(|a| a.values().len() == parameters)
            && checkpoint.average.is_some() == checkpoint.settings.ema.is_some();
        // If it is saved again, then as what this version writes.
        let checkpoint = Checkpoint { version: VERSION, ..checkpoint };
        if fits { Ok(checkpoint) } else { Err(content("the checkpoint contradicts itself")) }
    }
}
