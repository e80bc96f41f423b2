//! Ranking, its metrics and their confidence intervals.
//!
//! [`evaluate()`] lets images of a set search all the others: [`distances`]
//! gives blocks of queries their distances, [`Ranker`] finds where the relevant
//! images stand, [`Metrics`] and [`curve`] follow from those ranks alone, and
//! [`bootstrap`] says how far the means can be trusted. [`search()`] returns the
//! nearest images themselves; [`codes`] measures embeddings in any code,
//! [`few_shot`] and [`open_set`] recognition with few items enrolled;
//! [`baseline`] has what to compare with. [`naive`] is the same by the definitions, to test against.

pub mod baseline;
pub mod bootstrap;
mod bound;
pub mod codes;
pub mod curve;
pub mod distances;
mod evaluate;
pub mod few_shot;
mod key;
mod metrics;
pub mod naive;
pub mod open_set;
mod panels;
mod ranking;
mod report;
mod search;
#[cfg(test)]
mod tests;

pub use bootstrap::Interval;
pub use evaluate::{ClassResult, EvaluateError, Evaluation, Options, evaluate};
pub use metrics::{CUTOFFS, Metrics, average_precision, precision_recall};
pub use ranking::{Ranker, Ties};
pub use report::{Figure, FigureRow, RANKING, figure_rows, per_class_table, table};
pub use search::search;
