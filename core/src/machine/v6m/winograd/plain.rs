//! Products of F(3x3, 3x3), output transform, requantisation.

use core::arch::naked_asm;

use super::text::{arguments, enter, leave, quad, requantize, sums, word};
use crate::forward::int8::winograd::NINTH;

/// Two values of V from a word.
macro_rules! values {
    () => {
        concat!("ldm r1!, {{r5}}\n", "asrs r6, r5, #16\n", "sxth r5, r5\n")
    };
}

/// r4 = p0 + p1 + p2 + p3 of a row of sums behind r0.
macro_rules! first {
    () => {
        concat!("ldr r4, [r0, #80]\n", "ldr r5, [r0, #0]\n", "subs r4, r4, r5\n",)
    };
}

/// r4 = p1 - p2 + 2 p3.
macro_rules! second {
    () => {
        concat!(
            "ldr r4, [r0, #40]\n",
            "ldr r5, [r0, #80]\n",
            "adds r4, r4, r5\n",
            "lsls r4, r4, #1\n",
            "ldr r5, [r0, #20]\n",
            "subs r4, r4, r5\n",
            "ldr r5, [r0, #60]\n",
            "subs r4, r4, r5\n",
            "lsls r5, r5, #1\n",
            "subs r4, r4, r5\n",
        )
    };
}

/// r4 = p1 + p2 + 4 p3 + p4.
macro_rules! third {
    () => {
        concat!(
            "ldr r4, [r0, #80]\n",
            "ldr r5, [r0, #60]\n",
            "subs r4, r4, r5\n",
            "lsls r5, r4, #1\n",
            "adds r4, r4, r5\n",
            "ldr r5, [r0, #100]\n",
            "adds r4, r4, r5\n",
            "ldr r5, [r0, #20]\n",
            "subs r4, r4, r5\n",
        )
    };
}

/// The sums of a column of outputs to r1, r2, r3 from a transformed row each
/// that `$row` computes.
macro_rules! column {
    ($row:expr) => {
        concat!(
            $row,
            "mov r1, r4\n",
            "adds r0, #100\n",
            $row,
            "adds r1, r1, r4\n",
            "mov r2, r4\n",
            "mov r3, r4\n",
            "adds r0, #100\n",
            $row,
            "adds r1, r1, r4\n",
            "subs r2, r2, r4\n",
            "adds r3, r3, r4\n",
            "adds r0, #100\n",
            $row,
            "adds r1, r1, r4\n",
            "lsls r4, r4, #1\n",
            "adds r2, r2, r4\n",
            "lsls r4, r4, #1\n",
            "adds r3, r3, r4\n",
            "adds r0, #100\n",
            $row,
            "adds r3, r3, r4\n",
            "subs r0, #200\n",
            "subs r0, #200\n",
            "mov r8, r2\n",
            "mov r9, r3\n",
            "bl 5f\n",
            "mov r1, r8\n",
            "bl 5f\n",
            "mov r1, r9\n",
            "bl 5f\n",
        )
    };
}

/// The outputs of one tile: `weights` points to `blocks` blocks for `quads`
/// words of input channels, `v` to 25 x 2 x quads words, `out` to nine times a
/// word for each block. `ninth` is the inverse of 9 modulo 2^32.
///
/// Stack from sp: 0 to 28 and from 60 as [`arguments`] has it, 32 bytes of a row
/// of outputs, 36 those from the end of a column of outputs to the next, 40
/// output channels of the block left, 44 zeros for the sums before the first.
#[unsafe(naked)]
unsafe extern "C" fn outputs_of(
    weights: *const u32,
    v: *const u32,
    out: *mut u32,
    blocks: usize,
    quads: usize,
    ninth: u32,
) {
    naked_asm!(
        enter!("300"),
        // An immediate reaches no more than 508.
        "sub sp, #264",
        arguments!("600", "114", "3", "60", "560"),
        "ldr r3, [sp, #16]",
        "lsls r1, r3, #2",
        "lsls r2, r3, #3",
        "adds r1, r1, r2",
        "str r1, [sp, #32]",
        "lsls r1, r3, #5",
        "negs r1, r1",
        "str r1, [sp, #36]",
        "movs r1, #0",
        "movs r2, #0",
        "movs r3, #0",
        "movs r4, #0",
        "add r5, sp, #44",
        "stm r5!, {{r1, r2, r3, r4}}",
        "1:",
        sums!(values!(), "2", "60"),
        // Outputs: the row of sums before the first at r0, bias and multiplier
        // at r10, result at r11, rows of results r12 apart.
        "ldr r1, [sp, #20]",
        "mov r10, r1",
        "ldr r1, [sp, #32]",
        "mov r12, r1",
        "add r0, sp, #44",
        "movs r1, #4",
        "str r1, [sp, #40]",
        "6:",
        "ldr r1, [sp, #12]",
        "mov r11, r1",
        "adds r1, #1",
        "str r1, [sp, #12]",
        column!(first!()),
        "ldr r1, [sp, #36]",
        "add r11, r1",
        column!(second!()),
        "ldr r1, [sp, #36]",
        "add r11, r1",
        column!(third!()),
        "adds r0, #4",
        "movs r1, #4",
        "add r10, r1",
        "ldr r1, [sp, #40]",
        "subs r1, #1",
        "str r1, [sp, #40]",
        "beq 7f",
        "b 6b",
        "7:",
        "ldr r0, [sp, #24]",
        "ldr r1, [sp, #16]",
        "subs r1, #1",
        "str r1, [sp, #16]",
        "beq 7f",
        "b 1b",
        "7:",
        "add sp, #264",
        leave!("300"),
        // Stores the output of 9 / 4 times the sum in r1.
        "5:",
        "ldr r5, [sp, #604]",
        "muls r1, r5, r1",
        "mov r7, r10",
        "ldr r6, [r7]",
        "ldr r5, [r7, #16]",
        "mov r7, r11",
        "add r11, r12",
        "adds r1, r1, r6",
        "bpl 6f",
        "movs r1, #0",
        "strb r1, [r7]",
        "bx lr",
        "6:",
        requantize!(),
        "strb r1, [r7]",
        "bx lr",
    )
}

/// The words of a block before its elements: biases, multipliers.
const HEAD: usize = 8;
/// Elements of a transformed tile.
const ELEMENTS: usize = 25;
/// Outputs of a tile.
const PIXELS: usize = 9;

/// The outputs of a transformed tile, nine pixels; nothing for slices whose
/// lengths do not fit together.
#[inline(never)]
pub(crate) fn outputs(packed: &[u32], v: &[u32], out: &mut [u32]) {
    let quads = v.len() / (2 * ELEMENTS);
    let blocks = out.len() / PIXELS;
    let block = HEAD + 8 * ELEMENTS * quads;
    if quads == 0 || blocks == 0 || packed.len() / block < blocks {
        return;
    }
    // SAFETY: the function reads `blocks` blocks of weights for `quads` words
    // of channels and 50 x quads words of `v`, and writes 9 x blocks words of
    // `out`; that many exist.
    unsafe {
        outputs_of(packed.as_ptr(), v.as_ptr(), out.as_mut_ptr(), blocks, quads, NINTH);
    }
}
