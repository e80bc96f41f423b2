//! The sections of the page, one module each.

pub mod classes;
pub mod codes;
pub mod comparison;
pub mod curves;
pub mod device;
pub mod map;
pub mod retrieved;
pub mod training;

/// Width and height of a plot in the page, in which its letters can be read on
/// a phone.
const PLOT: (u32, u32) = (480, 400);

/// A share as per cent.
fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
