//! F(3x3, 3x3).

use core::arch::naked_asm;

use super::products::{Steps, enter, products};
use crate::forward::int8::QUAD;
use crate::forward::int8::winograd::{NINTH, portable};

/// Elements of a transformed tile.
const ELEMENTS: usize = 25;
/// Pixels of the outputs.
const PIXELS: usize = 9;

/// As `tile` of the portable kernels, which takes what lies at the map's end.
pub(crate) fn tile(rows: [&[u32]; 5], v: &mut [u32]) {
    let quads = v.len() / (2 * ELEMENTS);
    if quads == 0 || rows.iter().any(|row| row.len() < 5 * quads) {
        portable::plain_tile(rows, v);
        return;
    }
    let rows = rows.map(<[u32]>::as_ptr);
    // SAFETY: for each of `quads` words of a pixel the function reads five
    // pixels of each row, which exist, and reads and writes two words for each
    // element, of which V has as many.
    unsafe { transform(&raw const rows, v.as_mut_ptr(), quads) }
}

/// r0-r4 become their transform, the fourth value in r5. Clobbers r3, r6, r7.
macro_rules! filter {
    () => {
        "ssub16 r5, r3, r1
        ssub16 r6, r3, r2
        ssub16 r0, r0, r2
        sadd16 r0, r0, r0
        sadd16 r0, r0, r5
        ssub16 r4, r4, r2
        ssub16 r4, r4, r5
        ssub16 r4, r4, r5
        ssub16 r7, r1, r2
        sadd16 r2, r6, r7
        sadd16 r2, r2, r7
        ssub16 r6, r6, r1
        ssub16 r1, r6, r1
        "
    };
}

/// All elements of two channels, which `$ror` picks from the words at the
/// pointers on the stack: first along the rows, then along the columns.
macro_rules! two_channels {
    ($ror:literal) => {
        concat!(
            "ldr r9, [sp, #20]\n",
            "mov lr, sp\n",
            "6:\n",
            "ldr r8, [lr], #4\n",
            "ldr r0, [r8]\n",
            "ldr r1, [r8, r12]\n",
            "ldr r2, [r8, r12, lsl #1]\n",
            "add r8, r8, r12, lsl #1\n",
            "ldr r3, [r8, r12]\n",
            "ldr r4, [r8, r12, lsl #1]\n",
            concat!("uxtb16 r0, r0", $ror, "\n"),
            concat!("uxtb16 r1, r1", $ror, "\n"),
            concat!("uxtb16 r2, r2", $ror, "\n"),
            concat!("uxtb16 r3, r3", $ror, "\n"),
            concat!("uxtb16 r4, r4", $ror, "\n"),
            filter!(),
            "str r0, [r9]\n",
            "str r1, [r9, r12, lsl #1]\n",
            "str r2, [r9, r12, lsl #2]\n",
            "str r5, [r9, r10]\n",
            "str r4, [r9, r12, lsl #3]\n",
            "add r9, r9, r11\n",
            "add r8, sp, #20\n",
            "cmp lr, r8\n",
            "bne 6b\n",
            "ldr r9, [sp, #20]\n",
            "add lr, r11, r11, lsl #1\n",
            "movs r8, #5\n",
            "7:\n",
            "ldr r0, [r9]\n",
            "ldr r1, [r9, r11]\n",
            "ldr r2, [r9, r11, lsl #1]\n",
            "ldr r3, [r9, lr]\n",
            "ldr r4, [r9, r11, lsl #2]\n",
            filter!(),
            "str r0, [r9]\n",
            "str r1, [r9, r11]\n",
            "str r2, [r9, r11, lsl #1]\n",
            "str r5, [r9, lr]\n",
            "str r4, [r9, r11, lsl #2]\n",
            "add r9, r9, r12, lsl #1\n",
            "subs r8, r8, #1\n",
            "bne 7b\n",
        )
    };
}

/// The stack holds pointers to the word of the rows' first pixels and to that of
/// V's first element, and the end of the latter. r12 is the bytes of a pixel;
/// an element has twice as many, r10 is three elements, r11 five, a row.
#[unsafe(naked)]
unsafe extern "C" fn transform(rows: *const [*const u32; 5], v: *mut u32, quads: usize) {
    naked_asm!(
        crate::machine::dsp::cpu!(),
        "push {{r4-r11, lr}}",
        "sub sp, #28",
        "lsl r12, r2, #2",
        "add r10, r12, r12, lsl #1",
        "lsl r10, r10, #1",
        "add r11, r10, r12, lsl #2",
        "add r2, r1, r12, lsl #1",
        "str r2, [sp, #24]",
        "ldm r0, {{r4-r8}}",
        "stm sp, {{r4-r8}}",
        "str r1, [sp, #20]",
        "5:",
        two_channels!(""),
        "ldr r9, [sp, #20]",
        "add r9, r9, #4",
        "str r9, [sp, #20]",
        two_channels!(", ror #8"),
        "ldm sp, {{r0-r6}}",
        "add r0, r0, #4",
        "add r1, r1, #4",
        "add r2, r2, #4",
        "add r3, r3, #4",
        "add r4, r4, #4",
        "add r5, r5, #4",
        "stm sp, {{r0-r5}}",
        "cmp r5, r6",
        "bne.w 5b",
        "add sp, #28",
        "pop {{r4-r11, pc}}",
    )
}

/// As `outputs` of the portable kernels.
pub(crate) fn outputs(packed: &[u32], v: &[u32], out: &mut [u32]) {
    let quads = v.len() / (2 * ELEMENTS);
    let blocks = packed.len() / (2 * QUAD + QUAD * v.len()).max(1);
    let count = out.len() / PIXELS;
    if quads == 0 || !v.len().is_multiple_of(2 * ELEMENTS) || count == 0 || count > blocks {
        return;
    }
    let out = out.as_mut_ptr();
    let job = Job { steps: Steps::new(quads), end: out.wrapping_add(count), stride: 4 * count };
    // SAFETY: for each of `count` blocks the function reads 8 words and, for
    // each of the words of V, 4 more; that many exist. It writes one word of
    // nine pixels of `count` words each and nothing else.
    unsafe { blocks_of_outputs(packed.as_ptr(), v.as_ptr(), out, &raw const job) }
}

#[repr(C)]
struct Job {
    steps: Steps,
    /// Behind the first pixel.
    end: *mut u32,
    /// Bytes of a pixel.
    stride: usize,
}

/// A^T times five words at r12, those at the offsets; to r0, r1, r5. Clobbers
/// r2-r4.
macro_rules! combine {
    ($a:literal, $b:literal, $c:literal, $d:literal, $e:literal) => {
        concat!(
            concat!("ldr r0, [r12, #", $a, "]\n"),
            concat!("ldr r1, [r12, #", $b, "]\n"),
            concat!("ldr r2, [r12, #", $c, "]\n"),
            concat!("ldr r3, [r12, #", $d, "]\n"),
            concat!("ldr r4, [r12, #", $e, "]\n"),
            "add r5, r1, r2\n",
            "sub r1, r1, r2\n",
            "add r0, r0, r5\n",
            "add r0, r0, r3\n",
            "add r1, r1, r3, lsl #1\n",
            "add r5, r5, r3, lsl #2\n",
            "add r5, r5, r4\n",
        )
    };
}

/// Combines a column of elements, in place.
macro_rules! column {
    ($a:literal, $b:literal, $c:literal, $d:literal, $e:literal) => {
        concat!(
            combine!($a, $b, $c, $d, $e),
            concat!("str r0, [r12, #", $a, "]\n"),
            concat!("str r1, [r12, #", $b, "]\n"),
            concat!("str r5, [r12, #", $c, "]\n"),
        )
    };
}

/// The activation of a sum, to the next pixel.
macro_rules! activation {
    ($sum:literal) => {
        concat!(
            concat!("mla ", $sum, ", ", $sum, ", r8, r9\n"),
            concat!("smmulr ", $sum, ", ", $sum, ", r10\n"),
            concat!("usat ", $sum, ", #8, ", $sum, "\n"),
            concat!("strb ", $sum, ", [r11]\n"),
            "add r11, r11, lr\n",
        )
    };
}

/// Combines a row, and requantises its three outputs.
macro_rules! row {
    ($a:literal, $b:literal, $c:literal, $d:literal, $e:literal) => {
        concat!(
            combine!($a, $b, $c, $d, $e),
            activation!("r0"),
            activation!("r1"),
            activation!("r5"),
        )
    };
}

/// The stack holds, for each element, its sums for the block's outputs.
#[unsafe(naked)]
unsafe extern "C" fn blocks_of_outputs(
    packed: *const u32,
    v: *const u32,
    out: *mut u32,
    job: *const Job,
) {
    naked_asm!(
        crate::machine::dsp::cpu!(),
        "push {{r4-r11, lr}}",
        "sub sp, #444",
        "mov r12, r0",
        "str r1, [sp, #{v}]",
        "str r2, [sp, #{out}]",
        "ldrd r4, r5, [r3, #12]",
        "str r4, [sp, #{end}]",
        "str r5, [sp, #{stride}]",
        enter!("0", "10", "11"),

        "5:",
        "str r12, [sp, #{head}]",
        "add r12, r12, #32",
        "ldr lr, [sp, #{v}]",
        "mov r8, sp",
        "6:",
        "str r8, [sp, #{element}]",
        "movs r0, #0",
        "movs r1, #0",
        "movs r2, #0",
        "movs r3, #0",
        products!("0", "10", "11"),
        "ldr r8, [sp, #{element}]",
        "stm r8!, {{r0-r3}}",
        "add r9, sp, #{sums}",
        "cmp r8, r9",
        "bne.w 6b",

        "str r12, [sp, #{element}]",
        "ldr r7, [sp, #{head}]",
        "ldr r6, [sp, #{out}]",
        "ldr lr, [sp, #{stride}]",
        "movw r8, #{ninth_low}",
        "movt r8, #{ninth_high}",
        "mov r12, sp",
        "7:",
        column!("0", "80", "160", "240", "320"),
        column!("16", "96", "176", "256", "336"),
        column!("32", "112", "192", "272", "352"),
        column!("48", "128", "208", "288", "368"),
        column!("64", "144", "224", "304", "384"),
        "ldr r10, [r7, #16]",
        "ldr r9, [r7], #4",
        "mov r11, r6",
        row!("0", "16", "32", "48", "64"),
        row!("80", "96", "112", "128", "144"),
        row!("160", "176", "192", "208", "224"),
        "add r6, r6, #1",
        "add r12, r12, #4",
        "add r9, sp, #16",
        "cmp r12, r9",
        "bne.w 7b",

        "ldr r12, [sp, #{element}]",
        "str r6, [sp, #{out}]",
        "ldr r5, [sp, #{end}]",
        "cmp r6, r5",
        "bne.w 5b",

        "add sp, #444",
        "pop {{r4-r11, pc}}",
        sums = const 400,
        v = const 400,
        out = const 404,
        end = const 408,
        stride = const 412,
        head = const 416,
        element = const 420,
        steps = const 424,
        ninth_low = const NINTH & 0xFFFF,
        ninth_high = const NINTH >> 16,
    )
}
