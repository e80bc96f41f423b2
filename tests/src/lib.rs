//! Fixtures and helpers of the tests that span the crates.
