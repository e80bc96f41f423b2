//! The sums of products of one element of U and V over all pairs of channels.

/// Bytes of the code for two words of activations, eight SMLAD each.
const DOUBLE: usize = 84;
/// How many of them there are in a row.
const UNROLLED: usize = 4;

/// How often [`products!`] goes through its code for words of four channels.
///
/// One word if their number is odd, then the last few of the unrolled doubles,
/// then all of them so many times more.
#[repr(C)]
pub(super) struct Steps {
    /// Whether to start with a single word.
    odd: usize,
    /// Bytes of code to skip.
    skip: usize,
    /// Times more.
    more: usize,
}

impl Steps {
    pub const fn new(quads: usize) -> Steps {
        let (doubles, odd) = (quads / 2, quads % 2);
        // All of them the first time, if possible: more takes longer.
        let whole = odd == 0 && doubles != 0 && doubles.is_multiple_of(UNROLLED);
        let first = if whole { UNROLLED } else { doubles % UNROLLED };
        Steps { odd, skip: (UNROLLED - first) * DOUBLE, more: doubles / UNROLLED - whole as usize }
    }
}

/// Four outputs' products of a pair of channels, in register `$v`.
macro_rules! pair {
    ($v:literal) => {
        concat!(
            "ldmia.w r12!, {{r4-r7}}\n",
            concat!("smlad r0, r4, ", $v, ", r0\n"),
            concat!("smlad r1, r5, ", $v, ", r1\n"),
            concat!("smlad r2, r6, ", $v, ", r2\n"),
            concat!("smlad r3, r7, ", $v, ", r3\n"),
        )
    };
}

/// Products of two words of four channels.
macro_rules! double {
    () => {
        concat!(
            "ldmia.w lr!, {{r8-r11}}\n",
            $crate::machine::dsp::winograd::products::pair!("r8"),
            $crate::machine::dsp::winograd::products::pair!("r9"),
            $crate::machine::dsp::winograd::products::pair!("r10"),
            $crate::machine::dsp::winograd::products::pair!("r11"),
        )
    };
}

/// Adds the sums of products of one element to r0-r3: U from r12, V from lr,
/// both moved behind it. Clobbers r4-r11 and the flags.
///
/// On the stack at `$slots` lie what [`enter!`] writes there for the labels
/// `$single` and `$doubles`: where to start, where to go on after a single
/// word. At `steps` lie `more` and a copy that counts down.
macro_rules! products {
    ($slots:literal, $single:literal, $doubles:literal) => {
        concat!(
            concat!("ldr pc, [sp, #{steps} + 8 + 8 * ", $slots, "]\n"),
            concat!($single, ":\n"),
            "ldmia.w lr!, {{r8, r9}}\n",
            $crate::machine::dsp::winograd::products::pair!("r8"),
            $crate::machine::dsp::winograd::products::pair!("r9"),
            concat!("ldr pc, [sp, #{steps} + 12 + 8 * ", $slots, "]\n"),
            concat!($doubles, ":\n"),
            $crate::machine::dsp::winograd::products::double!(),
            $crate::machine::dsp::winograd::products::double!(),
            $crate::machine::dsp::winograd::products::double!(),
            $crate::machine::dsp::winograd::products::double!(),
            "ldr r4, [sp, #{steps}]\n",
            "cbz r4, 9f\n",
            "ldr r5, [sp, #{steps} + 4]\n",
            "subs r5, r5, #1\n",
            "it mi\n",
            "movmi r5, r4\n",
            "str r5, [sp, #{steps} + 4]\n",
            concat!("bpl ", $doubles, "b\n"),
            "9:\n",
        )
    };
}

/// Prepares a [`products!`] for the steps at r3. Clobbers r4-r7 and the flags.
macro_rules! enter {
    ($slots:literal, $single:literal, $doubles:literal) => {
        concat!(
            "ldm r3, {{r4-r6}}\n",
            "str r6, [sp, #{steps}]\n",
            "str r6, [sp, #{steps} + 4]\n",
            // Bit 0 of an address to go to stands for Thumb.
            concat!("adr.w r7, ", $doubles, "f\n"),
            "add r5, r5, r7\n",
            "add r5, r5, #1\n",
            concat!("str r5, [sp, #{steps} + 12 + 8 * ", $slots, "]\n"),
            concat!("adr.w r7, ", $single, "f\n"),
            "add r7, r7, #1\n",
            "cmp r4, #0\n",
            "it ne\n",
            "movne r5, r7\n",
            concat!("str r5, [sp, #{steps} + 8 + 8 * ", $slots, "]\n"),
        )
    };
}

pub(super) use {double, enter, pair, products};
