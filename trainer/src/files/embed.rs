//! What a model of either encoding makes of images.

use lookalike::{Binary, Coder, Embedding, F32, Int8, Model, Projected, TwoStage, U8};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::{LoadedModel, LoadedParameters};
use crate::data::Dataset;
use crate::nn;
use crate::retrieval::codes::Coded;

/// A code of embeddings, as the command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum CodeKind {
    /// 32-bit floating point.
    F32,
    /// A byte a value.
    U8,
    /// A signed byte for each value of the model's projection.
    Projected,
    /// A bit a value.
    Binary,
    /// A bit a value to find a shortlist, which a byte a value ranks.
    TwoStage,
}

impl CodeKind {
    /// As the command line spells it.
    pub fn name(self) -> &'static str {
        match self {
            CodeKind::F32 => "f32",
            CodeKind::U8 => "u8",
            CodeKind::Projected => "projected",
            CodeKind::Binary => "binary",
            CodeKind::TwoStage => "two-stage",
        }
    }
}

/// Why a model does not make embeddings of some code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeKindError {
    /// An f32 model was asked for a code that needs a coder.
    #[error("an f32 model makes no {} codes: quantise it first with `trainer quantize`", .0.name())]
    NeedsInt8(CodeKind),
    /// An integer model was asked for f32.
    #[error("an int8 model's embeddings are not f32: choose u8, which loses nothing")]
    NeedsF32,
    /// The model's coder lacks what the code is made by.
    #[error(
        "the model makes no {} codes: quantise it again, with a projection (--project) for \
         projected ones", .0.name()
    )]
    NoCoder(CodeKind),
}

/// Embeddings in some code: `[N, words]`.
#[derive(Clone, Debug)]
pub enum Words {
    /// Of [`CodeKind::F32`].
    F32(Array2<f32>),
    /// Of integer codes.
    U32(Array2<u32>),
}

/// Embeddings of images in one code.
#[derive(Clone, Debug)]
pub struct CodedEmbeddings {
    /// The code.
    pub code: CodeKind,
    /// Values of one embedding.
    pub dimension: usize,
    /// The words of each.
    pub words: Words,
}

impl LoadedModel {
    /// The code of the model's own embeddings.
    pub fn code(&self) -> CodeKind {
        if self.float().is_some() { CodeKind::F32 } else { CodeKind::U8 }
    }

    /// L2-normalised embeddings `[N, E]` of all images, whatever the model's
    /// encoding: those of an integer model are the values of its [`U8`]
    /// embeddings. Runs on rayon's current pool.
    ///
    /// # Panics
    /// When the images are not of the network's input shape.
    pub fn embed(&self, data: &Dataset) -> Array2<f32> {
        match &self.parameters {
            LoadedParameters::F32(parameters) => nn::embed(parameters, data),
            LoadedParameters::Int8(_) => {
                let words = self.u8_words(data);
                let mut values = Array2::zeros((data.len(), self.network.embedding_len()));
                for (words, mut row) in words.outer_iter().zip(values.outer_iter_mut()) {
                    let words = words.to_slice().expect("standard layout");
                    let embedding = u8_embedding(words);
                    row.iter_mut().zip(embedding.values()).for_each(|(to, value)| *to = value);
                }
                values
            }
        }
    }

    /// Embeddings `[N, E]` as [`LoadedModel::embed`], and the classifier's
    /// logits `[N, K]`.
    ///
    /// # Panics
    /// When the images are not of the network's input shape.
    pub fn classify(&self, data: &Dataset) -> (Array2<f32>, Array2<f32>) {
        if let Some(parameters) = self.float() {
            return nn::classify(parameters, data);
        }
        let mut logits = Array2::zeros((data.len(), self.network.classes()));
        if self.network.classes() > 0 {
            let model = int8_model(&self.file);
            each_image(&model, logits.view_mut(), |model, i, workspace, row| {
                model.classify(data.image(i), workspace, row).expect("finite, of fitting lengths");
            });
        }
        (self.embed(data), logits)
    }

    /// The words of [`U8`] embeddings `[N, words]`: an integer model's own.
    ///
    /// # Panics
    /// When the images are not of the network's input shape.
    pub fn u8_words(&self, data: &Dataset) -> Array2<u32> {
        assert_eq!(data.shape, self.network.input());
        let mut words = Array2::zeros((data.len(), U8::words(self.network.embedding_len())));
        match &self.parameters {
            LoadedParameters::F32(parameters) => {
                let embeddings = nn::embed(parameters, data);
                for (row, mut words) in embeddings.outer_iter().zip(words.outer_iter_mut()) {
                    let row = row.to_slice().expect("standard layout");
                    let embedding = Embedding::<F32>::from_slice(row).expect("normalised");
                    let words = words.as_slice_mut().expect("standard layout");
                    U8::encode(&embedding, words).expect("lengths fit");
                }
            }
            LoadedParameters::Int8(_) => {
                let model = int8_model(&self.file);
                each_image(&model, words.view_mut(), |model, i, workspace, row| {
                    let embedding = model.embed(data.image(i), workspace).expect("lengths fit");
                    row.copy_from_slice(embedding.as_slice());
                });
            }
        }
        words
    }

    /// Normalised features `[N, E]` of an integer model before they are rounded
    /// to bytes; an f32 model's embeddings.
    ///
    /// # Panics
    /// When the images are not of the network's input shape.
    pub fn unrounded(&self, data: &Dataset) -> Array2<f32> {
        if self.float().is_some() {
            return self.embed(data);
        }
        assert_eq!(data.shape, self.network.input());
        let mut features = Array2::zeros((data.len(), self.network.embedding_len()));
        each_image(&int8_model(&self.file), features.view_mut(), |model, i, workspace, row| {
            row.copy_from_slice(model.means(data.image(i), workspace).expect("lengths fit"));
        });
        let mut embeddings = Array2::zeros(features.raw_dim());
        nn::normalize_forward(features.view(), embeddings.view_mut());
        embeddings
    }

    /// Embeddings of all images in a code. Runs on rayon's current pool.
    ///
    /// # Errors
    /// [`CodeKindError`] if the model does not make them.
    ///
    /// # Panics
    /// When the images are not of the network's input shape.
    pub fn encode(&self, data: &Dataset, code: CodeKind) -> Result<CodedEmbeddings, CodeKindError> {
        let mut dimension = self.network.embedding_len();
        if code == CodeKind::F32 {
            let words = Words::F32(nn::embed(self.float().ok_or(CodeKindError::NeedsF32)?, data));
            return Ok(CodedEmbeddings { code, dimension, words });
        }
        if code == CodeKind::U8 {
            let words = Words::U32(self.u8_words(data));
            return Ok(CodedEmbeddings { code, dimension, words });
        }
        let quantized = self.quantized().ok_or(CodeKindError::NeedsInt8(code))?;
        let coder = quantized.coder.coder(dimension);
        let missing = if code == CodeKind::Projected {
            coder.outputs() == 0
        } else {
            quantized.coder.is_empty()
        };
        if missing {
            return Err(CodeKindError::NoCoder(code));
        }
        let words = self.u8_words(data);
        let words = match code {
            CodeKind::Projected => project(&coder, words.view()),
            CodeKind::Binary => binarize(&coder, words.view()),
            _ => two_stage(&coder, words.view()),
        };
        if code == CodeKind::Projected {
            dimension = coder.outputs();
        }
        Ok(CodedEmbeddings { code, dimension, words: Words::U32(words) })
    }
}

impl CodedEmbeddings {
    /// Bytes of one embedding.
    pub fn bytes(&self) -> usize {
        4 * match &self.words {
            Words::F32(words) => words.ncols(),
            Words::U32(words) => words.ncols(),
        }
    }

    /// For a benchmark; a search of [`CodeKind::TwoStage`] ranks `shortlist` items.
    pub fn coded(self, shortlist: usize) -> Coded {
        let words = match self.words {
            Words::F32(values) => return Coded::F32(values),
            Words::U32(words) => words,
        };
        match self.code {
            CodeKind::Projected => Coded::projected(words.view(), self.dimension),
            CodeKind::Binary => Coded::Binary(words),
            CodeKind::TwoStage => {
                let (binary, values) =
                    words.view().split_at(Axis(1), Binary::words(self.dimension));
                Coded::TwoStage {
                    binary: binary.to_owned(),
                    values: Box::new(Coded::u8(values, self.dimension)),
                    shortlist,
                }
            }
            CodeKind::F32 | CodeKind::U8 => Coded::u8(words.view(), self.dimension),
        }
    }
}

fn int8_model(file: &[u8]) -> Model<'_, Int8> {
    Model::from_bytes(file).expect("checked when it was read")
}

/// Calls `work(model, image, workspace, row)` for the row of each image, on
/// rayon's current pool.
fn each_image<T: Send + Sync>(
    model: &Model<'_, Int8>,
    mut rows: ndarray::ArrayViewMut2<'_, T>,
    work: impl Fn(&Model<'_, Int8>, usize, &mut [u32], &mut [T]) + Sync,
) {
    rows.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each_init(
        || vec![0; model.workspace_len()],
        |workspace, (i, mut row)| {
            work(model, i, workspace, row.as_slice_mut().expect("standard layout"));
        },
    );
}

/// Words that were made by a model.
fn u8_embedding(words: &[u32]) -> Embedding<'_, U8> {
    Embedding::from_slice(words).expect("a model's own embedding")
}

/// Codes each of [`U8`] embeddings `[N, words]` anew, in `width` words.
fn recode(
    words: ArrayView2<'_, u32>,
    width: usize,
    code: impl Fn(&Embedding<'_, U8>, &mut [u32]),
) -> Array2<u32> {
    let mut coded = Array2::zeros((words.nrows(), width));
    for (words, mut row) in words.outer_iter().zip(coded.outer_iter_mut()) {
        let words = words.to_slice().expect("standard layout");
        code(&u8_embedding(words), row.as_slice_mut().expect("standard layout"));
    }
    coded
}

/// The bits of [`U8`] embeddings `[N, words]`.
///
/// # Panics
/// When the coder makes none, or of embeddings of another length.
pub fn binarize(coder: &Coder<'_>, words: ArrayView2<'_, u32>) -> Array2<u32> {
    recode(words, Binary::words(coder.dimension()), |embedding, row| {
        coder.binarize(embedding, row).expect("lengths fit");
    })
}

/// The projections of [`U8`] embeddings `[N, words]`.
///
/// # Panics
/// When the coder has none, or of embeddings of another length.
pub fn project(coder: &Coder<'_>, words: ArrayView2<'_, u32>) -> Array2<u32> {
    recode(words, Projected::words(coder.outputs()), |embedding, row| {
        coder.project(embedding, row).expect("lengths fit");
    })
}

fn two_stage(coder: &Coder<'_>, words: ArrayView2<'_, u32>) -> Array2<u32> {
    recode(words, TwoStage::words(coder.dimension()), |embedding, row| {
        coder.two_stage(embedding, row).expect("lengths fit");
    })
}
