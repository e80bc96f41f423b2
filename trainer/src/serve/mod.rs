//! `trainer serve`: a page on this machine where one draws, drops or films a
//! thing and sees the nearest items of a gallery.
//!
//! - [`Stock`]: models, a gallery in each of their codes, pictures of its items
//! - [`Finder`]: searches, enrols and removes, with the core's galleries
//! - [`picture`]: what a browser sends, as a network's input
//! - [`serve()`]: the page and its interface over HTTP, for this machine only
//!
//! See `docs/serve.md` for what is refused and why.

mod finder;
mod http;
mod ink;
mod page;
pub mod picture;
mod saved;
mod shelf;
mod stock;

pub use finder::{About, Enrolled, Finder, FinderError, Found};
pub use http::{Limits, ServeError, serve};
pub use ink::Style;
pub use saved::SavedError;
pub use stock::{Stock, StockError};
