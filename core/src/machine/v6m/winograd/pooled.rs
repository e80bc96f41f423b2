//! Products of F(2x2, 3x3), output transform, maximum, requantisation.

use core::arch::naked_asm;

use super::text::{arguments, enter, leave, quad, requantize, sums, word};

/// Two values of V, each an `i32`.
macro_rules! values {
    () => {
        "ldm r1!, {{r5, r6}}\n"
    };
}

/// The outputs of one tile: `weights` points to `blocks` blocks for `quads`
/// words of input channels, `v` to 16 x 4 x quads values, `out` to a word for
/// each block. Stack from sp as [`arguments`] has it.
#[unsafe(naked)]
unsafe extern "C" fn outputs_of(
    weights: *const u32,
    v: *const i32,
    out: *mut u32,
    blocks: usize,
    quads: usize,
) {
    naked_asm!(
        enter!("356"),
        arguments!("392", "106", "4", "28", "348"),
        "1:",
        sums!(values!(), "1", "28"),
        // Outputs: sums at r0, bias and multiplier at r8, result at r9.
        "add r0, sp, #32",
        "ldr r1, [sp, #20]",
        "mov r8, r1",
        "ldr r1, [sp, #12]",
        "mov r9, r1",
        "5:",
        // Rows of the tile: x = 2 s1 - s2 - (s3 of the row before), y = s3 - s0.
        // r1 = x0 + x1 - x2, r2 = x1 + x2 + x3, r3 and r4 the same of y.
        "ldr r1, [r0, #20]",
        "lsls r1, r1, #1",
        "ldr r5, [r0, #40]",
        "subs r1, r1, r5",
        "ldr r7, [r0, #60]",
        "ldr r5, [r0, #0]",
        "subs r3, r7, r5",
        "adds r0, #80",
        "ldr r2, [r0, #20]",
        "lsls r2, r2, #1",
        "ldr r5, [r0, #40]",
        "subs r2, r2, r5",
        "subs r2, r2, r7",
        "adds r1, r1, r2",
        "ldr r7, [r0, #60]",
        "ldr r5, [r0, #0]",
        "subs r4, r7, r5",
        "adds r3, r3, r4",
        "adds r0, #80",
        "ldr r6, [r0, #20]",
        "lsls r6, r6, #1",
        "ldr r5, [r0, #40]",
        "subs r6, r6, r5",
        "subs r6, r6, r7",
        "subs r1, r1, r6",
        "adds r2, r2, r6",
        "ldr r7, [r0, #60]",
        "ldr r5, [r0, #0]",
        "subs r6, r7, r5",
        "subs r3, r3, r6",
        "adds r4, r4, r6",
        "adds r0, #80",
        "ldr r6, [r0, #20]",
        "lsls r6, r6, #1",
        "ldr r5, [r0, #40]",
        "subs r6, r6, r5",
        "subs r6, r6, r7",
        "adds r2, r2, r6",
        "ldr r7, [r0, #60]",
        "ldr r5, [r0, #0]",
        "subs r6, r7, r5",
        "adds r4, r4, r6",
        "subs r0, #236",
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
        "add r7, sp, #48",
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
        leave!("356"),
    )
}

/// The words of a block before its elements: biases, multipliers.
const HEAD: usize = 8;
/// Elements of a transformed tile.
const ELEMENTS: usize = 16;

/// The outputs of a tile that [`transform`](super::pooled_tile::tile) made, one
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
