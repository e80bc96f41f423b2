//! Direct convolutions of the int8 path for Cortex-M0 and its like.
//!
//! The arithmetic is that of the portable kernels: two pixels, in the halves of
//! a word, are multiplied by a weight at once; the products' sum t and that of
//! their high halves, h, give both pixels' sums. In all kernels r0 points to
//! the weights and r1 into the window; r2-r5 hold pairs of pixels, r6 a weight;
//! the sums are in r8-r11.

use core::arch::naked_asm;

/// Keeps the registers that the caller needs, and r1-r3 at [sp].
macro_rules! enter {
    () => {
        "push {{r4-r7, lr}}\n\
         mov r4, r8\nmov r5, r9\nmov r6, r10\nmov r7, r11\n\
         push {{r4-r7}}\n\
         push {{r1-r3}}\n"
    };
}

macro_rules! leave {
    () => {
        "add sp, #12\n\
         pop {{r4-r7}}\n\
         mov r8, r4\nmov r9, r5\nmov r10, r6\nmov r11, r7\n\
         pop {{r4-r7, pc}}\n"
    };
}

mod expand;

pub(crate) use expand::{COLUMN, expand_channel, expand_column};

/// Words behind the window: what the sums start from.
const START: usize = 4;

/// Whether these numbers of words or channels are some, and so few that no
/// product of them overflows.
fn in_range(inputs: usize, outputs: usize) -> bool {
    const LIMIT: usize = 1 << 12;
    (1..=LIMIT).contains(&inputs) && (1..=LIMIT).contains(&outputs)
}

/// Multiplies a pair by the weight in r6 and adds the products to t and h.
macro_rules! add {
    ($pair:literal, $t:literal, $h:literal) => {
        concat!(
            "muls ",
            $pair,
            ", r6, ",
            $pair,
            "\nadd ",
            $t,
            ", ",
            $pair,
            "\nlsrs ",
            $pair,
            ", ",
            $pair,
            ", #16\nadd ",
            $h,
            ", ",
            $pair,
            "\n",
        )
    };
}

macro_rules! weight {
    ($offset:literal) => {
        concat!("ldrb r6, [r0, #", $offset, "]\n")
    };
}

/// One row of a channel: three weights, and four columns of pairs. The sums are
/// those of the left outputs, r8 and r9, and of the right ones, r10 and r11.
macro_rules! row_of_square {
    ($a:literal, $b:literal, $c:literal) => {
        concat!(
            "ldmia r1!, {{r2-r5}}\n",
            weight!($a),
            add!("r2", "r8", "r9"),
            "mov r2, r3\n",
            add!("r2", "r10", "r11"),
            weight!($b),
            add!("r3", "r8", "r9"),
            "mov r3, r4\n",
            add!("r3", "r10", "r11"),
            weight!($c),
            add!("r4", "r8", "r9"),
            add!("r5", "r10", "r11"),
        )
    };
}

/// One row of a channel: three weights, and pairs of the columns 0 and 2, 1 and
/// 3, 2 and 4. The sums are those of the outer outputs, r8 and r9, and of the
/// middle one, r10.
macro_rules! row_of_three {
    ($a:literal, $b:literal, $c:literal) => {
        concat!(
            "ldmia r1!, {{r2-r4}}\n",
            weight!($a),
            add!("r2", "r8", "r9"),
            "uxth r2, r3\n",
            "muls r2, r6, r2\n",
            "add r10, r2\n",
            weight!($b),
            "uxth r2, r4\n",
            "muls r2, r6, r2\n",
            "add r10, r2\n",
            "lsrs r5, r3, #16\n",
            add!("r3", "r8", "r9"),
            weight!($c),
            add!("r4", "r8", "r9"),
            "muls r5, r6, r5\n",
            "add r10, r5\n",
        )
    };
}

/// Before an output channel: the window to r1, its end to r7, the sums' start.
macro_rules! start {
    () => {
        "ldr r1, [sp]\n\
         ldr r7, [sp, #8]\n\
         mov r6, r7\n\
         ldmia r6!, {{r2-r5}}\n\
         mov r8, r2\nmov r9, r3\nmov r10, r4\nmov r11, r5\n"
    };
}

/// r2 = max(r2, the register).
macro_rules! raise {
    ($sum:literal) => {
        concat!("cmp r2, ", $sum, "\nbge 8f\nmov r2, ", $sum, "\n8:\n")
    };
}

/// From the sum in r2, the bias in r3 and the multiplier in r4 to the
/// activation in r2. With 16-bit halves a, b and c, d of sum and multiplier,
/// the product's upper word is a c + (a d + b c + (b d >> 16) >> 16), in which
/// nothing exceeds 32 bits, nor does adding the rounding's 2^15.
macro_rules! requantize {
    () => {
        "lsls r2, r2, #2\n\
         adds r2, r2, r3\n\
         bgt 8f\n\
         movs r2, #0\n\
         b 9f\n\
         8:\n\
         uxth r1, r2\n\
         lsrs r2, r2, #16\n\
         uxth r5, r4\n\
         lsrs r6, r4, #16\n\
         mov r7, r1\n\
         muls r7, r5, r7\n\
         muls r5, r2, r5\n\
         muls r1, r6, r1\n\
         muls r2, r6, r2\n\
         adds r1, r1, r5\n\
         lsrs r7, r7, #16\n\
         adds r1, r1, r7\n\
         movs r5, #1\n\
         lsls r5, r5, #15\n\
         adds r1, r1, r5\n\
         lsrs r1, r1, #16\n\
         adds r2, r2, r1\n\
         cmp r2, #255\n\
         bls 9f\n\
         movs r2, #255\n\
         9:\n"
    };
}

/// The sums of a 2x2 window to an activation of `out`, and on to the next
/// output channel, or the end.
macro_rules! finish_square {
    () => {
        concat!(
            "mov r2, r9\n",
            "mov r3, r8\n",
            "lsls r4, r2, #16\n",
            "subs r3, r3, r4\n",
            raise!("r3"),
            "mov r3, r11\n",
            "mov r4, r10\n",
            "lsls r5, r3, #16\n",
            "subs r4, r4, r5\n",
            raise!("r3"),
            raise!("r4"),
            "ldmia r0!, {{r3-r4}}\n",
            requantize!(),
            "ldr r3, [sp, #4]\n",
            "strb r2, [r3]\n",
            "adds r3, #1\n",
            "str r3, [sp, #4]\n",
            "ldr r3, [sp, #48]\n",
            "cmp r0, r3\n",
            "beq 4f\n",
            "b 2b\n",
            "4:\n",
        )
    };
}

/// One pixel of the first convolution: all output channels, a byte each.
///
/// `packed` has a record of `9 x channels` bytes, rounded up to words, and 2
/// words for each. `window` has `[channel][row 3][column 4]`, then 4 words.
pub(crate) fn pool_image(
    packed: &[u32],
    channels: usize,
    outputs: usize,
    window: &[u32],
    out: &mut [u32],
) {
    if !in_range(channels, outputs) {
        return;
    }
    let record = (9 * channels).div_ceil(4) + 2;
    let Some(packed) = packed.get(..outputs * record) else { return };
    let Some(start) = window.get(12 * channels..) else { return };
    if start.len() < START || out.len() < outputs.div_ceil(4) {
        return;
    }
    let end = packed.as_ptr_range().end;
    // SAFETY: for each record up to `end` the loops read all of it, and
    // 12 x channels + 4 words of the window, and write a byte of `out`: the
    // slices are that long.
    unsafe {
        pool_image_pixel(packed.as_ptr(), window.as_ptr(), out.as_mut_ptr(), start.as_ptr(), end);
    }
}

#[unsafe(naked)]
unsafe extern "C" fn pool_image_pixel(
    packed: *const u32,
    window: *const u32,
    out: *mut u32,
    start: *const u32,
    end: *const u32,
) {
    naked_asm!(
        enter!(),
        "2:",
        start!(),
        "3:",
        row_of_square!("0", "1", "2"),
        row_of_square!("3", "4", "5"),
        row_of_square!("6", "7", "8"),
        "adds r0, #9",
        "cmp r1, r7",
        "bne 3b",
        "adds r0, #3",
        "movs r2, #3",
        "bics r0, r2",
        finish_square!(),
        leave!(),
    )
}

/// One pixel of a pooled convolution: all output channels, a byte each.
///
/// `packed` has a record of `9 x quads + 2` words for each. `window` has
/// `[quad][row 3][channel 4][column 4]`, then 4 words.
pub(crate) fn pool(packed: &[u32], quads: usize, outputs: usize, window: &[u32], out: &mut [u32]) {
    if !in_range(quads, outputs) {
        return;
    }
    let record = 9 * quads + 2;
    let Some(packed) = packed.get(..outputs * record) else { return };
    let Some(start) = window.get(48 * quads..) else { return };
    if start.len() < START || out.len() < outputs.div_ceil(4) {
        return;
    }
    let end = packed.as_ptr_range().end;
    // SAFETY: for each record up to `end` the loops read its `9 x quads + 2`
    // words, and 48 x quads + 4 words of the window, and write a byte of `out`:
    // the slices are that long.
    unsafe {
        pool_pixel(packed.as_ptr(), window.as_ptr(), out.as_mut_ptr(), start.as_ptr(), end);
    }
}

#[unsafe(naked)]
unsafe extern "C" fn pool_pixel(
    packed: *const u32,
    window: *const u32,
    out: *mut u32,
    start: *const u32,
    end: *const u32,
) {
    naked_asm!(
        enter!(),
        "2:",
        start!(),
        "3:",
        row_of_square!("0", "4", "8"),
        row_of_square!("1", "5", "9"),
        row_of_square!("2", "6", "10"),
        row_of_square!("3", "7", "11"),
        "adds r0, #12",
        "cmp r1, r7",
        "bne 3b",
        finish_square!(),
        leave!(),
    )
}

/// Three neighbouring pixels of a convolution: all output channels, a byte
/// each, the pixels `outputs.div_ceil(4)` words apart.
///
/// `packed` has a record of `9 x quads + 2` words for each. `window` has
/// `[quad][row 3][channel 4][pair 3]`, then 4 words.
pub(crate) fn convolve(
    packed: &[u32],
    quads: usize,
    outputs: usize,
    window: &[u32],
    out: &mut [u32],
) {
    if !in_range(quads, outputs) {
        return;
    }
    let record = 9 * quads + 2;
    let stride = outputs.div_ceil(4);
    let Some(packed) = packed.get(..outputs * record) else { return };
    let Some(start) = window.get(36 * quads..) else { return };
    if start.len() < START || out.len() < 3 * stride {
        return;
    }
    let (start, end) = (start.as_ptr(), packed.as_ptr_range().end);
    // SAFETY: for each record up to `end` the loops read its `9 x quads + 2`
    // words, and 36 x quads + 4 words of the window, and write a byte of each of
    // three pixels of `out`, 4 x stride bytes apart: the slices are that long.
    unsafe {
        convolve_pixels(packed.as_ptr(), window.as_ptr(), out.as_mut_ptr(), start, end, 4 * stride);
    }
}

#[unsafe(naked)]
unsafe extern "C" fn convolve_pixels(
    packed: *const u32,
    window: *const u32,
    out: *mut u32,
    start: *const u32,
    end: *const u32,
    stride: usize,
) {
    naked_asm!(
        enter!(),
        "2:",
        start!(),
        "3:",
        row_of_three!("0", "4", "8"),
        row_of_three!("1", "5", "9"),
        row_of_three!("2", "6", "10"),
        row_of_three!("3", "7", "11"),
        "adds r0, #12",
        "cmp r1, r7",
        "bne 3b",
        "ldmia r0!, {{r3-r4}}",
        "mov r2, r9",
        "lsls r2, r2, #16",
        "mov r1, r8",
        "subs r2, r1, r2",
        requantize!(),
        "mov r8, r2",
        "mov r2, r10",
        requantize!(),
        "mov r10, r2",
        "mov r2, r9",
        requantize!(),
        "ldr r3, [sp, #4]",
        "ldr r4, [sp, #52]",
        "mov r1, r8",
        "strb r1, [r3]",
        "adds r5, r3, r4",
        "mov r1, r10",
        "strb r1, [r5]",
        "strb r2, [r5, r4]",
        "adds r3, #1",
        "str r3, [sp, #4]",
        "ldr r3, [sp, #48]",
        "cmp r0, r3",
        "beq 4f",
        "b 2b",
        "4:",
        leave!(),
    )
}
