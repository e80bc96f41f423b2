//! Direct convolutions of the int8 path for Cortex-M with DSP instructions.
//!
//! A word of four packed weights becomes two pairs of 16 bits, for channels (or
//! taps) 0 and 2, and 1 and 3; the window holds the inputs in the same pairs.
//! Weights are unpacked once for all outputs of a window. In all kernels r0
//! points to the weights, r1 into the window; the sums are in r2-r5, inputs
//! before r10, weights in r10-r12.

use core::arch::naked_asm;

/// Words before the window: what the sums start from.
pub(crate) const START: usize = 4;

/// Whether these numbers of words and channels are some, and so few that no
/// product of them overflows.
fn in_range(words: usize, outputs: usize) -> bool {
    const LIMIT: usize = 1 << 12;
    (1..=LIMIT).contains(&words) && (1..=LIMIT).contains(&outputs)
}

/// Three words of weights; `$half` chooses the pairs.
macro_rules! weights {
    ($half:literal) => {
        concat!(
            "ldmia r0!, {{r10-r12}}\n",
            "uxtb16 r10, r10",
            $half,
            "\nuxtb16 r11, r11",
            $half,
            "\nuxtb16 r12, r12",
            $half,
            "\n",
        )
    };
}

/// Adds a row of weights times four columns, r6-r9, to two neighbouring sums.
macro_rules! add_two {
    ($left:literal, $right:literal) => {
        concat!(
            add!($left, "r10", "r6"),
            add!($right, "r10", "r7"),
            add!($left, "r11", "r7"),
            add!($right, "r11", "r8"),
            add!($left, "r12", "r8"),
            add!($right, "r12", "r9"),
        )
    };
}

macro_rules! add {
    ($sum:literal, $weight:literal, $input:literal) => {
        concat!("smlad ", $sum, ", ", $weight, ", ", $input, ", ", $sum, "\n")
    };
}

/// One half of the pairs of four channels of a 2x2 window.
macro_rules! square {
    ($half:literal) => {
        concat!(
            "ldmia r1!, {{r6-r9}}\n",
            weights!($half),
            add_two!("r2", "r3"),
            "ldmia r1!, {{r6-r9}}\n",
            add_two!("r4", "r5"),
            weights!($half),
            add_two!("r2", "r3"),
            "ldmia r1!, {{r6-r9}}\n",
            add_two!("r4", "r5"),
            weights!($half),
            add_two!("r2", "r3"),
            "ldmia r1!, {{r6-r9}}\n",
            add_two!("r4", "r5"),
        )
    };
}

/// One row and one half of the pairs of four channels of three pixels: five
/// columns, r5-r9.
macro_rules! row_of_three {
    ($half:literal) => {
        concat!(
            "ldmia r1!, {{r5-r9}}\n",
            weights!($half),
            add!("r2", "r10", "r5"),
            add!("r3", "r10", "r6"),
            add!("r4", "r10", "r7"),
            add!("r2", "r11", "r6"),
            add!("r3", "r11", "r7"),
            add!("r4", "r11", "r8"),
            add!("r2", "r12", "r7"),
            add!("r3", "r12", "r8"),
            add!("r4", "r12", "r9"),
        )
    };
}

/// Adds the products of one pair of weights and of four outputs' inputs.
macro_rules! add_pair {
    ($weight:literal) => {
        concat!(
            "ldmia r1!, {{r6-r9}}\n",
            add!("r2", $weight, "r6"),
            add!("r3", $weight, "r7"),
            add!("r4", $weight, "r8"),
            add!("r5", $weight, "r9"),
        )
    };
}

/// The maximum of the four sums to r2.
macro_rules! maximum {
    () => {
        "cmp r2, r3\nit lt\nmovlt r2, r3\n\
         cmp r4, r5\nit lt\nmovlt r4, r5\n\
         cmp r2, r4\nit lt\nmovlt r2, r4\n"
    };
}

/// From a sum to an activation.
macro_rules! requantize {
    ($sum:literal, $bias:literal, $multiplier:literal) => {
        concat!(
            "add ",
            $sum,
            ", ",
            $bias,
            ", ",
            $sum,
            ", lsl #2\nsmmulr ",
            $sum,
            ", ",
            $sum,
            ", ",
            $multiplier,
            "\nusat ",
            $sum,
            ", #8, ",
            $sum,
            "\n",
        )
    };
}

/// Expands one row of a 2x2 window's input, 4 columns: to every fourth line of
/// `[quad][half][row 4][column 4]`. Gives the columns' sums.
pub(crate) fn expand_row(row: &[u32], quads: usize, window: &mut [u32]) -> [u32; 4] {
    let mut sums = [0; 4];
    if quads == 0 || row.len() / 4 < quads || window.len() < (32 * quads).saturating_sub(12) {
        return sums;
    }
    // SAFETY: the loop reads 4 x quads words of the row and writes two lines of 4
    // words, 16 words apart, every 32 words of the window, whose last one ends
    // 32 x quads - 12 words on; then it writes `sums`.
    unsafe { expand_columns(row.as_ptr(), quads, window.as_mut_ptr(), &mut sums) };
    sums
}

/// Two columns, in r11 and r12, whose sums are added to; the pairs go to two
/// offsets from r2.
macro_rules! expand_two {
    ($sum:literal, $next:literal, $even:literal, $odd:literal) => {
        concat!(
            "usada8 ",
            $sum,
            ", r11, r6, ",
            $sum,
            "\nusada8 ",
            $next,
            ", r12, r6, ",
            $next,
            "\nuxtb16 lr, r11\nuxtb16 r3, r12\nstrd lr, r3, [r2, #",
            $even,
            "]\nuxtb16 r11, r11, ror #8\nuxtb16 r12, r12, ror #8\nstrd r11, r12, [r2, #",
            $odd,
            "]\n",
        )
    };
}

#[unsafe(naked)]
unsafe extern "C" fn expand_columns(
    row: *const u32,
    quads: usize,
    window: *mut u32,
    sums: *mut [u32; 4],
) {
    naked_asm!(
        crate::machine::dsp::cpu!(),
        "push {{r3-r11, lr}}",
        "lsl r4, r1, #2",
        "add r5, r0, r4, lsl #1",
        "add r5, r4",
        "movs r6, #0",
        "movs r7, #0",
        "mov r8, r7",
        "mov r9, r7",
        "mov r10, r7",
        "2:",
        "ldr r11, [r0]",
        "ldr r12, [r0, r4]",
        expand_two!("r7", "r8", "0", "64"),
        "ldr r11, [r0, r4, lsl #1]",
        "ldr r12, [r5], #4",
        expand_two!("r9", "r10", "8", "72"),
        "adds r0, #4",
        "adds r2, #128",
        "subs r1, #1",
        "bne 2b",
        "pop {{r3}}",
        "stmia r3, {{r7-r10}}",
        "pop {{r4-r11, pc}}",
    )
}

/// One pixel of a pooled convolution: all output channels, a byte each.
///
/// `packed` has a record of `9 x quads + 2` words for each. `window` has
/// [`START`] words, then `[quad][half][row 4][column 4]`.
pub(crate) fn pool(packed: &[u32], quads: usize, outputs: usize, window: &[u32], out: &mut [u32]) {
    if !in_range(quads, outputs) {
        return;
    }
    let record = 9 * quads + 2;
    let Some(packed) = packed.get(..outputs * record) else { return };
    if window.len() < START + 32 * quads || out.len() < outputs.div_ceil(4) {
        return;
    }
    let end = packed.as_ptr_range().end;
    // SAFETY: for each record up to `end` the loops read its `9 x quads + 2`
    // words, and 4 + 32 x quads words of the window, and write a byte of `out`:
    // the slices are that long.
    unsafe { pool_pixel(packed.as_ptr(), window.as_ptr(), out.as_mut_ptr(), quads, end) }
}

#[unsafe(naked)]
unsafe extern "C" fn pool_pixel(
    packed: *const u32,
    window: *const u32,
    out: *mut u32,
    quads: usize,
    end: *const u32,
) {
    naked_asm!(
        crate::machine::dsp::cpu!(),
        "push {{r4-r11, lr}}",
        "push {{r1-r3}}",
        "2:",
        "ldr r1, [sp]",
        "ldr lr, [sp, #8]",
        "ldmia r1!, {{r2-r5}}",
        "3:",
        square!(""),
        "sub r0, #36",
        square!(", ror #8"),
        "subs lr, #1",
        "bne.w 3b",
        maximum!(),
        "ldmia r0!, {{r6-r7}}",
        requantize!("r2", "r6", "r7"),
        "ldr r8, [sp, #4]",
        "strb r2, [r8], #1",
        "str r8, [sp, #4]",
        "ldr r9, [sp, #48]",
        "cmp r0, r9",
        "bne.w 2b",
        "add sp, #12",
        "pop {{r4-r11, pc}}",
    )
}

/// One pixel of a pooled convolution whose window is laid out for each output:
/// all output channels, a byte each.
///
/// `packed` has a record of `words + 2` words for each. `window` has [`START`]
/// words, then `[word][half][output of the 2x2 window]`.
pub(crate) fn pool_columns(
    packed: &[u32],
    words: usize,
    outputs: usize,
    window: &[u32],
    out: &mut [u32],
) {
    if !in_range(words, outputs) {
        return;
    }
    let record = words + 2;
    let Some(packed) = packed.get(..outputs * record) else { return };
    if window.len() < START + 8 * words || out.len() < outputs.div_ceil(4) {
        return;
    }
    let (start, end) = (packed.as_ptr(), packed.as_ptr_range().end);
    // SAFETY: for each record up to `end` the loops read its `words + 2` words,
    // and at most 4 + 8 x words words of the window, and write a byte of `out`:
    // the slices are that long. `pool_one` reads records of 3 + 2 words.
    unsafe {
        if words == 3 {
            pool_one(start, window.as_ptr(), out.as_mut_ptr(), end);
        } else {
            pool_many(start, window.as_ptr(), out.as_mut_ptr(), words, end);
        }
    }
}

#[unsafe(naked)]
unsafe extern "C" fn pool_many(
    packed: *const u32,
    window: *const u32,
    out: *mut u32,
    words: usize,
    end: *const u32,
) {
    naked_asm!(
        crate::machine::dsp::cpu!(),
        "push {{r4-r11, lr}}",
        "push {{r1-r3}}",
        "2:",
        "ldr r1, [sp]",
        "ldr lr, [sp, #8]",
        "ldmia r1!, {{r2-r5}}",
        "3:",
        "ldr r11, [r0], #4",
        "uxtb16 r10, r11",
        "uxtb16 r11, r11, ror #8",
        add_pair!("r10"),
        add_pair!("r11"),
        "subs lr, #1",
        "bne 3b",
        maximum!(),
        "ldmia r0!, {{r6-r7}}",
        requantize!("r2", "r6", "r7"),
        "ldr r8, [sp, #4]",
        "strb r2, [r8], #1",
        "str r8, [sp, #4]",
        "ldr r9, [sp, #48]",
        "cmp r0, r9",
        "bne 2b",
        "add sp, #12",
        "pop {{r4-r11, pc}}",
    )
}

/// With one input channel: of the nine taps' three words the last holds one, so
/// its second half is left out.
#[unsafe(naked)]
unsafe extern "C" fn pool_one(
    packed: *const u32,
    window: *const u32,
    out: *mut u32,
    end: *const u32,
) {
    naked_asm!(
        crate::machine::dsp::cpu!(),
        "push {{r3-r11, lr}}",
        "mov lr, r2",
        "2:",
        "ldmia r1!, {{r2-r5}}",
        "ldmia r0!, {{r10-r11}}",
        "uxtb16 r12, r10",
        add_pair!("r12"),
        "uxtb16 r10, r10, ror #8",
        add_pair!("r10"),
        "uxtb16 r12, r11",
        add_pair!("r12"),
        "uxtb16 r11, r11, ror #8",
        add_pair!("r11"),
        "ldmia r0!, {{r10-r12}}",
        "uxtb16 r10, r10",
        add_pair!("r10"),
        "sub r1, #96",
        maximum!(),
        requantize!("r2", "r11", "r12"),
        "strb r2, [lr], #1",
        "ldr r6, [sp]",
        "cmp r0, r6",
        "bne 2b",
        "pop {{r3-r11, pc}}",
    )
}

/// Three neighbouring pixels of a convolution: all output channels, a byte
/// each, the pixels `out.len() / 3` words apart.
///
/// `packed` has a record of `9 x quads + 2` words for each. `window` has
/// [`START`] words, then `[quad][half][row 3][column 5]`.
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
    let Some(packed) = packed.get(..outputs * record) else { return };
    let stride = outputs.div_ceil(4);
    if window.len() < START + 30 * quads || out.len() < 3 * stride {
        return;
    }
    let end = packed.as_ptr_range().end;
    // SAFETY: for each record up to `end` the loops read its `9 x quads + 2`
    // words, and 4 + 30 x quads words of the window, and write a byte of each of
    // three pixels of `out`, 4 x stride bytes apart: the slices are that long.
    unsafe {
        convolve_pixels(packed.as_ptr(), window.as_ptr(), out.as_mut_ptr(), quads, end, 4 * stride);
    }
}

#[unsafe(naked)]
unsafe extern "C" fn convolve_pixels(
    packed: *const u32,
    window: *const u32,
    out: *mut u32,
    quads: usize,
    end: *const u32,
    stride: usize,
) {
    naked_asm!(
        crate::machine::dsp::cpu!(),
        "push {{r4-r11, lr}}",
        "push {{r1-r3}}",
        "2:",
        "ldr r1, [sp]",
        "ldr lr, [sp, #8]",
        "ldmia r1!, {{r2-r5}}",
        "3:",
        row_of_three!(""),
        row_of_three!(""),
        row_of_three!(""),
        "sub r0, #36",
        row_of_three!(", ror #8"),
        row_of_three!(", ror #8"),
        row_of_three!(", ror #8"),
        "subs lr, #1",
        "bne.w 3b",
        "ldmia r0!, {{r6-r7}}",
        requantize!("r2", "r6", "r7"),
        requantize!("r3", "r6", "r7"),
        requantize!("r4", "r6", "r7"),
        "ldr r8, [sp, #4]",
        "ldrd r9, r10, [sp, #48]",
        "add r11, r8, r10",
        "strb r2, [r8], #1",
        "str r8, [sp, #4]",
        "strb r3, [r11]",
        "strb r4, [r11, r10]",
        "cmp r0, r9",
        "bne.w 2b",
        "add sp, #12",
        "pop {{r4-r11, pc}}",
    )
}
