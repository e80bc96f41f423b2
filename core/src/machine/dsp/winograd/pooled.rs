//! F(2x2, 3x3) and the maximum over its four outputs.

use core::arch::naked_asm;

use super::products::{Steps, enter, products};
use crate::forward::int8::QUAD;

/// Elements of a transformed tile.
const ELEMENTS: usize = 16;

/// As [`outputs`](crate::forward::int8::winograd) of the portable kernels.
pub(crate) fn outputs(packed: &[u32], v: &[u32], out: &mut [u32]) {
    let quads = v.len() / (2 * ELEMENTS);
    let blocks = packed.len() / (2 * QUAD + QUAD * v.len()).max(1);
    let count = blocks.min(out.len());
    if quads == 0 || !v.len().is_multiple_of(2 * ELEMENTS) || count == 0 {
        return;
    }
    let out = out.get_mut(..count).unwrap_or_default().as_mut_ptr_range();
    let job = Job { steps: Steps::new(quads), end: out.end };
    // SAFETY: for each of `count` blocks the function reads 8 words and, for
    // each of the words of V, 4 more; that many exist. It writes one word of
    // `out` for each block and nothing else.
    unsafe { blocks_of_outputs(packed.as_ptr(), v.as_ptr(), out.start, &raw const job) }
}

#[repr(C)]
struct Job {
    steps: Steps,
    end: *mut u32,
}

/// On four lanes: `$op` of r4-r7 and the shifted second operand.
macro_rules! lanes {
    ($op:literal, $($a:literal $b:literal $c:literal),*; $shift:literal) => {
        concat!($($op, " ", $a, ", ", $b, ", ", $c, $shift, "\n"),*)
    };
}

/// r0-r3 become the maxima of themselves and r4-r7; differences do not
/// overflow.
macro_rules! maximum {
    () => {
        concat!(
            lanes!("sub", "r4" "r4" "r0", "r5" "r5" "r1", "r6" "r6" "r2", "r7" "r7" "r3"; ""),
            lanes!("bic", "r4" "r4" "r4", "r5" "r5" "r5", "r6" "r6" "r6", "r7" "r7" "r7"; ", asr #31"),
            lanes!("add", "r0" "r0" "r4", "r1" "r1" "r5", "r2" "r2" "r6", "r3" "r3" "r7"; ""),
        )
    };
}

/// Sums run on over a row's elements m0 to m3, and give, after each, x0 to x3:
/// the row's outputs are m0 + m1 - m2 = 2 x1 - x2 and m1 + m2 + m3 = x3 - x0.
/// The first of these runs on over the rows in the same way: a row starts with
/// that of the row above, which cancels out of the second.
///
/// The stack holds x0, x1, zeros, the running first outputs c0 to c3 of the
/// rows, the second outputs d0 to d3, each four words for the block's outputs.
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
        "sub sp, #236",
        "mov r12, r0",
        "str r1, [sp, #{v}]",
        "str r2, [sp, #{out}]",
        "ldr r4, [r3, #12]",
        "str r4, [sp, #{end}]",
        enter!("0", "10", "11"),
        enter!("1", "20", "21"),
        enter!("2", "30", "31"),
        enter!("3", "40", "41"),
        "movs r4, #0",
        "movs r5, #0",
        "strd r4, r5, [sp, #32]",
        "strd r4, r5, [sp, #40]",

        "5:",
        "str r12, [sp, #{head}]",
        "add r12, r12, #32",
        "ldr lr, [sp, #{v}]",
        "add r8, sp, #{c}",

        "6:",
        "str r8, [sp, #{row}]",
        "ldmdb r8, {{r0-r3}}",
        products!("0", "10", "11"),
        "stm sp, {{r0-r3}}",
        products!("1", "20", "21"),
        "strd r0, r1, [sp, #16]",
        "strd r2, r3, [sp, #24]",
        products!("2", "30", "31"),
        "ldrd r4, r5, [sp, #16]",
        "ldrd r6, r7, [sp, #24]",
        lanes!("rsb", "r4" "r0" "r4", "r5" "r1" "r5", "r6" "r2" "r6", "r7" "r3" "r7"; ", lsl #1"),
        "ldr r8, [sp, #{row}]",
        "stm r8, {{r4-r7}}",
        products!("3", "40", "41"),
        "ldm sp, {{r4-r7}}",
        lanes!("sub", "r0" "r0" "r4", "r1" "r1" "r5", "r2" "r2" "r6", "r3" "r3" "r7"; ""),
        "ldr r8, [sp, #{row}]",
        "strd r0, r1, [r8, #64]",
        "strd r2, r3, [r8, #72]",
        "add r8, r8, #16",
        "add r9, sp, #{c} + 64",
        "cmp r8, r9",
        "bne 6b",

        // d1 + d2 + d3
        "add lr, sp, #{c} + 80",
        "ldm lr, {{r4-r11}}",
        lanes!("add", "r0" "r0" "r4", "r1" "r1" "r5", "r2" "r2" "r6", "r3" "r3" "r7"; ""),
        lanes!("add", "r0" "r0" "r8", "r1" "r1" "r9", "r2" "r2" "r10", "r3" "r3" "r11"; ""),
        // d0 + d1 - d2
        lanes!("sub", "r4" "r4" "r8", "r5" "r5" "r9", "r6" "r6" "r10", "r7" "r7" "r11"; ""),
        "ldmdb lr, {{r8-r11}}",
        lanes!("add", "r4" "r4" "r8", "r5" "r5" "r9", "r6" "r6" "r10", "r7" "r7" "r11"; ""),
        maximum!(),
        // 2 c1 - c2
        "add lr, sp, #{c} + 16",
        "ldm lr, {{r4-r11}}",
        lanes!("rsb", "r4" "r8" "r4", "r5" "r9" "r5", "r6" "r10" "r6", "r7" "r11" "r7"; ", lsl #1"),
        maximum!(),
        // c3 - c0
        "ldmdb lr, {{r4-r7}}",
        "add lr, lr, #32",
        "ldm lr, {{r8-r11}}",
        lanes!("sub", "r4" "r8" "r4", "r5" "r9" "r5", "r6" "r10" "r6", "r7" "r11" "r7"; ""),
        maximum!(),

        "ldr lr, [sp, #{head}]",
        "ldm lr, {{r4-r11}}",
        lanes!("add", "r0" "r0" "r4", "r1" "r1" "r5", "r2" "r2" "r6", "r3" "r3" "r7"; ""),
        lanes!("smmulr", "r0" "r0" "r8", "r1" "r1" "r9", "r2" "r2" "r10", "r3" "r3" "r11"; ""),
        lanes!("usat", "r0" "#8" "r0", "r1" "#8" "r1", "r2" "#8" "r2", "r3" "#8" "r3"; ""),
        "orr r0, r0, r1, lsl #8",
        "orr r0, r0, r2, lsl #16",
        "orr r0, r0, r3, lsl #24",
        "ldr r4, [sp, #{out}]",
        "str r0, [r4], #4",
        "str r4, [sp, #{out}]",
        "ldr r5, [sp, #{end}]",
        "cmp r4, r5",
        "bne 5b",

        "add sp, #236",
        "pop {{r4-r11, pc}}",
        c = const 48,
        v = const 176,
        out = const 180,
        end = const 184,
        head = const 188,
        row = const 192,
        steps = const 196,
    )
}
