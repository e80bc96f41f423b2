//! The pooled first convolution of an image with one channel.

use core::arch::naked_asm;

use super::text::{enter, leave, requantize};

/// Words of a tile: the rows 0, 1, 3, 2 of V as `i32`, and the byte of the output
/// where the tile's pixel starts.
const TILE: usize = 17;

/// Takes a word of two elements of U apart, to the stack.
macro_rules! unpack {
    ($word:literal, $low:literal, $high:literal) => {
        concat!(
            "sxth r5, ",
            $word,
            "\n",
            "str r5, [sp, #",
            $low,
            "]\n",
            "asrs ",
            $word,
            ", ",
            $word,
            ", #16\n",
            "str ",
            $word,
            ", [sp, #",
            $high,
            "]\n",
        )
    };
}

/// Multiplies a row of V at r0 with one of U at r1 and transforms the products:
/// r2 = p0 + p1 - p2, r3 = p1 + p2 + p3.
macro_rules! row {
    () => {
        concat!(
            "ldm r0!, {{r2, r3, r4, r5}}\n",
            "ldm r1!, {{r6, r7}}\n",
            "muls r2, r6, r2\n",
            "muls r3, r7, r3\n",
            "ldm r1!, {{r6, r7}}\n",
            "muls r4, r6, r4\n",
            "muls r5, r7, r5\n",
            "adds r2, r2, r3\n",
            "subs r2, r2, r4\n",
            "adds r3, r3, r4\n",
            "adds r3, r3, r5\n",
        )
    };
}

/// Tiles of some pixels of a row.
#[repr(C)]
struct Tiles {
    /// The channel's byte of the first pixel of the row of outputs.
    out: *mut u8,
    /// Where those of the first pixel end.
    out_end: *mut u8,
    /// The tiles that are transformed.
    tiles: *const u32,
    tiles_end: *mut u32,
    /// Where the outputs of those start that are flat: one value, that of the
    /// first pixel.
    flat: *mut u32,
    flat_end: *const u32,
    /// The sum of a window of 2x2 pixels of these: the only element of V, that
    /// of row 1 and column 1, that is not 0.
    value: i32,
}

/// The outputs of `tiles`, whose bytes are 0 before: writes what is not. Reads
/// a record of `packed` for each channel.
///
/// Taken apart, U serves all tiles. Stack from sp: 0 U in the order of V, 64
/// multiplier, 68 `out`, 72 `out_end`, 76 `tiles`, 80 `packed`, 84 `flat`, 88
/// `flat_end`, 92 `value`.
#[unsafe(naked)]
unsafe extern "C" fn outputs_of(packed: *const u32, tiles: *const Tiles) {
    naked_asm!(
        enter!("100"),
        "ldm r1!, {{r2, r3, r4, r5, r6, r7}}",
        "str r2, [sp, #68]",
        "str r3, [sp, #72]",
        "str r4, [sp, #76]",
        "mov lr, r5",
        "str r6, [sp, #84]",
        "str r7, [sp, #88]",
        "ldr r2, [r1]",
        "str r2, [sp, #92]",
        "1:",
        "ldm r0!, {{r1, r2, r3, r4}}",
        unpack!("r1", "24", "52"),
        unpack!("r2", "40", "36"),
        unpack!("r3", "28", "60"),
        unpack!("r4", "8", "4"),
        "ldm r0!, {{r1, r2, r3, r4}}",
        unpack!("r1", "16", "48"),
        unpack!("r2", "0", "44"),
        unpack!("r3", "12", "32"),
        unpack!("r4", "20", "56"),
        "ldm r0!, {{r1, r2}}",
        "negs r1, r1",
        "mov r12, r1",
        "str r2, [sp, #64]",
        "str r0, [sp, #80]",
        "ldr r0, [sp, #76]",
        "cmp r0, lr",
        "beq 5f",
        "2:",
        "mov r1, sp",
        row!(),
        "mov r8, r2",
        "mov r9, r3",
        row!(),
        "add r8, r2",
        "add r9, r3",
        "mov r10, r2",
        "mov r11, r3",
        row!(),
        "add r10, r2",
        "add r11, r3",
        row!(),
        "mov r4, r8",
        "subs r4, r4, r2",
        "mov r5, r9",
        "subs r5, r5, r3",
        "add r2, r10",
        "add r3, r11",
        "cmp r2, r3",
        "bge 3f",
        "mov r2, r3",
        "3:",
        "cmp r4, r5",
        "bge 3f",
        "mov r4, r5",
        "3:",
        "cmp r2, r4",
        "bge 3f",
        "mov r2, r4",
        "3:",
        "ldm r0!, {{r7}}",
        // The bias is added to what exceeds its negative only.
        "cmp r2, r12",
        "ble 4f",
        "mov r1, r12",
        "subs r1, r2, r1",
        "ldr r5, [sp, #64]",
        requantize!(),
        "ldr r6, [sp, #68]",
        "strb r1, [r7, r6]",
        "4:",
        "cmp r0, lr",
        "bne 2b",
        // Flat tiles have one output: the product of one element.
        "5:",
        "ldr r6, [sp, #84]",
        "ldr r0, [sp, #88]",
        "cmp r6, r0",
        "beq 6f",
        "ldr r1, [sp, #20]",
        "ldr r2, [sp, #92]",
        "muls r1, r2, r1",
        "cmp r1, r12",
        "ble 6f",
        "mov r2, r12",
        "subs r1, r1, r2",
        "ldr r5, [sp, #64]",
        requantize!(),
        "ldr r2, [sp, #68]",
        "5:",
        "ldm r6!, {{r3}}",
        "strb r1, [r3, r2]",
        "cmp r6, r0",
        "bne 5b",
        "6:",
        "ldr r0, [sp, #80]",
        "ldr r1, [sp, #68]",
        "adds r1, #1",
        "str r1, [sp, #68]",
        "ldr r2, [sp, #72]",
        "cmp r1, r2",
        "beq 5f",
        "b 1b",
        "5:",
        leave!("100"),
    )
}

/// Words of the packed parameters of an output channel.
const RECORD: usize = 10;

/// Words in which [`convolve_pool`] works at least: with room for more tiles it
/// takes U apart less often.
pub(crate) const SCRATCH: usize = 7 * TILE;

/// Transforms four pixels of a row, whose pointer is `$row` bytes from sp, r8
/// bytes from that on, and stores them at r7: (d0 - d2, d1 + d2, d1 - d2, d3 - d1).
macro_rules! pixels {
    ($row:literal) => {
        concat!(
            "ldr r0, [sp, #",
            $row,
            "]\n",
            "add r0, r8\n",
            "ldrb r1, [r0, #0]\n",
            "ldrb r2, [r0, #1]\n",
            "ldrb r3, [r0, #2]\n",
            "ldrb r4, [r0, #3]\n",
            "subs r1, r1, r3\n",
            "subs r4, r4, r2\n",
            "adds r5, r2, r3\n",
            "subs r3, r2, r3\n",
            "mov r2, r5\n",
            "stm r7!, {{r1, r2, r3, r4}}\n",
        )
    };
}

/// Transforms a column of four rows at r7.
macro_rules! column {
    ($a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "ldr r0, [r7, #",
            $a,
            "]\n",
            "ldr r1, [r7, #",
            $b,
            "]\n",
            "ldr r2, [r7, #",
            $c,
            "]\n",
            "ldr r3, [r7, #",
            $d,
            "]\n",
            "subs r0, r0, r2\n",
            "str r0, [r7, #",
            $a,
            "]\n",
            "adds r0, r1, r2\n",
            "str r0, [r7, #",
            $b,
            "]\n",
            "subs r0, r3, r1\n",
            "str r0, [r7, #",
            $c,
            "]\n",
            "subs r0, r1, r2\n",
            "str r0, [r7, #",
            $d,
            "]\n",
        )
    };
}

/// Goes on if four pixels of a row, whose pointer is `$row` bytes from sp, r8
/// bytes from that on, are r1; to label 3 otherwise.
macro_rules! flat {
    ($row:literal) => {
        concat!(
            "ldr r0, [sp, #",
            $row,
            "]\n",
            "add r0, r8\n",
            "ldrb r2, [r0, #0]\n",
            "cmp r2, r1\n",
            "bne 3f\n",
            "ldrb r2, [r0, #1]\n",
            "cmp r2, r1\n",
            "bne 3f\n",
            "ldrb r2, [r0, #2]\n",
            "cmp r2, r1\n",
            "bne 3f\n",
            "ldrb r2, [r0, #3]\n",
            "cmp r2, r1\n",
            "bne 3f\n",
        )
    };
}

/// What is transformed.
#[repr(C)]
struct Pixels {
    /// Four rows of the image, from the first pixel's tile on.
    rows: [*const u8; 4],
    /// How many.
    count: usize,
    /// The byte where the first one's output starts.
    first: usize,
    /// Bytes of an output.
    pixel: usize,
}

/// Appends a tile to `tiles.tiles_end` for each of the pixels, or the place of
/// its output before `tiles.flat` if all it covers are what the image starts
/// with there.
#[unsafe(naked)]
unsafe extern "C" fn transform_of(pixels: *const Pixels, tiles: *mut Tiles) {
    naked_asm!(
        enter!("36"),
        "mov r11, r1",
        "ldm r0!, {{r1, r2, r3, r4, r5, r6, r7}}",
        // Stack from sp: rows, 28 bytes of an output.
        "str r1, [sp, #0]",
        "str r2, [sp, #4]",
        "str r3, [sp, #8]",
        "str r4, [sp, #12]",
        "mov r9, r5",
        "str r7, [sp, #28]",
        "ldrb r1, [r1]",
        "mov r12, r1",
        "movs r0, #0",
        "mov r8, r0",
        "mov r0, r11",
        "lsls r1, r1, #2",
        "str r1, [r0, #24]",
        "ldr r7, [r0, #12]",
        "ldr r1, [r0, #16]",
        "mov r10, r1",
        "2:",
        "mov r1, r12",
        flat!("0"),
        flat!("4"),
        flat!("8"),
        flat!("12"),
        "mov r0, r10",
        "subs r0, #4",
        "str r6, [r0]",
        "mov r10, r0",
        "b 4f",
        "3:",
        pixels!("0"),
        pixels!("4"),
        pixels!("8"),
        pixels!("12"),
        "subs r7, #64",
        column!("0", "16", "32", "48"),
        column!("4", "20", "36", "52"),
        column!("8", "24", "40", "56"),
        column!("12", "28", "44", "60"),
        "str r6, [r7, #64]",
        "adds r7, #68",
        "4:",
        "ldr r0, [sp, #28]",
        "adds r6, r6, r0",
        "movs r0, #2",
        "add r8, r0",
        "mov r0, r9",
        "subs r0, #1",
        "mov r9, r0",
        "beq 5f",
        "b 2b",
        "5:",
        "mov r0, r11",
        "str r7, [r0, #12]",
        "mov r1, r10",
        "str r1, [r0, #16]",
        leave!("36"),
    )
}

/// One row of the pooled convolution of an image with one channel, of `quads`
/// words a pixel. Pixels whose input the rows do not hold are left as they are.
#[inline(never)]
pub(crate) fn convolve_pool(
    packed: &[u32],
    rows: [&[u8]; 4],
    quads: usize,
    out: &mut [u32],
    scratch: &mut [u32],
) {
    let room = scratch.len() / TILE;
    if quads == 0 || room == 0 || packed.len() / (4 * RECORD) < quads {
        return;
    }
    let pixel = 4 * quads;
    let len = rows.iter().map(|row| row.len()).min().unwrap_or_default();
    let end = (out.len() / quads).min((len / 2).saturating_sub(1));
    let mut start = 0;
    while start < end {
        let count = room.min(end - start);
        if let Some(out) = out.get_mut(start * quads..(start + count) * quads) {
            out.fill(0);
        }
        let out = out.as_mut_ptr().cast::<u8>();
        let place = scratch.as_mut_ptr_range();
        let rows = rows.map(|row| row.as_ptr().wrapping_add(2 * start));
        let pixels = Pixels { rows, count, first: start * pixel, pixel };
        // SAFETY: tiles grow from the start of `scratch` and what stands for a
        // flat one, a single word, from its end: there is room for `count` of
        // the larger. Four bytes are read from `2 * x` of each row for pixels x
        // below `end`; `len` is more. A record is read for each of `pixel`
        // channels, which exist. A tile tells the byte at which one of the
        // pixels below `end` starts: what is written lies in `out`.
        unsafe {
            let mut tiles = Tiles {
                out,
                out_end: out.add(pixel),
                tiles: place.start,
                tiles_end: place.start,
                flat: place.end,
                flat_end: place.end,
                value: 0,
            };
            transform_of(&pixels, &mut tiles);
            outputs_of(packed.as_ptr(), &tiles);
        }
        start += count;
    }
}
