//! Inner loops in machine instructions: the only unsafe code of this library.
//!
//! Every function here has a portable twin. The integer ones give its bits. The
//! feature `portable` leaves this module out.

#[cfg(arm_dsp)]
pub(crate) mod dsp;
#[cfg(arm_vfma)]
pub(crate) mod fpu;
#[cfg(arm_v6m)]
pub(crate) mod v6m;
