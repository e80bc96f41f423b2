//! Inner loops for Cortex-M with an FPU.
//!
//! Stable Rust has no fused multiply-add without a maths library, and an
//! ordinary product and sum are two instructions. Every function here has a
//! portable twin that sums in the same order, but rounds twice at each step
//! instead of once, so the last bits may differ.

use core::arch::asm;
use core::mem::MaybeUninit;

use crate::forward::float::{BLOCK, Lanes};

/// Adds the product of the weights in s24-s31 and `$x` to the lanes of the
/// first pixel, s0-s7.
macro_rules! first {
    ($x:literal) => {
        concat!(
            "vfma.f32 s0, s24, ",
            $x,
            "\nvfma.f32 s1, s25, ",
            $x,
            "\n",
            "vfma.f32 s2, s26, ",
            $x,
            "\nvfma.f32 s3, s27, ",
            $x,
            "\n",
            "vfma.f32 s4, s28, ",
            $x,
            "\nvfma.f32 s5, s29, ",
            $x,
            "\n",
            "vfma.f32 s6, s30, ",
            $x,
            "\nvfma.f32 s7, s31, ",
            $x,
            "\n",
        )
    };
}

/// The same for the second pixel, s8-s15.
macro_rules! second {
    ($x:literal) => {
        concat!(
            "vfma.f32 s8, s24, ",
            $x,
            "\nvfma.f32 s9, s25, ",
            $x,
            "\n",
            "vfma.f32 s10, s26, ",
            $x,
            "\nvfma.f32 s11, s27, ",
            $x,
            "\n",
            "vfma.f32 s12, s28, ",
            $x,
            "\nvfma.f32 s13, s29, ",
            $x,
            "\n",
            "vfma.f32 s14, s30, ",
            $x,
            "\nvfma.f32 s15, s31, ",
            $x,
            "\n",
        )
    };
}

/// The sums of two neighbouring pixels to s0-s15: `weights` points to a block,
/// `rows` to three pointers. Moves both behind what was read.
macro_rules! sum_pair {
    () => {
        concat!(
            "vldmia {weights}, {{s8-s15}}\n",
            "vldmia {weights}!, {{s0-s7}}\n",
            "movs {row}, #3\n",
            "2:\n",
            "ldr {x}, [{rows}], #4\n",
            "mov {count}, {channels}\n",
            "add {y}, {x}, {channels}, lsl #2\n",
            "3:\n",
            "vldmia {x}!, {{s16-s18}}\n",
            "vldmia {y}!, {{s19-s21}}\n",
            "vldmia {weights}!, {{s24-s31}}\n",
            first!("s16"),
            second!("s19"),
            "vldmia {weights}!, {{s24-s31}}\n",
            first!("s17"),
            second!("s20"),
            "vldmia {weights}!, {{s24-s31}}\n",
            first!("s18"),
            second!("s21"),
            "subs {count}, {count}, #1\n",
            "bne 3b\n",
            "subs {row}, {row}, #1\n",
            "bne 2b",
        )
    };
}

/// The sums of two neighbouring pixels; zeros for slices that are too short.
#[inline(always)]
pub(crate) fn convolve_pair(block: &[Lanes], rows: [&[f32]; 3], channels: usize) -> [Lanes; 2] {
    if channels == 0
        || block.len() != 9 * channels + 1
        || rows.iter().any(|row| row.len() < 4 * channels)
    {
        return [[0.0; BLOCK]; 2];
    }
    let rows = rows.map(<[f32]>::as_ptr);
    let mut sums = MaybeUninit::<[Lanes; 2]>::uninit();
    // SAFETY: the loops read 9 x channels + 1 rows of the block and, for two
    // pixels, 4 x channels values of each row; that many exist. They write all
    // of `sums` and nothing else.
    unsafe {
        asm!(
            sum_pair!(),
            "vstmia {sums}, {{s0-s15}}",
            weights = inout(reg) block.as_ptr() => _,
            rows = inout(reg) rows.as_ptr() => _,
            sums = in(reg) sums.as_mut_ptr(),
            channels = in(reg) channels,
            x = out(reg) _,
            y = out(reg) _,
            row = out(reg) _,
            count = out(reg) _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _,
            out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d8") _, out("d9") _, out("d10") _, out("d11") _,
            out("d12") _, out("d13") _, out("d14") _, out("d15") _,
            options(nostack),
        );
        sums.assume_init()
    }
}

/// What [`maxima`] keeps in memory.
#[repr(C)]
struct Square {
    rows: [*const f32; 4],
    sums: MaybeUninit<[Lanes; 4]>,
}

/// `x = max(x, x of the pixel at $offset)` for the two lanes in `x` and `y`.
macro_rules! raise {
    ($offset:literal) => {
        concat!(
            "ldrd {row}, {count}, [{square}, #",
            $offset,
            "]\n",
            "cmp {row}, {x}\nit gt\nmovgt {x}, {row}\n",
            "cmp {count}, {y}\nit gt\nmovgt {y}, {count}\n",
        )
    };
}

/// The maximum over 2x2 pixels and 0 of two lanes.
macro_rules! maximum {
    ($a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "ldrd {x}, {y}, [{square}, #",
            $a,
            "]\n",
            raise!($b),
            raise!($c),
            raise!($d),
            "bic {x}, {x}, {x}, asr #31\n",
            "bic {y}, {y}, {y}, asr #31\n",
            "strd {x}, {y}, [{out}], #8",
        )
    };
}

/// For each block the maximum over the sums of 2x2 pixels and 0; nothing for
/// slices that are too short.
///
/// As integers, the bits of positive numbers are in the numbers' order, and
/// those of negative ones are below 0: the maximum takes no float comparison.
#[inline(never)]
pub(crate) fn maxima(blocks: &[Lanes], rows: [&[f32]; 4], channels: usize, out: &mut [Lanes]) {
    let available = blocks.len() / (9 * channels + 1).max(1);
    if channels == 0
        || out.is_empty()
        || out.len() > available
        || rows.iter().any(|row| row.len() < 4 * channels)
    {
        return;
    }
    let mut square = Square { rows: rows.map(<[f32]>::as_ptr), sums: MaybeUninit::uninit() };
    // SAFETY: for each of `out.len()` blocks, which exist, the loops read
    // 9 x channels + 1 rows of weights and 4 x channels values of each row.
    // They write `square.sums` and all of `out`.
    unsafe {
        asm!(
            "4:",
            "mov {weights}, {block}",
            "mov {rows}, {square}",
            sum_pair!(),
            "add {x}, {square}, #16",
            "vstmia {x}, {{s0-s15}}",
            "mov {weights}, {block}",
            "add {rows}, {square}, #4",
            sum_pair!(),
            "add {x}, {square}, #80",
            "vstmia {x}, {{s0-s15}}",
            "mov {block}, {weights}",
            maximum!("16", "48", "80", "112"),
            maximum!("24", "56", "88", "120"),
            maximum!("32", "64", "96", "128"),
            maximum!("40", "72", "104", "136"),
            "cmp {out}, {end}",
            "bne 4b",
            block = inout(reg) blocks.as_ptr() => _,
            square = in(reg) &raw mut square,
            out = inout(reg) out.as_mut_ptr() => _,
            end = in(reg) out.as_mut_ptr_range().end,
            channels = in(reg) channels,
            weights = out(reg) _,
            rows = out(reg) _,
            x = out(reg) _,
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
}

/// The sums of one pixel; zeros for slices that are too short.
#[inline(always)]
pub(crate) fn convolve_single(block: &[Lanes], rows: [&[f32]; 3], channels: usize) -> Lanes {
    let [r0, r1, r2] = rows;
    if channels == 0
        || block.len() != 9 * channels + 1
        || rows.iter().any(|row| row.len() < 3 * channels)
    {
        return [0.0; BLOCK];
    }
    let mut sums = MaybeUninit::<Lanes>::uninit();
    // SAFETY: the loops read 9 x channels + 1 rows of the block and 3 x channels
    // values of each row; that many exist. They write all of
    // `sums` and nothing else.
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
        sums.assume_init()
    }
}

/// The sums of products of corresponding lanes, over the length of the shorter.
#[inline(always)]
pub(crate) fn lane_products(x: &[Lanes], y: &[Lanes]) -> Lanes {
    let mut sums = [0.0; BLOCK];
    let count = x.len().min(y.len());
    if count == 0 {
        return sums;
    }
    // SAFETY: the loop reads `count` rows of both slices and writes nothing but
    // `sums`.
    unsafe {
        asm!(
            "vldmia {sums}, {{s0-s7}}",
            "2:",
            "vldmia {x}!, {{s16-s23}}",
            "vldmia {y}!, {{s24-s31}}",
            "vfma.f32 s0, s16, s24", "vfma.f32 s1, s17, s25",
            "vfma.f32 s2, s18, s26", "vfma.f32 s3, s19, s27",
            "vfma.f32 s4, s20, s28", "vfma.f32 s5, s21, s29",
            "vfma.f32 s6, s22, s30", "vfma.f32 s7, s23, s31",
            "subs {count}, {count}, #1",
            "bne 2b",
            "vstmia {sums}, {{s0-s7}}",
            x = inout(reg) x.as_ptr() => _,
            y = inout(reg) y.as_ptr() => _,
            sums = in(reg) sums.as_mut_ptr(),
            count = inout(reg) count => _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _,
            out("d8") _, out("d9") _, out("d10") _, out("d11") _,
            out("d12") _, out("d13") _, out("d14") _, out("d15") _,
            options(nostack),
        );
    }
    sums
}

/// The square root, correctly rounded; not a number below 0.
#[inline(always)]
pub(crate) fn square_root(x: f32) -> f32 {
    let mut bits = x.to_bits();
    // SAFETY: computes one register from another.
    unsafe {
        asm!(
            "vmov s0, {bits}",
            "vsqrt.f32 s0, s0",
            "vmov {bits}, s0",
            bits = inout(reg) bits,
            out("d0") _,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    f32::from_bits(bits)
}
