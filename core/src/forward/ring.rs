//! The last few rows of an activation map.

/// The newest `ROWS` rows of a map that is produced from top to bottom: row y
/// lies in slot y mod `ROWS`.
pub(super) struct Ring<'w, T, const ROWS: usize> {
    values: &'w mut [T],
    row_len: usize,
}

impl<'w, T, const ROWS: usize> Ring<'w, T, ROWS> {
    /// Takes its memory from the start of the workspace and gives the rest back.
    pub fn new(workspace: &'w mut [T], row_len: usize) -> Option<(Self, &'w mut [T])> {
        let (values, rest) = workspace.split_at_mut_checked(ROWS * row_len)?;
        Some((Ring { values, row_len }, rest))
    }

    const fn start(&self, y: usize) -> usize {
        y % ROWS * self.row_len
    }

    /// Row `y`, to be overwritten.
    pub fn row_mut(&mut self, y: usize) -> &mut [T] {
        let start = self.start(y);
        self.values.get_mut(start..start + self.row_len).unwrap_or_default()
    }

    /// Rows `y` to `y + ROWS - 1`.
    pub fn rows(&self, y: usize) -> [&[T]; ROWS] {
        core::array::from_fn(|i| {
            let start = self.start(y + i);
            self.values.get(start..start + self.row_len).unwrap_or_default()
        })
    }
}
