//! QEMU's generic RISC-V machine. Its counter is `minstret`.

use core::arch::asm;

use ::riscv::register::minstret;

pub const NAME: &str = "virt";

/// Counts the instructions of a call.
pub struct Counter(());

impl Counter {
    /// What is counted.
    pub const UNIT: &'static str = "instructions";

    /// Counts that a measurement may be off by: reading both halves of the counter.
    pub const RESOLUTION: u64 = 16;

    /// The counter, which always runs.
    pub fn take() -> Option<Counter> {
        Some(Counter(()))
    }

    /// Runs `call` and gives its result and its count.
    pub fn measure<R>(&mut self, call: impl FnOnce() -> R) -> (R, u64) {
        let start = minstret::read64();
        let result = call();
        (result, minstret::read64() - start)
    }
}

impl Counter {
    /// Counts piece by piece from now on.
    pub fn laps(&mut self) -> Laps<'_> {
        Laps { last: minstret::read64(), _counter: self }
    }
}

/// Counts the pieces of a call.
pub struct Laps<'a> {
    last: u64,
    _counter: &'a mut Counter,
}

impl Laps<'_> {
    /// The count since the last lap.
    pub fn lap(&mut self) -> u64 {
        let now = minstret::read64();
        let count = now - self.last;
        self.last = now;
        count
    }
}

/// Executes `2 * iterations` instructions, whose count tells whether the
/// counter is right.
#[inline(never)]
pub fn known_loop(iterations: u32) {
    // SAFETY: counts a register down.
    unsafe {
        asm!(
            "2: addi {0}, {0}, -1",
            "bnez {0}, 2b",
            inout(reg) iterations => _,
            options(nomem, nostack),
        );
    }
}

/// Resets the machine through its test device. RAM keeps what it holds.
pub fn restart() -> ! {
    const TEST_DEVICE: *mut u32 = 0x10_0000 as *mut u32;
    const RESET: u32 = 0x7777;
    // SAFETY: a register of the machine, which accepts this value.
    unsafe { TEST_DEVICE.write_volatile(RESET) };
    loop {
        core::hint::spin_loop();
    }
}
