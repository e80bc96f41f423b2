//! Models, images and the embeddings that they must have, read from a file of
//! the machine that runs the emulator: more than a board's flash holds.
//!
//! `tests/examples/identity_cases.rs` writes the file. Words are little-endian,
//! and everything is padded to whole words:
//!
//! ```text
//! case   START, model bytes, index of a model in flash if there are none,
//!        images, image bytes, words of an embedding; the model; the images
//! image  its pixels, its embedding
//! end    END
//! ```

use core::ffi::CStr;

use semihosting::fs::File;
use semihosting::io::{self, Read};

/// Begins a case.
const START: u32 = u32::from_le_bytes(*b"CASE");
/// Follows the last.
const END: u32 = u32::from_le_bytes(*b"END.");

/// Why the file cannot be read.
#[derive(Debug)]
pub enum CaseError {
    /// The host does not give it.
    Io(io::Error),
    /// Something else stands where a case should begin.
    Format,
}

impl core::fmt::Display for CaseError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            CaseError::Io(error) => write!(f, "cannot read the cases: {error}"),
            CaseError::Format => f.write_str("this is no file of cases"),
        }
    }
}

impl From<io::Error> for CaseError {
    fn from(error: io::Error) -> Self {
        CaseError::Io(error)
    }
}

/// What follows in the file.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// 0 for a model in flash.
    pub model_bytes: usize,
    /// Which of them.
    pub index: usize,
    pub images: usize,
    pub image_bytes: usize,
    pub embedding_words: usize,
}

/// The file.
pub struct Cases(File);

impl Cases {
    pub fn open(path: &CStr) -> Result<Cases, CaseError> {
        Ok(Cases(File::open(path)?))
    }

    /// The next case; `None` after the last.
    pub fn next_case(&mut self) -> Result<Option<Case>, CaseError> {
        let [start] = self.words()?;
        match start {
            START => {
                let [model_bytes, index, images, image_bytes, embedding_words] =
                    self.words()?.map(|word| word as usize);
                Ok(Some(Case { model_bytes, index, images, image_bytes, embedding_words }))
            }
            END => Ok(None),
            _ => Err(CaseError::Format),
        }
    }

    fn words<const N: usize>(&mut self) -> Result<[u32; N], CaseError> {
        let mut words = [0; N];
        self.read(&mut words)?;
        Ok(words)
    }

    /// Fills the words with what comes next.
    pub fn read(&mut self, words: &mut [u32]) -> Result<(), CaseError> {
        Ok(self.0.read_exact(bytemuck::cast_slice_mut(words))?)
    }

    /// Passes over `words` words.
    pub fn skip(&mut self, words: usize) -> Result<(), CaseError> {
        let mut buffer = [0; 32];
        let mut left = words;
        while left > 0 {
            let len = left.min(buffer.len());
            let (now, _) = buffer.split_at_mut(len);
            left -= now.len();
            self.read(now)?;
        }
        Ok(())
    }
}
