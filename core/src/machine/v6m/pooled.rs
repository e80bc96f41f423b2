//! Products of F(2x2, 3x3), output transform, maximum, requantisation.

use core::arch::naked_asm;

use super::requantize::requantize;

/// Adds to `$sum` the products of the weights in `$word` and the values in r5
/// and r6.
macro_rules! word {
    ($word:literal, $sum:literal) => {
        concat!(
            "sxth r7, ", $word, "\n",
            "muls r7, r5, r7\n",
            "add ", $sum, ", r7\n",
            "asrs ", $word, ", ", $word, ", #16\n",
            "muls ", $word, ", r6, ", $word, "\n",
            "add ", $sum, ", ", $word, "\n",
        )
    };
}

/// Four input channels: 8 words of weights at r0, two times two values at r1.
/// Loads of three words leave a register for r1. 53 instructions.
macro_rules! quad {
    () => {
        concat!(
            "ldm r1!, {{r5, r6}}\n",
            "ldm r0!, {{r2, r3, r4}}\n",
            word!("r2", "r8"),
            word!("r3", "r9"),
            word!("r4", "r10"),
            "ldm r0!, {{r2, r3, r4}}\n",
            word!("r2", "r11"),
            "ldm r1!, {{r5, r6}}\n",
            word!("r3", "r8"),
            word!("r4", "r9"),
            "ldm r0!, {{r2, r3}}\n",
            word!("r2", "r10"),
            word!("r3", "r11"),
        )
    };
}

/// The outputs of one tile: `weights` points to `blocks` blocks for `quads`
/// words of input channels, `v` to 16 x 4 x quads values, `out` to a word for
/// each block.
///
/// The sums s0 to s3 of a block's outputs are not cleared between elements: an
/// element's sum is what is stored for it less what is stored for the one
/// before, and the output transform needs no more additions for that. Stack
/// from sp: 0 where a pass over the channels starts, 4 bytes of weights an
/// element, 8 `v`, 12 `out`, 16 blocks left, 20 this block, 24 the next, 28
/// sums \[element\]\[output\].
#[unsafe(naked)]
unsafe extern "C" fn outputs_of(
    weights: *const u32,
    v: *const i32,
    out: *mut u32,
    blocks: usize,
    quads: usize,
) {
    naked_asm!(
        "push {{r4, r5, r6, r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4, r5, r6, r7}}",
        "sub sp, #284",
        "str r1, [sp, #8]",
        "str r2, [sp, #12]",
        "str r3, [sp, #16]",
        "ldr r1, [sp, #320]",
        "lsls r2, r1, #5",
        "str r2, [sp, #4]",
        // The loop handles four words of channels: for the rest of a division
        // by 4 it starts in its midst.
        "negs r1, r1",
        "movs r2, #3",
        "ands r1, r2",
        "movs r2, #106",
        "muls r1, r2, r1",
        "adr r2, 2f",
        "adds r1, r1, r2",
        "str r1, [sp, #0]",
        // Blocks.
        "1:",
        "str r0, [sp, #20]",
        "adds r0, #32",
        "ldr r2, [sp, #4]",
        "mov r12, r0",
        "add r12, r2",
        "ldr r1, [sp, #8]",
        "add r2, sp, #28",
        "mov lr, r2",
        "movs r2, #0",
        "mov r8, r2",
        "mov r9, r2",
        "mov r10, r2",
        "mov r11, r2",
        "ldr r7, [sp, #0]",
        "mov pc, r7",
        ".balign 4",
        "2:",
        quad!(),
        quad!(),
        quad!(),
        quad!(),
        "cmp r0, r12",
        "beq 3f",
        "b 2b",
        "3:",
        "mov r2, r8",
        "mov r3, r9",
        "mov r4, r10",
        "mov r5, r11",
        "mov r6, lr",
        "stm r6!, {{r2, r3, r4, r5}}",
        "mov lr, r6",
        "add r7, sp, #284",
        "cmp r6, r7",
        "beq 4f",
        "ldr r7, [sp, #4]",
        "add r12, r7",
        "ldr r7, [sp, #0]",
        "mov pc, r7",
        // Outputs: sums at r0, bias and multiplier at r8, result at r9.
        "4:",
        "str r0, [sp, #24]",
        "add r0, sp, #28",
        "ldr r1, [sp, #20]",
        "mov r8, r1",
        "ldr r1, [sp, #12]",
        "mov r9, r1",
        "5:",
        // Rows of the tile: x = 2 s1 - s2 - (s3 of the row before), y = s3 - s0.
        // r1 = x0 + x1 - x2, r2 = x1 + x2 + x3, r3 and r4 the same of y.
        "ldr r1, [r0, #16]",
        "lsls r1, r1, #1",
        "ldr r5, [r0, #32]",
        "subs r1, r1, r5",
        "ldr r7, [r0, #48]",
        "ldr r5, [r0, #0]",
        "subs r3, r7, r5",
        "ldr r2, [r0, #80]",
        "lsls r2, r2, #1",
        "ldr r5, [r0, #96]",
        "subs r2, r2, r5",
        "subs r2, r2, r7",
        "adds r1, r1, r2",
        "ldr r7, [r0, #112]",
        "ldr r5, [r0, #64]",
        "subs r4, r7, r5",
        "adds r3, r3, r4",
        "adds r0, #128",
        "ldr r6, [r0, #16]",
        "lsls r6, r6, #1",
        "ldr r5, [r0, #32]",
        "subs r6, r6, r5",
        "subs r6, r6, r7",
        "subs r1, r1, r6",
        "adds r2, r2, r6",
        "ldr r7, [r0, #48]",
        "ldr r5, [r0, #0]",
        "subs r6, r7, r5",
        "subs r3, r3, r6",
        "adds r4, r4, r6",
        "ldr r6, [r0, #80]",
        "lsls r6, r6, #1",
        "ldr r5, [r0, #96]",
        "subs r6, r6, r5",
        "subs r6, r6, r7",
        "adds r2, r2, r6",
        "ldr r7, [r0, #112]",
        "ldr r5, [r0, #64]",
        "subs r6, r7, r5",
        "adds r4, r4, r6",
        "subs r0, #124",
        "cmp r1, r2",
        "bge 6f",
        "mov r1, r2",
        "6:",
        "cmp r3, r4",
        "bge 6f",
        "mov r3, r4",
        "6:",
        "cmp r1, r3",
        "bge 6f",
        "mov r1, r3",
        "6:",
        "mov r7, r8",
        "ldr r5, [r7, #16]",
        "ldm r7!, {{r6}}",
        "mov r8, r7",
        "adds r1, r1, r6",
        "bpl 7f",
        "movs r1, #0",
        "b 8f",
        "7:",
        requantize!(),
        "8:",
        "mov r7, r9",
        "strb r1, [r7]",
        "adds r7, #1",
        "mov r9, r7",
        "add r7, sp, #44",
        "cmp r0, r7",
        "bne 5b",
        "mov r7, r9",
        "str r7, [sp, #12]",
        "ldr r0, [sp, #24]",
        "ldr r7, [sp, #16]",
        "subs r7, #1",
        "str r7, [sp, #16]",
        "beq 6f",
        "b 1b",
        "6:",
        "add sp, #284",
        "pop {{r4, r5, r6, r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4, r5, r6, r7, pc}}",
    )
}

/// The words of a block before its elements: biases, multipliers.
const HEAD: usize = 8;
/// Elements of a transformed tile.
const ELEMENTS: usize = 16;

/// The outputs of a tile that [`transform`](super::tile::transform) made, one
/// pixel; nothing for slices whose lengths do not fit together.
#[inline(never)]
pub(crate) fn outputs(packed: &[u32], v: &[u32], out: &mut [u32]) {
    let quads = v.len() / (4 * ELEMENTS);
    let block = HEAD + 8 * ELEMENTS * quads;
    if quads == 0 || out.is_empty() || packed.len() / block < out.len() {
        return;
    }
    // SAFETY: the function reads `out.len()` blocks of weights for `quads`
    // words of channels and 64 x quads values; that many exist. It writes all
    // of `out` and its stack.
    unsafe {
        outputs_of(packed.as_ptr(), v.as_ptr().cast(), out.as_mut_ptr(), out.len(), quads);
    }
}
