//! Fixtures and helpers of the tests that span the crates.

mod fixture;
pub mod int8_oracle;
pub mod oracle;
pub mod quantized;
pub mod random;

pub use fixture::Fixture;
