//! What the kernels have in common, as text.

/// Saves the registers that a function must keep, and reserves `$frame` bytes.
macro_rules! enter {
    ($frame:literal) => {
        concat!(
            "push {{r4, r5, r6, r7, lr}}\n",
            "mov r4, r8\n",
            "mov r5, r9\n",
            "mov r6, r10\n",
            "mov r7, r11\n",
            "push {{r4, r5, r6, r7}}\n",
            "sub sp, #",
            $frame,
            "\n",
        )
    };
}

/// Undoes [`enter`] and returns.
macro_rules! leave {
    ($frame:literal) => {
        concat!(
            "add sp, #",
            $frame,
            "\n",
            "pop {{r4, r5, r6, r7}}\n",
            "mov r8, r4\n",
            "mov r9, r5\n",
            "mov r10, r6\n",
            "mov r11, r7\n",
            "pop {{r4, r5, r6, r7, pc}}\n",
        )
    };
}

/// Adds to `$sum` the products of the weights in `$word` and the values in r5
/// and r6.
macro_rules! word {
    ($word:literal, $sum:literal) => {
        concat!(
            "sxth r7, ",
            $word,
            "\n",
            "muls r7, r5, r7\n",
            "add ",
            $sum,
            ", r7\n",
            "asrs ",
            $word,
            ", ",
            $word,
            ", #16\n",
            "muls ",
            $word,
            ", r6, ",
            $word,
            "\n",
            "add ",
            $sum,
            ", ",
            $word,
            "\n",
        )
    };
}

/// Four input channels: 8 words of weights at r0, two times two values at r1,
/// which `$values` loads. Loads of three words leave a register for r1.
macro_rules! quad {
    ($values:expr) => {
        concat!(
            $values,
            "ldm r0!, {{r2, r3, r4}}\n",
            word!("r2", "r8"),
            word!("r3", "r9"),
            word!("r4", "r10"),
            "ldm r0!, {{r2, r3, r4}}\n",
            word!("r2", "r11"),
            $values,
            word!("r3", "r8"),
            word!("r4", "r9"),
            "ldm r0!, {{r2, r3}}\n",
            word!("r2", "r10"),
            word!("r3", "r11"),
        )
    };
}

/// The arguments of a kernel to the stack: weights in r0, V in r1, output in
/// r2, blocks in r3, and on the stack, at `$quads`, the words of input
/// channels, for each of which [`quad`] takes `$size` bytes of code. An element
/// of V takes 2^`$shift` bytes for each.
///
/// Stack from sp: 4 bytes of weights an element, 8 V, 12 output, 16 blocks left,
/// 20 this block, 24 the next; for each element, from `$from` to `$end`, where
/// its products are computed, and the block's sums; last where the outputs are.
macro_rules! arguments {
    ($quads:literal, $size:literal, $shift:literal, $from:literal, $end:literal) => {
        concat!(
            "str r0, [sp, #24]\n",
            "str r1, [sp, #8]\n",
            "str r2, [sp, #12]\n",
            "str r3, [sp, #16]\n",
            "ldr r0, [sp, #",
            $quads,
            "]\n",
            "lsls r2, r0, #5\n",
            "str r2, [sp, #4]\n",
            "lsls r3, r0, #",
            $shift,
            "\n",
            // The loop handles four words of channels: for the rest of a
            // division by 4 it starts in its midst.
            "negs r0, r0\n",
            "movs r2, #3\n",
            "ands r0, r2\n",
            "movs r2, #",
            $size,
            "\n",
            "muls r0, r2, r0\n",
            "adr r2, 2f\n",
            "adds r0, r0, r2\n",
            // Elements that are 0 in all channels add nothing: all but one where
            // the image is plain, as its background may be.
            "adr r2, 8f\n",
            "add r5, sp, #",
            $from,
            "\n",
            "5:\n",
            "adds r4, r1, r3\n",
            "6:\n",
            "ldm r1!, {{r6, r7}}\n",
            "orrs r6, r7\n",
            "bne 6f\n",
            "cmp r1, r4\n",
            "bne 6b\n",
            "str r2, [r5]\n",
            "b 7f\n",
            "6:\n",
            "str r0, [r5]\n",
            "mov r1, r4\n",
            "7:\n",
            "adds r5, #20\n",
            "add r7, sp, #",
            $end,
            "\n",
            "cmp r5, r7\n",
            "bne 5b\n",
            "adr r0, 4f\n",
            "str r0, [r5]\n",
            "ldr r0, [sp, #24]\n",
        )
    };
}

/// The sums of a block at r0, and r0 to the next block. An element of V takes
/// 2^-`$shift` times as much as its weights.
///
/// Sums are not cleared between elements: an element's sum is what is stored
/// for it less what is stored for the one before. The output transforms need
/// no more additions for that.
macro_rules! sums {
    ($values:expr, $shift:literal, $from:literal) => {
        concat!(
            "str r0, [sp, #20]\n",
            "adds r0, #32\n",
            "ldr r2, [sp, #4]\n",
            "mov r12, r0\n",
            "add r12, r2\n",
            "ldr r1, [sp, #8]\n",
            "movs r2, #0\n",
            "mov r8, r2\n",
            "mov r9, r2\n",
            "mov r10, r2\n",
            "mov r11, r2\n",
            "add r6, sp, #",
            $from,
            "\n",
            "ldm r6!, {{r7}}\n",
            "mov lr, r6\n",
            "mov pc, r7\n",
            ".balign 4\n",
            "2:\n",
            quad!($values),
            quad!($values),
            quad!($values),
            quad!($values),
            "cmp r0, r12\n",
            "beq 3f\n",
            "b 2b\n",
            ".balign 4\n",
            "8:\n",
            "mov r0, r12\n",
            "ldr r7, [sp, #4]\n",
            "lsrs r7, r7, #",
            $shift,
            "\n",
            "adds r1, r1, r7\n",
            "3:\n",
            "mov r2, r8\n",
            "mov r3, r9\n",
            "mov r4, r10\n",
            "mov r5, r11\n",
            "mov r6, lr\n",
            "stm r6!, {{r2, r3, r4, r5}}\n",
            "ldm r6!, {{r7}}\n",
            "mov lr, r6\n",
            "ldr r6, [sp, #4]\n",
            "add r12, r6\n",
            "mov pc, r7\n",
            ".balign 4\n",
            "4:\n",
            "str r0, [sp, #24]\n",
        )
    };
}

/// `r1 = min(255, floor((r1 r5 + 2^31) / 2^32))`, both below 2^31. Overwrites
/// r2 to r5.
///
/// The product by its halves of 16 bits, a = (r2, r1) and m = (r3, r5): with
/// r4 = floor(a_low m_low / 2^16) it is a_high m_high + floor((a_low m_high +
/// a_high m_low + r4 + 2^15) / 2^16), and the sum is below 2^32.
macro_rules! requantize {
    () => {
        concat!(
            "lsrs r2, r1, #16\n",
            "uxth r1, r1\n",
            "lsrs r3, r5, #16\n",
            "uxth r5, r5\n",
            "mov r4, r1\n",
            "muls r4, r5, r4\n",
            "lsrs r4, r4, #16\n",
            "muls r1, r3, r1\n",
            "muls r5, r2, r5\n",
            "muls r2, r3, r2\n",
            "adds r1, r1, r5\n",
            "adds r1, r1, r4\n",
            "movs r4, #128\n",
            "lsls r4, r4, #8\n",
            "adds r1, r1, r4\n",
            "lsrs r1, r1, #16\n",
            "adds r1, r1, r2\n",
            "cmp r1, #255\n",
            "bls 9f\n",
            "movs r1, #255\n",
            "9:\n",
        )
    };
}
pub(super) use {arguments, enter, leave, quad, requantize, sums, word};
