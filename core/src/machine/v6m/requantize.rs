//! Requantisation as text for the kernels.

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
pub(super) use requantize;
