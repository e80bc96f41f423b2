//! The single-image forward pass, fused and streamed by rows: in `float` for
//! models of 32-bit floating-point parameters, in `int8` for quantised ones.
//!
//! No activation map is ever held: each stage keeps the few rows that the next
//! one reads, in a [`Ring`].

pub(crate) mod float;
pub(crate) mod int8;
mod ring;

use ring::Ring;

/// Rows of input that a row of a pooled convolution reads: a window of 2
/// pixels, each with 3 rows.
const POOLED: usize = 4;
/// Rows of input that a row of a convolution reads.
const PLAIN: usize = 3;

/// What is read of a stage's output: pooling may drop a last row and column.
struct Extent {
    rows: usize,
    columns: usize,
}

impl Extent {
    /// What a pooled convolution reads to produce `rows` x `columns`.
    const fn before_pooled(rows: usize, columns: usize) -> Extent {
        Extent { rows: 2 * rows + 2, columns: 2 * columns + 2 }
    }
}
