//! Plots and picture sheets of retrieval results, and of times.
//!
//! They are returned as bytes or text; how they reach a file is the caller's
//! choice.

mod lines;
mod per_class;
mod precision_recall;
mod scaling;
mod sheet;
mod svg;

pub use lines::{Corner, LineChart, Series, line_chart_svg};
pub use per_class::per_class_svg;
pub use precision_recall::{Curve, chart as curves_chart, curves_svg, precision_recall_svg};
pub use scaling::{Panel, scaling_svg};
pub use sheet::{SheetError, SheetRow, retrieval_sheet_png};
pub use svg::{FigureError, PALETTE, described, escaped, short};
