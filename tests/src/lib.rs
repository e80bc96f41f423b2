//! Fixtures and helpers of the tests that span the crates.

mod fixture;
pub mod oracle;

pub use fixture::Fixture;
