//! What each code of embeddings costs, in one table.

use serde::Serialize;

use super::study::{Options, learn_coder};
use crate::data::Dataset;
use crate::files::{CodeKind, CodeKindError, LoadedModel, project};
use crate::retrieval::codes::{Benchmark, CodeFigures, Coded};

/// A row: one model's embeddings in one code.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CodeRow {
    /// Model and code.
    pub code: String,
    /// Bytes of an item in a gallery.
    pub bytes_per_item: usize,
    /// What it retrieves.
    #[serde(flatten)]
    pub figures: CodeFigures,
    /// The code of the row that it is compared with.
    pub against: Option<String>,
    /// By how much mean average precision is below that row's.
    pub map_drop: Option<f64>,
    /// By how much precision@1 is below that row's.
    pub precision_drop: Option<f64>,
}

/// All rows, for the same images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CodeTable {
    /// Images, each of which searches all others.
    pub images: usize,
    /// Items that a two-stage search ranks.
    pub shortlist: usize,
    /// The rows.
    pub rows: Vec<CodeRow>,
}

/// Why there is no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// No image has another of its class.
    #[error("no image has another image of its class to find")]
    NothingRelevant,
    /// A model does not make a code.
    #[error(transparent)]
    Code(#[from] CodeKindError),
}

impl CodeTable {
    fn add(
        &mut self,
        code: String,
        bytes: usize,
        figures: Option<CodeFigures>,
        against: Option<usize>,
    ) -> Result<(), TableError> {
        let figures = figures.ok_or(TableError::NothingRelevant)?;
        let reference = against.map(|row| &self.rows[row]);
        let drop = |of: fn(&CodeFigures) -> f64| {
            reference.map(|reference| of(&reference.figures) - of(&figures))
        };
        let row = CodeRow {
            code,
            bytes_per_item: bytes,
            figures,
            against: reference.map(|reference| reference.code.clone()),
            map_drop: drop(|f| f.mean_average_precision),
            precision_drop: drop(|f| f.precision_at_1),
        };
        self.rows.push(row);
        Ok(())
    }
}

/// Measures the codes of `int8`, which was made of `model`, on `items`;
/// projections other than its own, to each of `outputs` values, are learned
/// from `train`. Runs on rayon's current pool.
///
/// # Errors
/// [`TableError`].
///
/// # Panics
/// When the images are not of the network's input shape.
pub fn measure(
    model: &LoadedModel,
    int8: &LoadedModel,
    train: &Dataset,
    items: &Dataset,
    (outputs, shortlist, seed): (&[usize], usize, u64),
) -> Result<CodeTable, TableError> {
    let exact = model.embed(items);
    let dimension = exact.ncols();
    let benchmark = Benchmark::new(&items.labels, exact.view());
    let mut table = CodeTable { images: items.len(), shortlist, rows: Vec::new() };
    let f32_bytes = 4 * dimension;
    table.add("f32 model, f32".into(), f32_bytes, benchmark.measure(&Coded::F32(exact)), None)?;
    let unrounded = Coded::F32(int8.unrounded(items));
    table.add("int8 model, f32".into(), f32_bytes, benchmark.measure(&unrounded), Some(0))?;
    drop(unrounded);

    let words = int8.u8_words(items);
    let u8_codes = Coded::u8(words.view(), dimension);
    table.add("int8, u8".into(), 4 * words.ncols(), benchmark.measure(&u8_codes), Some(1))?;
    drop(u8_codes);
    let own = int8.quantized().map_or(0, |quantized| quantized.coder.offsets.len());
    for &outputs in outputs.iter().filter(|&&outputs| outputs > 0) {
        let learned;
        let coder = match int8.quantized() {
            Some(quantized) if outputs == own => &quantized.coder,
            _ => {
                learned =
                    learn_coder(int8, train, &Options { outputs, seed, ..Options::default() }).0;
                &learned
            }
        };
        let projected = project(&coder.coder(dimension), words.view());
        let figures = benchmark.measure(&Coded::projected(projected.view(), outputs));
        let name = format!("int8, projected to {outputs}");
        table.add(name, 4 * projected.ncols(), figures, Some(2))?;
    }
    for code in [CodeKind::Binary, CodeKind::TwoStage] {
        let coded = int8.encode(items, code)?;
        let bytes = coded.bytes();
        let name = match code {
            CodeKind::TwoStage => format!("int8, two-stage, shortlist of {shortlist}"),
            code => format!("int8, {}", code.name()),
        };
        table.add(name, bytes, benchmark.measure(&coded.coded(shortlist)), Some(2))?;
    }
    Ok(table)
}
