//! The convolution's inner loop in machine instructions: the only unsafe code
//! of this library.
//!
//! Stable Rust gives no fused multiply-add to a target without a maths library,
//! and an ordinary product and sum are two instructions. Sums are taken in the
//! portable kernel's order but rounded once a step instead of twice.

use core::arch::asm;

use crate::forward::{BLOCK, Lanes};

/// Adds `x` times the weights in s24-s31 to the first pixel's lanes, s0-s7.
macro_rules! first {
    ($x:literal) => {
        concat!(
            "vfma.f32 s0, s24, ", $x, "\n", "vfma.f32 s1, s25, ", $x, "\n",
            "vfma.f32 s2, s26, ", $x, "\n", "vfma.f32 s3, s27, ", $x, "\n",
            "vfma.f32 s4, s28, ", $x, "\n", "vfma.f32 s5, s29, ", $x, "\n",
            "vfma.f32 s6, s30, ", $x, "\n", "vfma.f32 s7, s31, ", $x, "\n",
        )
    };
}

/// The same for the second pixel's lanes, s8-s15.
macro_rules! second {
    ($x:literal) => {
        concat!(
            "vfma.f32 s8, s24, ", $x, "\n", "vfma.f32 s9, s25, ", $x, "\n",
            "vfma.f32 s10, s26, ", $x, "\n", "vfma.f32 s11, s27, ", $x, "\n",
            "vfma.f32 s12, s28, ", $x, "\n", "vfma.f32 s13, s29, ", $x, "\n",
            "vfma.f32 s14, s30, ", $x, "\n", "vfma.f32 s15, s31, ", $x, "\n",
        )
    };
}

/// The sums of one block, a row of biases and then `9 x inputs` rows of
/// weights, at `PIXELS` (1 or 2) pixels, each of which reads three runs of `3 x inputs`
/// values. `None` if a run is shorter.
#[inline(always)]
pub(crate) fn convolve<const PIXELS: usize>(
    block: &[Lanes],
    runs: &[[&[f32]; PIXELS]; 3],
) -> Option<[Lanes; PIXELS]> {
    const { assert!(PIXELS == 1 || PIXELS == 2) };
    let inputs = block.len().checked_sub(1)? / 9;
    if inputs == 0 || runs.as_flattened().iter().any(|run| run.len() < 3 * inputs) {
        return None;
    }
    let pointers = runs.map(|row| row.map(<[f32]>::as_ptr));
    let mut sums = [[0.0; BLOCK]; PIXELS];
    // SAFETY: reads 1 + 3 x 3 x inputs rows of the block and 3 x inputs values
    // of every run, all shown to exist above; writes all of `sums`; every
    // register that is changed is declared.
    unsafe {
        if PIXELS == 2 {
            asm!(
                "vldmia {weights}, {{s8-s15}}",
                "vldmia {weights}!, {{s0-s7}}",
                "2:",
                "ldrd {x}, {y}, [{runs}], #8",
                "mov {count}, {inputs}",
                "3:",
                "vldmia {x}!, {{s16-s18}}",
                "vldmia {y}!, {{s19-s21}}",
                "vldmia {weights}!, {{s24-s31}}",
                first!("s16"),
                second!("s19"),
                "vldmia {weights}!, {{s24-s31}}",
                first!("s17"),
                second!("s20"),
                "vldmia {weights}!, {{s24-s31}}",
                first!("s18"),
                second!("s21"),
                "subs {count}, {count}, #1",
                "bne 3b",
                "cmp {runs}, {end}",
                "bne 2b",
                "vstmia {sums}, {{s0-s15}}",
                weights = inout(reg) block.as_ptr() => _,
                runs = inout(reg) pointers.as_ptr() => _,
                end = in(reg) pointers.as_ptr_range().end,
                sums = in(reg) sums.as_mut_ptr(),
                inputs = in(reg) inputs,
                count = out(reg) _,
                x = out(reg) _,
                y = out(reg) _,
                out("d0") _, out("d1") _, out("d2") _, out("d3") _,
                out("d4") _, out("d5") _, out("d6") _, out("d7") _,
                out("d8") _, out("d9") _, out("d10") _, out("d11") _,
                out("d12") _, out("d13") _, out("d14") _, out("d15") _,
                options(nostack),
            );
        } else {
            asm!(
                "vldmia {weights}!, {{s0-s7}}",
                "2:",
                "ldr {x}, [{runs}], #4",
                "mov {count}, {inputs}",
                "3:",
                "vldmia {x}!, {{s16-s18}}",
                "vldmia {weights}!, {{s24-s31}}",
                first!("s16"),
                "vldmia {weights}!, {{s24-s31}}",
                first!("s17"),
                "vldmia {weights}!, {{s24-s31}}",
                first!("s18"),
                "subs {count}, {count}, #1",
                "bne 3b",
                "cmp {runs}, {end}",
                "bne 2b",
                "vstmia {sums}, {{s0-s7}}",
                weights = inout(reg) block.as_ptr() => _,
                runs = inout(reg) pointers.as_ptr() => _,
                end = in(reg) pointers.as_ptr_range().end,
                sums = in(reg) sums.as_mut_ptr(),
                inputs = in(reg) inputs,
                count = out(reg) _,
                x = out(reg) _,
                out("d0") _, out("d1") _, out("d2") _, out("d3") _,
                out("d8") _, out("d9") _, out("d12") _, out("d13") _,
                out("d14") _, out("d15") _,
                options(nostack),
            );
        }
    }
    Some(sums)
}
