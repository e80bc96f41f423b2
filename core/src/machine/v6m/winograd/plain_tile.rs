//! Input transform of F(3x3, 3x3).

use core::arch::naked_asm;

use super::text::{enter, leave};
use crate::forward::int8::winograd::portable;

/// r1 to r5 to B^T times them. Overwrites r6 and r7.
macro_rules! filter {
    () => {
        concat!(
            "subs r6, r4, r2\n",
            "subs r7, r4, r3\n",
            "subs r1, r1, r3\n",
            "lsls r1, r1, #1\n",
            "adds r1, r1, r6\n",
            "subs r5, r5, r3\n",
            "subs r5, r5, r6\n",
            "subs r5, r5, r6\n",
            "subs r3, r2, r3\n",
            "lsls r3, r3, #1\n",
            "adds r3, r3, r7\n",
            "lsls r2, r2, #1\n",
            "subs r2, r7, r2\n",
            "mov r4, r6\n",
        )
    };
}

/// The same of a row of the tile, to r0: of five words, r10 bytes behind the
/// pointer at the start of the stack and r9 bytes from each other, shifted as
/// the stack says and masked by r8. A pair of channels is low + 2^16 high with
/// signed halves.
macro_rules! pixels {
    ($row:literal, $to:literal) => {
        concat!(
            "ldr r0, [sp, #",
            $row,
            "]\n",
            "add r0, r10\n",
            "mov r7, r9\n",
            "ldr r1, [r0]\n",
            "ldr r2, [r0, r7]\n",
            "adds r0, r0, r7\n",
            "adds r0, r0, r7\n",
            "ldr r3, [r0]\n",
            "ldr r4, [r0, r7]\n",
            "adds r0, r0, r7\n",
            "ldr r5, [r0, r7]\n",
            "mov r0, r8\n",
            "ldr r6, [sp, #24]\n",
            "lsrs r1, r6\n",
            "lsrs r2, r6\n",
            "lsrs r3, r6\n",
            "lsrs r4, r6\n",
            "lsrs r5, r6\n",
            "ands r1, r0\n",
            "ands r2, r0\n",
            "ands r3, r0\n",
            "ands r4, r0\n",
            "ands r5, r0\n",
            filter!(),
            "add r0, sp, #",
            $to,
            "\n",
            "stm r0!, {{r1, r2, r3, r4, r5}}\n",
        )
    };
}

/// A column of V from a transformed column, to r12; the next is lr bytes on.
/// Adding 2^15 to a pair takes the borrow from its high half.
macro_rules! column {
    ($a:literal, $b:literal, $c:literal, $d:literal, $e:literal) => {
        concat!(
            "ldr r1, [sp, #",
            $a,
            "]\n",
            "ldr r2, [sp, #",
            $b,
            "]\n",
            "ldr r3, [sp, #",
            $c,
            "]\n",
            "ldr r4, [sp, #",
            $d,
            "]\n",
            "ldr r5, [sp, #",
            $e,
            "]\n",
            filter!(),
            "movs r0, #128\n",
            "lsls r0, r0, #8\n",
            "mov r6, r12\n",
            "mov r7, r11\n",
            "adds r1, r1, r0\n",
            "eors r1, r0\n",
            "str r1, [r6]\n",
            "adds r6, r6, r7\n",
            "adds r2, r2, r0\n",
            "eors r2, r0\n",
            "str r2, [r6]\n",
            "adds r6, r6, r7\n",
            "adds r3, r3, r0\n",
            "eors r3, r0\n",
            "str r3, [r6]\n",
            "adds r6, r6, r7\n",
            "adds r4, r4, r0\n",
            "eors r4, r0\n",
            "str r4, [r6]\n",
            "adds r6, r6, r7\n",
            "adds r5, r5, r0\n",
            "eors r5, r0\n",
            "str r5, [r6]\n",
            "add r12, lr\n",
        )
    };
}

/// Transforms a tile of `quads` words of channels: `rows` points to five
/// pointers to five pixels, `v` to 50 x quads words.
///
/// Stack from sp: 0 the rows, 20 V of this pair of channels, 24 by how much
/// words are shifted for it, 28 rows of the tile times B.
#[unsafe(naked)]
unsafe extern "C" fn tile_of(rows: *const *const u32, v: *mut u32, quads: usize) {
    naked_asm!(
        enter!("132"),
        "str r1, [sp, #20]",
        "ldm r0!, {{r3, r4, r5, r6, r7}}",
        "mov r0, sp",
        "stm r0!, {{r3, r4, r5, r6, r7}}",
        "movs r0, #255",
        "lsls r1, r0, #16",
        "orrs r0, r1",
        "mov r8, r0",
        "lsls r2, r2, #2",
        "mov r9, r2",
        "movs r0, #0",
        "mov r10, r0",
        // From an element to the next, and to that of the next row.
        "lsls r2, r2, #1",
        "mov lr, r2",
        "lsls r0, r2, #2",
        "adds r0, r0, r2",
        "mov r11, r0",
        "2:",
        "movs r0, #0",
        "4:",
        "str r0, [sp, #24]",
        pixels!("0", "28"),
        pixels!("4", "48"),
        pixels!("8", "68"),
        pixels!("12", "88"),
        pixels!("16", "108"),
        "ldr r0, [sp, #20]",
        "mov r12, r0",
        "adds r0, #4",
        "str r0, [sp, #20]",
        column!("28", "48", "68", "88", "108"),
        column!("32", "52", "72", "92", "112"),
        column!("36", "56", "76", "96", "116"),
        column!("40", "60", "80", "100", "120"),
        column!("44", "64", "84", "104", "124"),
        "ldr r0, [sp, #24]",
        "adds r0, #8",
        "cmp r0, #8",
        "bne 5f",
        "b 4b",
        "5:",
        "movs r0, #4",
        "add r10, r0",
        "cmp r10, r9",
        "beq 3f",
        "b 2b",
        "3:",
        leave!("132"),
    )
}

/// Elements of a transformed tile.
const ELEMENTS: usize = 25;

/// V of 5x5 pixels of activations; pixels that the rows do not hold are 0.
#[inline(never)]
pub(crate) fn tile(rows: [&[u32]; 5], v: &mut [u32]) {
    let quads = v.len() / (2 * ELEMENTS);
    if quads == 0 || rows.iter().any(|row| row.len() < 5 * quads) {
        return portable::plain_tile(rows, v);
    }
    let rows = rows.map(<[u32]>::as_ptr);
    // SAFETY: the function reads five pixels of `quads` words of each row, and
    // writes 50 x quads words of `v`; that many exist.
    unsafe { tile_of(rows.as_ptr(), v.as_mut_ptr(), quads) };
}
