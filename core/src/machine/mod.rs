//! Inner loops in machine instructions: the only unsafe code of this library.
//!
//! Every function here has a portable twin. The integer ones give its bits. The
//! feature `portable` leaves this module out.

/// Lets the assembler take the DSP instructions, which the targets of Armv8-M
/// leave out.
#[cfg(all(arm_dsp, arm_v8m))]
macro_rules! dsp_cpu {
    () => {
        ".cpu cortex-m33"
    };
}
#[cfg(all(arm_dsp, not(arm_v8m)))]
macro_rules! dsp_cpu {
    () => {
        ""
    };
}
#[cfg(arm_dsp)]
use dsp_cpu;

#[cfg(arm_dsp)]
pub(crate) mod dsp_direct;
#[cfg(arm_vfma)]
pub(crate) mod fpu;
#[cfg(arm_dsp)]
pub(crate) mod search_dsp;
#[cfg(arm_v6m)]
pub(crate) mod search_v6m;
#[cfg(arm_v6m)]
pub(crate) mod v6m;
#[cfg(arm_v6m)]
pub(crate) mod v6m_direct;
#[cfg(arm_dsp)]
pub(crate) mod winograd_dsp;
