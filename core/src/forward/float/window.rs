//! What a few neighbouring output pixels read.

/// The same columns of `ROWS` rows of a map.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a, const ROWS: usize> {
    pub rows: [&'a [f32]; ROWS],
    pub columns: usize,
    pub channels: usize,
}

impl<'a, const ROWS: usize> Window<'a, ROWS> {
    /// `columns` columns from column `x` on.
    #[inline(always)]
    pub fn new(rows: &[&'a [f32]; ROWS], channels: usize, x: usize, columns: usize) -> Self {
        let start = x * channels;
        let rows = rows.map(|row| row.get(start..start + columns * channels).unwrap_or_default());
        Window { rows, columns, channels }
    }
}
