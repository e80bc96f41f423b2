//! The convolution kernel for Cortex-M with an FPU, in machine instructions:
//! the only unsafe code of this library.
//!
//! Stable Rust has no fused multiply-add without a maths library, and an
//! ordinary product and sum are two instructions. Two pixels of eight lanes
//! take half of the FPU's 32 registers: a load of eight weights serves 16
//! multiply-adds. The order of the sums is the portable kernel's, but each step
//! rounds once instead of twice, so the last bits may differ.

use core::arch::asm;

use super::{BLOCK, Lanes, Window};

/// Neighbours of a row that are computed together.
pub(super) const PIXELS: usize = 2;

/// Adds the product of the weights in s24-s31 and `$x` to the lanes of the
/// first pixel, s0-s7.
macro_rules! first {
    ($x:literal) => {
        concat!(
            "vfma.f32 s0, s24, ", $x, "\nvfma.f32 s1, s25, ", $x, "\n",
            "vfma.f32 s2, s26, ", $x, "\nvfma.f32 s3, s27, ", $x, "\n",
            "vfma.f32 s4, s28, ", $x, "\nvfma.f32 s5, s29, ", $x, "\n",
            "vfma.f32 s6, s30, ", $x, "\nvfma.f32 s7, s31, ", $x,
        )
    };
}

/// The same for the second pixel, s8-s15.
macro_rules! second {
    ($x:literal) => {
        concat!(
            "vfma.f32 s8, s24, ", $x, "\nvfma.f32 s9, s25, ", $x, "\n",
            "vfma.f32 s10, s26, ", $x, "\nvfma.f32 s11, s27, ", $x, "\n",
            "vfma.f32 s12, s28, ", $x, "\nvfma.f32 s13, s29, ", $x, "\n",
            "vfma.f32 s14, s30, ", $x, "\nvfma.f32 s15, s31, ", $x,
        )
    };
}

/// The sums of two neighbouring pixels; zeros for slices that are too short.
#[inline(always)]
fn pair(block: &[Lanes], rows: [&[f32]; 3], channels: usize) -> [Lanes; 2] {
    let mut sums = [[0.0; BLOCK]; 2];
    let [r0, r1, r2] = rows;
    if channels == 0
        || block.len() != 9 * channels + 1
        || rows.iter().any(|row| row.len() < 4 * channels)
    {
        return sums;
    }
    // SAFETY: the loops read 9 x channels + 1 rows of the block and, for two
    // pixels, 4 x channels values of each row; that many exist. They write
    // nothing but `sums`.
    unsafe {
        asm!(
            "vldmia {weights}, {{s8-s15}}",
            "vldmia {weights}!, {{s0-s7}}",
            "movs {row}, #3",
            "2:",
            "add {y}, {x}, {channels}, lsl #2",
            "mov {count}, {channels}",
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
            "mov {x}, {r1}",
            "mov {r1}, {r2}",
            "subs {row}, {row}, #1",
            "bne 2b",
            "vstmia {sums}, {{s0-s15}}",
            weights = inout(reg) block.as_ptr() => _,
            x = inout(reg) r0.as_ptr() => _,
            r1 = inout(reg) r1.as_ptr() => _,
            r2 = in(reg) r2.as_ptr(),
            sums = in(reg) sums.as_mut_ptr(),
            channels = in(reg) channels,
            y = out(reg) _,
            row = out(reg) _,
            count = out(reg) _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _,
            out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d8") _, out("d9") _, out("d10") _, out("d11") _,
            out("d12") _, out("d13") _, out("d14") _, out("d15") _,
            options(nostack),
        );
    }
    sums
}

/// The sums of one pixel; zeros for slices that are too short.
#[inline(always)]
fn single(block: &[Lanes], rows: [&[f32]; 3], channels: usize) -> Lanes {
    let mut sums = [0.0; BLOCK];
    let [r0, r1, r2] = rows;
    if channels == 0
        || block.len() != 9 * channels + 1
        || rows.iter().any(|row| row.len() < 3 * channels)
    {
        return sums;
    }
    // SAFETY: the loops read 9 x channels + 1 rows of the block and 3 x channels
    // values of each row; that many exist. They write nothing but `sums`.
    unsafe {
        asm!(
            "vldmia {weights}!, {{s0-s7}}",
            "movs {row}, #3",
            "2:",
            "mov {count}, {channels}",
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
            "mov {x}, {r1}",
            "mov {r1}, {r2}",
            "subs {row}, {row}, #1",
            "bne 2b",
            "vstmia {sums}, {{s0-s7}}",
            weights = inout(reg) block.as_ptr() => _,
            x = inout(reg) r0.as_ptr() => _,
            r1 = inout(reg) r1.as_ptr() => _,
            r2 = in(reg) r2.as_ptr(),
            sums = in(reg) sums.as_mut_ptr(),
            channels = in(reg) channels,
            row = out(reg) _,
            count = out(reg) _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _,
            out("d8") _, out("d9") _,
            out("d12") _, out("d13") _, out("d14") _, out("d15") _,
            options(nostack),
        );
    }
    sums
}

/// As the portable kernel's; the second pixel of a window with one is 0.
#[inline(always)]
pub(super) fn rectified(block: &[Lanes], window: &Window<'_, 3>) -> [Lanes; PIXELS] {
    let Window { rows, columns, channels } = *window;
    let sums = match columns {
        0..=3 => [single(block, rows, channels), [0.0; BLOCK]],
        _ => pair(block, rows, channels),
    };
    sums.map(|sums| sums.map(|sum| if sum > 0.0 { sum } else { 0.0 }))
}

/// As the portable kernel's.
#[inline(always)]
pub(super) fn maximum(block: &[Lanes], window: &Window<'_, 4>) -> Lanes {
    let Window { rows: [r0, r1, r2, r3], channels, .. } = *window;
    let [a, b] = pair(block, [r0, r1, r2], channels);
    let [c, d] = pair(block, [r1, r2, r3], channels);
    core::array::from_fn(|lane| {
        // As integers, the bits of positive numbers are in the numbers' order,
        // and those of negative ones are below 0.
        let bits = |sums: &Lanes| sums.get(lane).map_or(0, |sum| sum.to_bits().cast_signed());
        let maximum = bits(&a).max(bits(&b)).max(bits(&c)).max(bits(&d)).max(0);
        f32::from_bits(maximum.cast_unsigned())
    })
}
