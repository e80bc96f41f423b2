//! For Armv6-M and the baseline of Armv8-M, which multiply 32 bits by 32 to 32:
//! Cortex-M0, M0+ and M23.

pub(crate) mod direct;
pub(crate) mod search;
pub(crate) mod winograd;
