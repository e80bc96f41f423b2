//! Scalar products of bytes for Cortex-M without DSP instructions.
//!
//! LDRB with an immediate offset loads and unpacks at once; a signed byte takes
//! LDRSB, which has no immediate offset.

use core::arch::naked_asm;

/// Adds the products of the bytes at an offset to the sums in r6 and r7.
macro_rules! byte {
    ($offset:literal) => {
        concat!(
            "ldrb r4, [r0, #",
            $offset,
            "]\n",
            "ldrb r5, [r1, #",
            $offset,
            "]\n",
            "muls r5, r4, r5\n",
            "adds r6, r6, r5\n",
            "ldrb r5, [r2, #",
            $offset,
            "]\n",
            "muls r5, r4, r5\n",
            "adds r7, r7, r5\n",
        )
    };
}

/// The same with signs; the offset is in r3.
macro_rules! signed_byte {
    () => {
        concat!(
            "ldrsb r4, [r0, r3]\n",
            "ldrsb r5, [r1, r3]\n",
            "muls r5, r4, r5\n",
            "adds r6, r6, r5\n",
            "ldrsb r5, [r2, r3]\n",
            "muls r5, r4, r5\n",
            "adds r7, r7, r5\n",
            "adds r3, r3, #1\n",
        )
    };
}

/// Reads `words` words from each pointer.
#[unsafe(naked)]
unsafe extern "C" fn unsigned_sums(
    query: *const u32,
    a: *const u32,
    b: *const u32,
    words: usize,
) -> u64 {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "movs r6, #0",
        "movs r7, #0",
        "subs r3, r3, #4",
        "blo 3f",
        "2:",
        byte!("0"),
        byte!("1"),
        byte!("2"),
        byte!("3"),
        byte!("4"),
        byte!("5"),
        byte!("6"),
        byte!("7"),
        byte!("8"),
        byte!("9"),
        byte!("10"),
        byte!("11"),
        byte!("12"),
        byte!("13"),
        byte!("14"),
        byte!("15"),
        "adds r0, r0, #16",
        "adds r1, r1, #16",
        "adds r2, r2, #16",
        "subs r3, r3, #4",
        "bhs 2b",
        "3:",
        "adds r3, r3, #4",
        "beq 5f",
        "4:",
        byte!("0"),
        byte!("1"),
        byte!("2"),
        byte!("3"),
        "adds r0, r0, #4",
        "adds r1, r1, #4",
        "adds r2, r2, #4",
        "subs r3, r3, #1",
        "bne 4b",
        "5:",
        "mov r0, r6",
        "mov r1, r7",
        "pop {{r4-r7, pc}}",
    )
}

/// Reads `words` words from each pointer.
#[unsafe(naked)]
unsafe extern "C" fn signed_sums(
    query: *const u32,
    a: *const u32,
    b: *const u32,
    words: usize,
) -> u64 {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "movs r6, #0",
        "movs r7, #0",
        "lsls r4, r3, #2",
        "mov r12, r4",
        "movs r3, #0",
        "b 3f",
        "2:",
        signed_byte!(),
        signed_byte!(),
        signed_byte!(),
        signed_byte!(),
        "3:",
        "cmp r3, r12",
        "bne 2b",
        "mov r0, r6",
        "mov r1, r7",
        "pop {{r4-r7, pc}}",
    )
}

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
