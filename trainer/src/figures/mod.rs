//! Plots and picture sheets of retrieval results.
//!
//! Both are returned as bytes or text; how they reach a file is the caller's
//! choice.

mod precision_recall;
mod sheet;

pub use precision_recall::{FigureError, precision_recall_svg};
pub use sheet::{SheetError, SheetRow, retrieval_sheet_png};
