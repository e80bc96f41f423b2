//! Input transform of F(2x2, 3x3).

use core::arch::naked_asm;

use super::text::{enter, leave};
use crate::chunks::{chunks, chunks_mut};

/// Loads words `$row` of the tile's four columns, r10 bytes from the row's
/// start and r9 from each other, takes them apart to pairs of channels by the
/// mask in r8, and stores h = (d0 - d2, d1 + d2, d1 - d2, d3 - d1) of both pairs
/// to the stack. A pair is low + 2^16 high with signed halves.
macro_rules! row {
    ($row:literal, $a0:literal, $a1:literal, $a2:literal, $a3:literal,
     $b0:literal, $b1:literal, $b2:literal, $b3:literal) => {
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
            "mov r0, r8\n",
            "lsrs r5, r1, #8\n",
            "ands r5, r0\n",
            "lsrs r6, r3, #8\n",
            "ands r6, r0\n",
            "lsrs r7, r2, #8\n",
            "ands r7, r0\n",
            "subs r5, r5, r6\n",
            "str r5, [sp, #",
            $b0,
            "]\n",
            "adds r5, r7, r6\n",
            "str r5, [sp, #",
            $b1,
            "]\n",
            "subs r5, r7, r6\n",
            "str r5, [sp, #",
            $b2,
            "]\n",
            "lsrs r5, r4, #8\n",
            "ands r5, r0\n",
            "subs r5, r5, r7\n",
            "str r5, [sp, #",
            $b3,
            "]\n",
            "ands r1, r0\n",
            "ands r2, r0\n",
            "ands r3, r0\n",
            "ands r4, r0\n",
            "subs r1, r1, r3\n",
            "str r1, [sp, #",
            $a0,
            "]\n",
            "adds r5, r2, r3\n",
            "str r5, [sp, #",
            $a1,
            "]\n",
            "subs r5, r2, r3\n",
            "str r5, [sp, #",
            $a2,
            "]\n",
            "subs r5, r4, r2\n",
            "str r5, [sp, #",
            $a3,
            "]\n",
        )
    };
}

/// Stores the halves of the pairs in `$a` and `$b` at r5, and moves that to the
/// next row of V.
macro_rules! store {
    ($a:literal, $b:literal) => {
        concat!(
            "sxth r1, ",
            $a,
            "\n",
            "subs r2, ",
            $a,
            ", r1\n",
            "asrs r2, r2, #16\n",
            "sxth r3, ",
            $b,
            "\n",
            "subs r4, ",
            $b,
            ", r3\n",
            "asrs r4, r4, #16\n",
            "stm r5!, {{r1, r2, r3, r4}}\n",
            "add r5, r11\n",
        )
    };
}

/// A column of V from h of the four rows of both pairs.
macro_rules! column {
    ($a0:literal, $a1:literal, $a2:literal, $a3:literal,
     $b0:literal, $b1:literal, $b2:literal, $b3:literal) => {
        concat!(
            "ldr r2, [sp, #",
            $a0,
            "]\n",
            "ldr r6, [sp, #",
            $a2,
            "]\n",
            "subs r2, r2, r6\n",
            "ldr r4, [sp, #",
            $b0,
            "]\n",
            "ldr r7, [sp, #",
            $b2,
            "]\n",
            "subs r4, r4, r7\n",
            store!("r2", "r4"),
            "ldr r0, [sp, #",
            $a1,
            "]\n",
            "adds r2, r0, r6\n",
            "subs r6, r0, r6\n",
            "ldr r3, [sp, #",
            $b1,
            "]\n",
            "adds r4, r3, r7\n",
            "subs r7, r3, r7\n",
            store!("r2", "r4"),
            store!("r6", "r7"),
            "ldr r2, [sp, #",
            $a3,
            "]\n",
            "subs r2, r2, r0\n",
            "ldr r4, [sp, #",
            $b3,
            "]\n",
            "ldr r0, [sp, #",
            $b1,
            "]\n",
            "subs r4, r4, r0\n",
            store!("r2", "r4"),
            "add r5, r12\n",
        )
    };
}

/// Transforms a tile of `quads` words of channels: `rows` points to four
/// pointers to four pixels, `v` to 16 x 4 x quads values.
///
/// Stack from sp: 0 the rows, 20 h \[row\]\[pair\]\[column\].
#[unsafe(naked)]
unsafe extern "C" fn transform_of(rows: *const *const u32, v: *mut i32, quads: usize) {
    naked_asm!(
        enter!("148"),
        "mov lr, r1",
        "ldm r0!, {{r3, r4, r5, r6}}",
        "mov r0, sp",
        "stm r0!, {{r3, r4, r5, r6}}",
        "movs r0, #255",
        "lsls r1, r0, #16",
        "orrs r0, r1",
        "mov r8, r0",
        "lsls r2, r2, #2",
        "mov r9, r2",
        "movs r0, #0",
        "mov r10, r0",
        // From an element to that of the next row: 4 elements; from the fifth
        // row to the first of the next column: back by 15.
        "lsls r2, r2, #4",
        "mov r0, r2",
        "subs r0, #16",
        "mov r11, r0",
        "lsrs r0, r2, #2",
        "lsls r2, r2, #2",
        "subs r0, r0, r2",
        "mov r12, r0",
        "2:",
        row!("0", "20", "24", "28", "32", "36", "40", "44", "48"),
        row!("4", "52", "56", "60", "64", "68", "72", "76", "80"),
        row!("8", "84", "88", "92", "96", "100", "104", "108", "112"),
        row!("12", "116", "120", "124", "128", "132", "136", "140", "144"),
        "mov r5, lr",
        column!("20", "52", "84", "116", "36", "68", "100", "132"),
        column!("24", "56", "88", "120", "40", "72", "104", "136"),
        column!("28", "60", "92", "124", "44", "76", "108", "140"),
        column!("32", "64", "96", "128", "48", "80", "112", "144"),
        "movs r0, #16",
        "add lr, r0",
        "movs r0, #4",
        "add r10, r0",
        "cmp r10, r9",
        "beq 3f",
        "b 2b",
        "3:",
        leave!("148"),
    )
}

/// Elements of a transformed tile.
const ELEMENTS: usize = 16;

/// V of four pixels of four rows of activations, as
/// `i32` \[element\]\[word of channels\]\[pair\]\[2\]; nothing for slices whose
/// lengths do not fit together.
#[inline(never)]
pub(crate) fn tile(rows: [&[u32]; 4], v: &mut [u32]) {
    let quads = v.len() / (4 * ELEMENTS);
    if quads == 0 || rows.iter().any(|row| row.len() < 4 * quads) {
        return;
    }
    let rows = rows.map(<[u32]>::as_ptr);
    // SAFETY: the function reads four pixels of `quads` words of each row, and
    // writes 64 x quads words of `v`; that many exist.
    unsafe { transform_of(rows.as_ptr(), v.as_mut_ptr().cast(), quads) };
}

/// Words of a pixel of an image; one has at most 16 channels.
const IMAGE_QUADS: usize = 4;

/// The same of four pixels of four rows of an image, of `channels` bytes a
/// pixel; nothing for more than 16 channels.
#[inline(never)]
pub(crate) fn tile_of_pixels(rows: [&[u8]; 4], channels: usize, v: &mut [u32]) {
    let quads = channels.div_ceil(4);
    let mut words = [[0; 4 * IMAGE_QUADS]; 4];
    for (words, row) in words.iter_mut().zip(rows) {
        for (words, pixel) in chunks_mut(words, quads).zip(chunks(row, channels)) {
            let (whole, rest) = pixel.as_chunks();
            for (word, bytes) in words.iter_mut().zip(whole) {
                *word = u32::from_le_bytes(*bytes);
            }
            if let (Some(word), [_, ..]) = (words.last_mut(), rest) {
                *word = rest.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
            }
        }
    }
    tile(words.each_ref().map(|words| words.get(..4 * quads).unwrap_or_default()), v);
}
