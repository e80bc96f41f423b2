//! F(2x2, 3x3) of an image with one channel, and the maximum over its four
//! outputs.

use core::arch::naked_asm;

use crate::forward::int8::QUAD;
use crate::forward::int8::winograd::portable;

/// Words of a transformed tile.
const WORDS: usize = 8;
/// Words of an output channel: elements of U in the order of V, bias,
/// multiplier.
const RECORD: usize = WORDS + 2;

/// Words that [`convolve_pool`] works in.
pub(crate) const SCRATCH: usize = WORDS;

/// As `image_row` of the portable kernels.
pub(crate) fn convolve_pool(
    packed: &[u32],
    rows: [&[u8]; 4],
    blocks: usize,
    out: &mut [u32],
    scratch: &mut [u32],
) {
    let Some(v) = scratch.first_chunk_mut() else { return };
    portable::for_each_pixel(packed, rows, blocks, out, |rows, out| {
        tile(rows, v);
        outputs(packed, v, out);
    });
}

fn outputs(packed: &[u32], v: &[u32; WORDS], out: &mut [u32]) {
    let count = (packed.len() / (QUAD * RECORD)).min(out.len());
    if count == 0 {
        return;
    }
    let out = out.get_mut(..count).unwrap_or_default().as_mut_ptr_range();
    // SAFETY: for each of `count` words of `out` the function reads four
    // records, which exist. It writes these words and nothing else.
    unsafe { blocks_of_outputs(packed.as_ptr(), v, out.start, out.end) }
}

/// The activation of one output channel: U from r8, V in r0-r7. Its byte goes
/// to the stack.
///
/// With p and q the products of a word, and four sums that start with those of
/// the first word, p + q (r9, r12) and p - q (r10, lr): r12 becomes an output, r9 by
/// how much it exceeds its opposite, which gives the maximum of the two; lr and
/// r10 the other two. What they share, the last word's p + q or p - q, comes
/// at the end.
macro_rules! output {
    ($byte:literal) => {
        concat!(
            "ldmia.w r8!, {{r10-r12}}\n",
            "smuad r9, r10, r0\n",
            "smusd r10, r10, r0\n",
            "smlsd lr, r12, r2, r10\n",
            "smlsd r10, r11, r1, r10\n",
            "smlad r11, r11, r1, r9\n",
            "smlad r12, r12, r2, r11\n",
            // (02, 01)
            "ldr r11, [r8], #4\n",
            "smlsd r9, r11, r3, r9\n",
            "smlad lr, r11, r3, lr\n",
            // (10, 20)
            "ldr r11, [r8], #4\n",
            "smlsd r9, r11, r4, r9\n",
            "smlad r10, r11, r4, r10\n",
            // (00, 33)
            "ldr r11, [r8], #4\n",
            "smlabb r9, r11, r5, r9\n",
            "smlatt r12, r11, r5, r12\n",
            "add r9, r9, r12\n",
            "and r9, r9, r9, asr #31\n",
            "sub r12, r12, r9\n",
            // (03, 30), (11, 22)
            "ldmia.w r8!, {{r9, r11}}\n",
            "smlabb lr, r9, r6, lr\n",
            "smlatt r10, r9, r6, r10\n",
            "add r10, r10, lr\n",
            "and r10, r10, r10, asr #31\n",
            "sub lr, lr, r10\n",
            "smlad r12, r11, r7, r12\n",
            "smlsd lr, r11, r7, lr\n",
            "ldmia.w r8!, {{r9, r10}}\n",
            "sub lr, lr, r12\n",
            "bic lr, lr, lr, asr #31\n",
            "add r12, r12, lr\n",
            "add r12, r12, r9\n",
            "smmulr r12, r12, r10\n",
            "usat r12, #8, r12\n",
            concat!("strb r12, [sp, #", $byte, "]\n"),
        )
    };
}

/// The stack holds a word of activations, the place of the next one, and the
/// end of these.
#[unsafe(naked)]
unsafe extern "C" fn blocks_of_outputs(
    packed: *const u32,
    v: *const [u32; WORDS],
    out: *mut u32,
    end: *mut u32,
) {
    naked_asm!(
        crate::machine::dsp::cpu!(),
        "push {{r4-r11, lr}}",
        "sub sp, #12",
        "strd r2, r3, [sp, #4]",
        "mov r8, r0",
        "ldm r1, {{r0-r7}}",
        "5:",
        output!("0"),
        output!("1"),
        output!("2"),
        output!("3"),
        "ldm sp, {{r9-r11}}",
        "str r9, [r10], #4",
        "str r10, [sp, #4]",
        "cmp r10, r11",
        "bne.w 5b",
        "add sp, #12",
        "pop {{r4-r11, pc}}",
    )
}

fn tile([a, b, c, d]: [&[u8; 4]; 4], v: &mut [u32; WORDS]) {
    // SAFETY: the function reads the four bytes of each row and writes V.
    unsafe { transform(a, b, c, d, v) }
}

/// The low halves of two results to a word of V: `$first` and `$second`, each
/// an instruction and its operands.
macro_rules! word {
    ($first:literal, $second:literal, $offset:literal) => {
        concat!(
            concat!($first, "\n"),
            concat!($second, "\n"),
            "pkhbt r1, r1, r2, lsl #16\n",
            concat!("str r1, [r0, #", $offset, "]\n"),
        )
    };
}

/// Columns of row 0 in r4 (0 and 2) and r5 (1 and 3), and so on to row 3 in r10
/// and r11.
#[unsafe(naked)]
unsafe extern "C" fn transform(
    a: *const [u8; 4],
    b: *const [u8; 4],
    c: *const [u8; 4],
    d: *const [u8; 4],
    v: *mut [u32; WORDS],
) {
    naked_asm!(
        crate::machine::dsp::cpu!(),
        "push {{r4-r11, lr}}",
        "ldr r4, [r0]",
        "ldr r6, [r1]",
        "ldr r8, [r2]",
        "ldr r10, [r3]",
        "ldr r0, [sp, #36]",
        "uxtb16 r5, r4, ror #8",
        "uxtb16 r4, r4",
        "uxtb16 r7, r6, ror #8",
        "uxtb16 r6, r6",
        "uxtb16 r9, r8, ror #8",
        "uxtb16 r8, r8",
        "uxtb16 r11, r10, ror #8",
        "uxtb16 r10, r10",
        "ssub16 r4, r4, r8",
        "ssub16 r5, r5, r9",
        "ssub16 r10, r10, r6",
        "ssub16 r11, r11, r7",
        "sadd16 r2, r6, r8",
        "sadd16 r3, r7, r9",
        "ssub16 r8, r6, r8",
        "ssub16 r9, r7, r9",
        "mov r6, r2",
        "mov r7, r3",
        // In the low halves SSAX gives column 1, SASX column 2, and RSB of the
        // halves of a register column 0, negated, or 3.
        word!("sasx r1, r7, r6", "ssax r2, r9, r8", "0"),
        word!("sasx r1, r11, r10", "ssax r2, r11, r10", "4"),
        word!("rsb r1, r7, r7, asr #16", "rsb r2, r9, r9, asr #16", "8"),
        word!("sasx r1, r5, r4", "ssax r2, r5, r4", "12"),
        word!("rsb r1, r6, r6, asr #16", "rsb r2, r8, r8, asr #16", "16"),
        word!("rsb r1, r4, r4, asr #16", "rsb r2, r11, r11, asr #16", "20"),
        word!("rsb r1, r5, r5, asr #16", "rsb r2, r10, r10, asr #16", "24"),
        word!("ssax r1, r7, r6", "sasx r2, r9, r8", "28"),
        "pop {{r4-r11, pc}}",
    )
}
