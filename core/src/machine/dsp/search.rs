//! Scalar products of bytes for Cortex-M with DSP instructions.
//!
//! UXTB16 or SXTB16 turns the even or the odd bytes of a word into two
//! halfwords, SMLAD multiplies and adds two pairs of them.

use core::arch::naked_asm;

/// Adds the products of one word of an item, in r11, and the query's halfwords
/// `$even` and `$odd` to `$sum`.
macro_rules! item_word {
    ($unpack:literal, $word:literal, $even:literal, $odd:literal, $sum:literal) => {
        concat!(
            $unpack,
            " lr, ",
            $word,
            "\n",
            "smlad ",
            $sum,
            ", lr, ",
            $even,
            ", ",
            $sum,
            "\n",
            $unpack,
            " ",
            $word,
            ", ",
            $word,
            ", ror #8\n",
            "smlad ",
            $sum,
            ", ",
            $word,
            ", ",
            $odd,
            ", ",
            $sum,
            "\n",
        )
    };
}

/// Two words of the query and of both items.
macro_rules! two_words {
    ($unpack:literal) => {
        concat!(
            "ldrd r6, r8, [r0], #8\n",
            $unpack,
            " r7, r6, ror #8\n",
            $unpack,
            " r6, r6\n",
            $unpack,
            " r9, r8, ror #8\n",
            $unpack,
            " r8, r8\n",
            "ldrd r10, r11, [r1], #8\n",
            item_word!($unpack, "r10", "r6", "r7", "r4"),
            item_word!($unpack, "r11", "r8", "r9", "r4"),
            "ldrd r10, r11, [r2], #8\n",
            item_word!($unpack, "r10", "r6", "r7", "r5"),
            item_word!($unpack, "r11", "r8", "r9", "r5"),
        )
    };
}

/// A function that reads `words` words from each of three pointers.
macro_rules! sums {
    ($name:ident, $unpack:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            query: *const u32,
            a: *const u32,
            b: *const u32,
            words: usize,
        ) -> u64 {
            naked_asm!(
                crate::machine::dsp::cpu!(),
                "push {{r4-r11, lr}}",
                "movs r4, #0",
                "movs r5, #0",
                "subs r3, r3, #4",
                "blo 3f",
                "2:",
                two_words!($unpack),
                two_words!($unpack),
                "subs r3, r3, #4",
                "bhs 2b",
                "3:",
                "adds r3, r3, #4",
                "beq 5f",
                "4:",
                "ldr r6, [r0], #4",
                concat!($unpack, " r7, r6, ror #8"),
                concat!($unpack, " r6, r6"),
                "ldr r10, [r1], #4",
                item_word!($unpack, "r10", "r6", "r7", "r4"),
                "ldr r10, [r2], #4",
                item_word!($unpack, "r10", "r6", "r7", "r5"),
                "subs r3, r3, #1",
                "bne 4b",
                "5:",
                "mov r0, r4",
                "mov r1, r5",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

sums!(unsigned_sums, "uxtb16");
sums!(signed_sums, "sxtb16");

/// Sums of products of bytes of corresponding words, over the length of the
/// shortest slice, modulo 2^32: of the query and each of two items.
#[inline(always)]
pub(crate) fn dot_pair(query: &[u32], [a, b]: [&[u32]; 2]) -> [u32; 2] {
    let words = query.len().min(a.len()).min(b.len());
    // SAFETY: the function reads so many words of each slice, and writes nothing.
    let sums = unsafe { unsigned_sums(query.as_ptr(), a.as_ptr(), b.as_ptr(), words) };
    [sums as u32, (sums >> 32) as u32]
}

/// [`dot_pair`] of signed bytes.
#[inline(always)]
pub(crate) fn signed_dot_pair(query: &[u32], [a, b]: [&[u32]; 2]) -> [i32; 2] {
    let words = query.len().min(a.len()).min(b.len());
    // SAFETY: as above.
    let sums = unsafe { signed_sums(query.as_ptr(), a.as_ptr(), b.as_ptr(), words) };
    [sums as i32, (sums >> 32) as i32]
}
