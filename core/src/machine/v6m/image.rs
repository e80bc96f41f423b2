//! The pooled first convolution of an image with one channel.

use core::arch::naked_asm;

use super::requantize::requantize;

/// Words of a tile: the element rows 0, 1, 3, 2 of V as `i32`, and the byte of
/// the output where the tile's pixel starts.
const TILE: usize = 17;

/// Takes a word of two elements of U apart, to the stack.
macro_rules! unpack {
    ($word:literal, $low:literal, $high:literal) => {
        concat!(
            "sxth r5, ", $word, "\n",
            "str r5, [sp, #", $low, "]\n",
            "asrs ", $word, ", ", $word, ", #16\n",
            "str ", $word, ", [sp, #", $high, "]\n",
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
        "push {{r4, r5, r6, r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4, r5, r6, r7}}",
        "sub sp, #84",
        "ldr r4, [sp, #120]",
        "adds r4, r4, r3",
        "str r3, [sp, #68]",
        "str r4, [sp, #72]",
        "str r1, [sp, #76]",
        "mov lr, r2",
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
        "add sp, #84",
        "pop {{r4, r5, r6, r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4, r5, r6, r7, pc}}",
    )
}

/// Words of the packed parameters of an output channel.
const RECORD: usize = 10;

/// Words in which [`convolve_pool`] works: room for the tiles of as many pixels.
pub(crate) const fn scratch_len(pixels: usize) -> usize {
    pixels * TILE
}

/// A column of the tile times B^T.
#[inline(always)]
fn column(rows: [&[u8]; 4], x: usize) -> [i32; 4] {
    let [a, b, c, d] = rows.map(|row| row.get(x).copied().map_or(0, i32::from));
    [a - c, b + c, b - c, d - b]
}

/// V of the pixels from `start` on; the tiles of the pixels whose input the
/// rows do not hold are left as they are. Returns the number of the others.
fn transform(rows: [&[u8]; 4], start: usize, pixel: usize, tiles: &mut [[u32; TILE]]) -> usize {
    let len = rows.iter().map(|row| row.len()).min().unwrap_or_default();
    let rows = rows.map(|row| row.get(..len).unwrap_or_default());
    let mut x = 2 * start;
    let mut columns = [column(rows, x), column(rows, x + 1)];
    for (index, tile) in tiles.iter_mut().enumerate() {
        if x + 4 > len {
            return index;
        }
        let [a, b] = columns;
        let [c, d] = [column(rows, x + 2), column(rows, x + 3)];
        columns = [c, d];
        let mut put = |at: usize, value: i32| {
            if let Some(place) = tile.get_mut(at) {
                *place = value.cast_unsigned();
            }
        };
        for (row, place) in [0, 4, 12, 8].into_iter().enumerate() {
            let [a, b, c, d] = [a, b, c, d].map(|column| column.get(row).copied().unwrap_or(0));
            put(place, a - c);
            put(place + 1, b + c);
            put(place + 2, b - c);
            put(place + 3, d - b);
        }
        put(16, ((start + index) * pixel) as i32);
        x += 2;
    }
    tiles.len()
}

/// One row of the pooled convolution of an image with one channel, of `quads`
/// words a pixel; zeros for slices that do not fit together.
#[inline(never)]
pub(crate) fn convolve_pool(
    packed: &[u32],
    rows: [&[u8]; 4],
    quads: usize,
    out: &mut [u32],
    scratch: &mut [u32],
) {
    out.fill(0);
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
