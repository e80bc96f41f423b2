//! The pooled first convolution of an image with one channel.

use core::arch::naked_asm;

use super::text::{enter, leave, requantize};

/// Words of a tile: the element rows 0, 1, 3, 2 of V as `i32`, and the byte of
/// the output where the tile's pixel starts.
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

/// The outputs of the tiles from `tiles` to `end`, which are not the same:
/// writes to `out`, of `channels` bytes a pixel, what is not 0. Reads a record
/// of `packed` for each channel.
///
/// Taken apart, U serves all tiles. Stack from sp: 0 U in the order of V, 64
/// multiplier, 68 the channel's byte of the first pixel, 72 the end of these,
/// 76 `tiles`, 80 `packed`.
#[unsafe(naked)]
unsafe extern "C" fn outputs_of(
    packed: *const u32,
    tiles: *const u32,
    end: *const u32,
    out: *mut u32,
    channels: usize,
) {
    naked_asm!(
        enter!("84"),
        "ldr r4, [sp, #120]",
        "adds r4, r4, r3",
        "str r3, [sp, #68]",
        "str r4, [sp, #72]",
        "str r1, [sp, #76]",
        "mov lr, r2",
        // Zeros to all pixels.
        "ldr r5, [r1, #64]",
        "subs r2, #4",
        "ldr r6, [r2]",
        "adds r5, r5, r3",
        "adds r6, r6, r4",
        "movs r7, #0",
        "6:",
        "stm r5!, {{r7}}",
        "cmp r5, r6",
        "bne 6b",
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
        "ldr r0, [sp, #80]",
        "ldr r1, [sp, #68]",
        "adds r1, #1",
        "str r1, [sp, #68]",
        "ldr r2, [sp, #72]",
        "cmp r1, r2",
        "beq 5f",
        "b 1b",
        "5:",
        leave!("84"),
    )
}

/// Words of the packed parameters of an output channel.
const RECORD: usize = 10;

/// Words in which [`convolve_pool`] works at least: with room for more tiles it
/// takes U apart less often.
pub(crate) const SCRATCH: usize = 7 * TILE;

/// Transforms four pixels of a row, $row bytes from sp its pointer, r8 bytes
/// from that on, and stores them at r7: (d0 - d2, d1 + d2, d1 - d2, d3 - d1).
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

/// Makes `count` tiles of the image from byte `x` of four rows on. The first
/// one's output starts at byte `first` and `pixel` bytes before the next.
#[unsafe(naked)]
unsafe extern "C" fn transform_of(
    rows: *const *const u8,
    x: usize,
    tiles: *mut [u32; TILE],
    count: usize,
    first: usize,
    pixel: usize,
) {
    naked_asm!(
        enter!("20"),
        "mov r8, r1",
        "mov r7, r2",
        "mov r9, r3",
        "ldm r0!, {{r1, r2, r3, r4}}",
        "mov r0, sp",
        "stm r0!, {{r1, r2, r3, r4}}",
        "ldr r6, [sp, #56]",
        "2:",
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
        "ldr r0, [sp, #60]",
        "adds r6, r6, r0",
        "movs r0, #2",
        "add r8, r0",
        "mov r0, r9",
        "subs r0, #1",
        "mov r9, r0",
        "bne 2b",
        leave!("20"),
    )
}

/// Fills tiles from pixel `start` of the output on, as many as there are and
/// the rows have input for. Returns their number.
fn transform(rows: [&[u8]; 4], start: usize, pixel: usize, tiles: &mut [[u32; TILE]]) -> usize {
    let len = rows.iter().map(|row| row.len()).min().unwrap_or_default();
    let count = tiles.len().min((len / 2).saturating_sub(1 + start));
    if count != 0 {
        let rows = rows.map(<[u8]>::as_ptr);
        // SAFETY: the function reads four bytes from `2 * start` of each row, and
        // as many two bytes on for each further tile, up to byte `2 * (start +
        // count) + 1`: below `len`. It writes the first `count` tiles.
        unsafe {
            let tiles = tiles.as_mut_ptr();
            transform_of(rows.as_ptr(), 2 * start, tiles, count, start * pixel, pixel);
        }
    }
    count
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
    let (tiles, _) = scratch.as_chunks_mut::<TILE>();
    if quads == 0 || tiles.is_empty() || packed.len() / (4 * RECORD) < quads {
        return;
    }
    let pixels = out.len() / quads;
    let mut start = 0;
    while start < pixels {
        let room = tiles.len().min(pixels - start);
        let count = transform(rows, start, 4 * quads, tiles.get_mut(..room).unwrap_or_default());
        if count == 0 {
            return;
        }
        let tiles = tiles.as_ptr_range();
        // SAFETY: the function reads the first `count` tiles, of at least 1,
        // and a record for each of 4 x quads channels; that many exist. A tile
        // tells the byte at which its pixel starts, one of the first `pixels`:
        // what is written lies in `out`.
        unsafe {
            outputs_of(
                packed.as_ptr(),
                tiles.start.cast(),
                tiles.start.add(count).cast(),
                out.as_mut_ptr(),
                4 * quads,
            );
        }
        start += count;
    }
}
