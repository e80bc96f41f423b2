//! For Armv7E-M and Armv8-M with the DSP instructions, which multiply two pairs
//! of 16-bit halves at a time: Cortex-M4, M7 and M33.

/// Lets the assembler take the DSP instructions, which the targets of Armv8-M
/// leave out.
#[cfg(arm_v8m)]
macro_rules! cpu {
    () => {
        ".cpu cortex-m33"
    };
}
#[cfg(not(arm_v8m))]
macro_rules! cpu {
    () => {
        ""
    };
}
use cpu;

pub(crate) mod direct;
pub(crate) mod search;
pub(crate) mod winograd;
