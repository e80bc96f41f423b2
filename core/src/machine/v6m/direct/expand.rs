//! Expands windows of the input to pairs of pixels.

use core::arch::naked_asm;

use super::in_range;

/// Four-channel words of a column that [`expand_column`] takes at once: the sum
/// of their inputs in a half word, 3 x 4 of 255 a word, fits it.
pub(crate) const COLUMN: usize = 16;

/// Expands one column of a 2x2 window's input, 4 rows, from every word that
/// `rows` have, at most [`COLUMN`], to every fourth word of
/// `[quad][row 3][channel 4][column 4]`.
///
/// Gives the sums over the rows that the upper outputs read, in the lower half,
/// and over those that the lower outputs read, in the upper half.
pub(crate) fn expand_column(rows: [&[u32]; 4], window: &mut [u32]) -> u32 {
    let [a, b, c, d] = rows;
    let quads = a.len();
    let lengths = [b.len(), c.len(), d.len()];
    if quads == 0 || quads > COLUMN || lengths != [quads; 3] || window.len() < 48 * quads - 3 {
        return 0;
    }
    let rows = rows.map(<[u32]>::as_ptr);
    // SAFETY: the loop reads `quads` words of each row, and writes every fourth
    // word of 48 x quads; the last one is 48 x quads - 4 words on.
    unsafe { expand_words(&rows, 4 * quads, window.as_mut_ptr()) }
}

/// Stores the pair of the lowest bytes of two registers, and adds it up.
macro_rules! store_pair {
    ($low:literal, $high:literal, $offset:literal) => {
        concat!(
            "uxtb r5, ",
            $low,
            "\nuxtb r6, ",
            $high,
            "\nlsls r6, r6, #16\nadds r5, r5, r6\nstr r5, [r4, #",
            $offset,
            "]\nadd lr, r5\n",
        )
    };
}

/// Stores the three pairs of the lowest bytes of r0-r3. The third lies beyond
/// the reach of r4.
macro_rules! store_channel {
    ($offset:literal, $next:literal) => {
        concat!(
            store_pair!("r0", "r1", $offset),
            store_pair!("r1", "r2", $next),
            "adds r4, #64\n",
            store_pair!("r2", "r3", $next),
            "subs r4, #64\n",
        )
    };
}

macro_rules! next_channel {
    () => {
        "lsrs r0, r0, #8\nlsrs r1, r1, #8\nlsrs r2, r2, #8\nlsrs r3, r3, #8\n"
    };
}

#[unsafe(naked)]
unsafe extern "C" fn expand_words(
    rows: *const [*const u32; 4],
    bytes: usize,
    window: *mut u32,
) -> u32 {
    naked_asm!(
        enter!(),
        "mov r12, r1",
        "mov r4, r2",
        "ldmia r0!, {{r1-r3, r5}}",
        "mov r8, r1",
        "mov r9, r2",
        "mov r10, r3",
        "mov r11, r5",
        "movs r7, #0",
        "mov lr, r7",
        "2:",
        "mov r0, r8",
        "ldr r0, [r0, r7]",
        "mov r1, r9",
        "ldr r1, [r1, r7]",
        "mov r2, r10",
        "ldr r2, [r2, r7]",
        "mov r3, r11",
        "ldr r3, [r3, r7]",
        store_channel!("0", "64"),
        next_channel!(),
        store_channel!("16", "80"),
        next_channel!(),
        store_channel!("32", "96"),
        next_channel!(),
        store_channel!("48", "112"),
        "adds r4, #192",
        "adds r7, #4",
        "cmp r7, r12",
        "bne 2b",
        "mov r0, lr",
        leave!(),
    )
}

/// Expands one channel of a 2x2 window of an image, whose `rows` have 4 pixels
/// each from that channel on, to `[row 3][column 4]`.
///
/// Gives, for the left and for the right outputs, the sum of the upper one's
/// inputs in the lower half, and of the lower one's in the upper half.
pub(crate) fn expand_channel(
    rows: [&[u8]; 4],
    channels: usize,
    window: &mut [u32; 12],
) -> [u32; 2] {
    let mut sums = [0; 2];
    if !in_range(channels, 1) || rows.iter().any(|row| row.len() <= 3 * channels) {
        return sums;
    }
    let rows = rows.map(<[u8]>::as_ptr);
    // SAFETY: reads the bytes 0, 1, 2 and 3 x channels of each row, and writes
    // 12 words of the window and both sums.
    unsafe { expand_bytes(&rows, channels, window, &mut sums) };
    sums
}

/// Stores the pair of the pixels at r7 of two rows, and leaves it in r5.
macro_rules! store_pixels {
    ($low:literal, $high:literal, $offset:literal) => {
        concat!(
            "ldrb r5, [",
            $low,
            ", r7]\nldrb r6, [",
            $high,
            ", r7]\nlsls r6, r6, #16\nadds r5, r5, r6\nstr r5, [r4, #",
            $offset,
            "]\n",
        )
    };
}

/// Stores the three pairs of a column, and adds each up.
macro_rules! store_column {
    ($add:literal) => {
        concat!(
            store_pixels!("r0", "r1", "0"),
            $add,
            store_pixels!("r1", "r2", "16"),
            $add,
            store_pixels!("r2", "r3", "32"),
            $add,
        )
    };
}

#[unsafe(naked)]
unsafe extern "C" fn expand_bytes(
    rows: *const [*const u8; 4],
    channels: usize,
    window: *mut [u32; 12],
    sums: *mut [u32; 2],
) {
    naked_asm!(
        enter!(),
        "mov r8, r1",
        "mov r4, r2",
        "movs r7, #0",
        "mov r9, r7",
        "mov r10, r7",
        "ldmia r0!, {{r1-r3, r5}}",
        "mov r0, r1",
        "mov r1, r2",
        "mov r2, r3",
        "mov r3, r5",
        store_column!("add r9, r5\n"),
        "adds r4, #4",
        "add r7, r8",
        store_column!("add r9, r5\nadd r10, r5\n"),
        "adds r4, #4",
        "add r7, r8",
        store_column!("add r9, r5\nadd r10, r5\n"),
        "adds r4, #4",
        "add r7, r8",
        store_column!("add r10, r5\n"),
        "mov r4, r9",
        "mov r5, r10",
        "ldr r3, [sp, #8]",
        "stmia r3!, {{r4-r5}}",
        leave!(),
    )
}
