//! V of a tile of F(2x2, 3x3).

use core::arch::naked_asm;

/// Elements of a transformed tile.
const ELEMENTS: usize = 16;

/// As `tile` of the portable kernels.
pub(crate) fn tile(rows: [&[u32]; 4], v: &mut [u32]) {
    let quads = v.len() / (2 * ELEMENTS);
    if quads == 0 || rows.iter().any(|row| row.len() < 4 * quads) {
        v.fill(0);
        return;
    }
    let rows = rows.map(<[u32]>::as_ptr);
    // SAFETY: for each of `quads` words of a pixel the function reads four
    // pixels of each row, which exist, and writes two words for each element,
    // of which V has as many.
    unsafe { transform(&raw const rows, v.as_mut_ptr(), quads) }
}

/// Two channels of four pixels, `$pixels`, of the row that `$row` points to;
/// `$ror` picks the two. Clobbers `$row`.
macro_rules! load {
    ($row:literal, [$a:literal, $b:literal, $c:literal, $d:literal], $ror:literal) => {
        concat!(
            concat!("ldr ", $a, ", [", $row, "]\n"),
            concat!("ldr ", $b, ", [", $row, ", r12]\n"),
            concat!("ldr ", $c, ", [", $row, ", r12, lsl #1]\n"),
            concat!("add ", $row, ", ", $row, ", r12\n"),
            concat!("ldr ", $d, ", [", $row, ", r12, lsl #1]\n"),
            concat!("uxtb16 ", $a, ", ", $a, $ror, "\n"),
            concat!("uxtb16 ", $b, ", ", $b, $ror, "\n"),
            concat!("uxtb16 ", $c, ", ", $c, $ror, "\n"),
            concat!("uxtb16 ", $d, ", ", $d, $ror, "\n"),
        )
    };
}

/// `$op` of four pairs of registers.
macro_rules! each {
    ($op:literal, $($a:literal $b:literal $c:literal),*) => {
        concat!($($op, " ", $a, ", ", $b, ", ", $c, "\n"),*)
    };
}

/// Transforms a row and writes its four elements to lr, moved behind them.
macro_rules! store {
    ($a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            concat!("ssub16 ", $a, ", ", $a, ", ", $c, "\n"),
            concat!("str ", $a, ", [lr]\n"),
            concat!("sadd16 ", $a, ", ", $b, ", ", $c, "\n"),
            concat!("str ", $a, ", [lr, r12, lsl #1]\n"),
            "add lr, lr, r12, lsl #2\n",
            concat!("ssub16 ", $c, ", ", $b, ", ", $c, "\n"),
            concat!("str ", $c, ", [lr]\n"),
            concat!("ssub16 ", $d, ", ", $d, ", ", $b, "\n"),
            concat!("str ", $d, ", [lr, r12, lsl #1]\n"),
            "add lr, lr, r12, lsl #2\n",
        )
    };
}

/// All elements of two channels, the first of them to lr.
macro_rules! two_channels {
    ($ror:literal) => {
        concat!(
            "ldr lr, [sp, #8]\n",
            load!("lr", ["r8", "r9", "r10", "r11"], $ror),
            "ldr lr, [sp, #4]\n",
            load!("lr", ["r4", "r5", "r6", "r7"], $ror),
            "ldr lr, [sp]\n",
            load!("lr", ["r0", "r1", "r2", "r3"], $ror),
            each!("ssub16", "r0" "r0" "r8", "r1" "r1" "r9", "r2" "r2" "r10", "r3" "r3" "r11"),
            "ldr lr, [sp, #16]\n",
            store!("r0", "r1", "r2", "r3"),
            each!("sadd16", "r0" "r4" "r8", "r1" "r5" "r9", "r2" "r6" "r10", "r3" "r7" "r11"),
            store!("r0", "r1", "r2", "r3"),
            each!("ssub16", "r8" "r4" "r8", "r9" "r5" "r9", "r10" "r6" "r10", "r11" "r7" "r11"),
            store!("r8", "r9", "r10", "r11"),
            "ldr r8, [sp, #12]\n",
            load!("r8", ["r0", "r1", "r2", "r3"], $ror),
            each!("ssub16", "r0" "r0" "r4", "r1" "r1" "r5", "r2" "r2" "r6", "r3" "r3" "r7"),
            store!("r0", "r1", "r2", "r3"),
        )
    };
}

/// The stack holds pointers to the word of the rows' first pixels and to that of
/// V's first element, and the end of the latter. r12 is the bytes of a pixel,
/// half of those of an element.
#[unsafe(naked)]
unsafe extern "C" fn transform(rows: *const [*const u32; 4], v: *mut u32, quads: usize) {
    naked_asm!(
        crate::machine::dsp::cpu!(),
        "push {{r4-r11, lr}}",
        "sub sp, #28",
        "lsl r12, r2, #2",
        "add r2, r1, r12, lsl #1",
        "str r2, [sp, #20]",
        "ldm r0, {{r4-r7}}",
        "stm sp, {{r4-r7}}",
        "str r1, [sp, #16]",
        "5:",
        two_channels!(""),
        "ldr lr, [sp, #16]",
        "add lr, lr, #4",
        "str lr, [sp, #16]",
        two_channels!(", ror #8"),
        "ldm sp, {{r0-r4}}",
        "add r0, r0, #4",
        "add r1, r1, #4",
        "add r2, r2, #4",
        "add r3, r3, #4",
        "add r4, r4, #4",
        "stm sp, {{r0-r4}}",
        "ldr r5, [sp, #20]",
        "cmp r4, r5",
        "bne 5b",
        "add sp, #28",
        "pop {{r4-r11, pc}}",
    )
}
