//! Embeddings with what belongs to each of them, as files for other tools:
//! `docs/other-tools.md` shows how those load them.
//!
//! A table has one row an image, in the order of the data set:
//!
//! | column | type | what |
//! |---|---|---|
//! | `id` | 64-bit integer | the row's number from 0, which is the item's id in a gallery of the same images |
//! | `label` | 32-bit integer | the class's number |
//! | `class_name` | text | the class's name |
//! | `split` | text | the split: `train`, `test`, `fit` or `validation` |
//! | `embedding` | `[D]` of 32-bit floats | L2-normalised |

#[cfg(feature = "parquet")]
mod arrow_schema;
#[cfg(feature = "parquet")]
mod parquet;
mod pgcopy;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2};
use safetensors::tensor::{Dtype, View, serialize};

use super::npy::npy;
use super::{LoadedModel, WriteError, write_atomically, write_together};
use crate::data::{Dataset, Split};

/// Rows that are embedded and written at once: 8 MB of 256 values each.
const ROWS: usize = 8192;

/// The images of a split, to be embedded by a model.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingTable<'a> {
    /// The model.
    pub model: &'a LoadedModel,
    /// What the file calls the model.
    pub model_name: &'a str,
    /// The images.
    pub data: &'a Dataset,
    /// The split that they are.
    pub split: Split,
}

/// A file format for [`EmbeddingTable::write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableFormat {
    /// NumPy's: the embeddings, float32 `[N, D]`, and in a file of its own,
    /// [`labels_path`], the labels, int64 `[N]`.
    Npy,
    /// Parquet, uncompressed, with an Arrow schema that makes the embedding a
    /// `FixedSizeList<float32>`, and [`EmbeddingTable::metadata`].
    #[cfg(feature = "parquet")]
    Parquet,
    /// PostgreSQL's binary `COPY` format of the columns id, label, class name
    /// and embedding, the latter as pgvector's `vector`.
    PgCopy,
    /// Tensors `embeddings`, F32 `[N, D]`, and `labels`, I64 `[N]`, with
    /// [`EmbeddingTable::metadata`] and `class_names` as JSON under `lookalike`.
    Safetensors,
}

/// Why a table cannot be written; what was there before is unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The embedding is too long for pgvector.
    #[error(
        "{}: pgvector takes embeddings of up to {limit} dimensions, and the model's have \
         {dimension}; write another format, or use a smaller model", path.display()
    )]
    Dimension {
        /// The file that was to be written.
        path: PathBuf,
        /// The model's dimensions.
        dimension: usize,
        /// pgvector's limit.
        limit: usize,
    },
}

impl TableFormat {
    /// The format of files with this ending, without its dot.
    pub fn of_extension(extension: &OsStr) -> Option<TableFormat> {
        match extension.to_str()? {
            "npy" => Some(TableFormat::Npy),
            #[cfg(feature = "parquet")]
            "parquet" => Some(TableFormat::Parquet),
            "pgcopy" => Some(TableFormat::PgCopy),
            "safetensors" => Some(TableFormat::Safetensors),
            _ => None,
        }
    }
}

/// Where [`TableFormat::Npy`] writes the labels: `x.labels.npy` beside `x.npy`.
pub fn labels_path(path: &Path) -> PathBuf {
    path.with_extension("labels.npy")
}

impl EmbeddingTable<'_> {
    /// Embeds the images and writes the table, atomically, on rayon's current
    /// pool. Parquet and COPY files are written as the embeddings are made, so
    /// that the memory it takes does not grow with the number of images; the
    /// others hold all embeddings at once.
    ///
    /// # Errors
    /// When the file cannot be written or its format does not take such
    /// embeddings; see [`TableError`].
    ///
    /// # Panics
    /// When the images are not of the network's input shape.
    pub fn write(&self, path: &Path, format: TableFormat) -> Result<(), TableError> {
        match format {
            TableFormat::Npy => {
                let (embeddings, labels) = (self.model.embed(self.data), self.labels());
                write_together([
                    (path, Box::new(npy(&embeddings))),
                    (&labels_path(path), Box::new(npy(&labels))),
                ])?;
            }
            #[cfg(feature = "parquet")]
            TableFormat::Parquet => write_atomically(path, |out| parquet::write(self, out))?,
            TableFormat::PgCopy => {
                let (dimension, limit) = (self.dimension(), pgcopy::LIMIT);
                if dimension > limit {
                    let path = path.to_path_buf();
                    return Err(TableError::Dimension { path, dimension, limit });
                }
                write_atomically(path, |out| pgcopy::write(self, out))?;
            }
            TableFormat::Safetensors => self.write_safetensors(path)?,
        }
        Ok(())
    }

    /// What the file says of the embeddings: key and value.
    pub fn metadata(&self) -> [(&'static str, String); 5] {
        [
            ("lookalike.model", self.model_name.to_owned()),
            ("lookalike.model_fingerprint", format!("{:08x}", self.model.fingerprint)),
            ("lookalike.code", self.model.code().name().to_owned()),
            ("lookalike.dimension", self.dimension().to_string()),
            // What `trainer search` prints; of vectors of length 1, the inner
            // product and the cosine rank alike.
            ("lookalike.distance", "squared L2".to_owned()),
        ]
    }

    fn dimension(&self) -> usize {
        self.model.network.embedding_len()
    }

    fn labels(&self) -> Array1<i64> {
        self.data.labels.iter().map(|&label| i64::from(label)).collect()
    }

    fn class_name(&self, row: usize) -> &str {
        &self.data.class_names[usize::from(self.data.labels[row])]
    }

    /// The embeddings `[rows, D]` of some rows at a time, in order.
    fn blocks(&self) -> impl Iterator<Item = (Range<usize>, Array2<f32>)> + '_ {
        (0..self.data.len()).step_by(ROWS).map(|start| {
            let rows = start..self.data.len().min(start + ROWS);
            let images: Vec<u32> = rows.clone().map(|row| row as u32).collect();
            (rows, self.model.embed(&self.data.subset(&images)))
        })
    }

    fn write_safetensors(&self, path: &Path) -> Result<(), WriteError> {
        let (embeddings, labels) = (self.model.embed(self.data), self.labels());
        let tensors = [
            ("embeddings", Tensor::new(Dtype::F32, embeddings.shape(), embeddings.as_slice())),
            ("labels", Tensor::new(Dtype::I64, labels.shape(), labels.as_slice())),
        ];
        let mut about: serde_json::Map<_, _> = self
            .metadata()
            .map(|(key, value)| (key.to_owned(), value.into()))
            .into_iter()
            .collect();
        about.insert("lookalike.class_names".into(), self.data.class_names.as_slice().into());
        // One entry: the library writes several in any order.
        let about =
            HashMap::from([("lookalike".into(), serde_json::Value::from(about).to_string())]);
        write_atomically(path, |out| {
            out.write_all(&serialize(tensors, Some(about)).map_err(io::Error::other)?)
        })
    }
}

/// Values of an array as the safetensors library takes them.
struct Tensor<'a> {
    dtype: Dtype,
    shape: &'a [usize],
    bytes: &'a [u8],
}

impl<'a> Tensor<'a> {
    fn new<A: bytemuck::NoUninit>(
        dtype: Dtype,
        shape: &'a [usize],
        values: Option<&'a [A]>,
    ) -> Tensor<'a> {
        Tensor { dtype, shape, bytes: bytemuck::cast_slice(values.expect("standard layout")) }
    }
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.bytes.into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests;
