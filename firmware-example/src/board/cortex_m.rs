//! Cortex-M boards. Their counter is SysTick.

use core::arch::asm;

use ::cortex_m::peripheral::SYST;
use ::cortex_m::peripheral::syst::SystClkSource;

#[cfg(feature = "mps2-an386")]
pub const NAME: &str = "mps2-an386";
#[cfg(feature = "microbit")]
pub const NAME: &str = "microbit";
#[cfg(feature = "stm32f4-discovery")]
pub const NAME: &str = "stm32f4-discovery";

/// What the emulator's clock does while it executes one tick's instructions:
/// with `-icount shift=0` each takes a nanosecond of the emulated clock, so a
/// tick is as many instructions as nanoseconds. Twice, as 16 MHz makes 62.5.
#[cfg(feature = "mps2-an386")]
const HALF_INSTRUCTIONS_A_TICK: u64 = 2 * 1_000_000_000 / 25_000_000;
#[cfg(feature = "microbit")]
const HALF_INSTRUCTIONS_A_TICK: u64 = 2 * 1_000_000_000 / 16_000_000;
/// On silicon SysTick counts cycles.
#[cfg(feature = "stm32f4-discovery")]
const HALF_INSTRUCTIONS_A_TICK: u64 = 2;

/// SysTick counts down through 24 bits.
const TICKS: u32 = 1 << 24;

/// Counts the instructions of a call, on silicon its cycles.
pub struct Counter(SYST);

impl Counter {
    /// What is counted.
    pub const UNIT: &'static str =
        if cfg!(feature = "stm32f4-discovery") { "cycles" } else { "instructions" };

    /// Counts that a measurement may be off by: one tick at its start and one at its end.
    pub const RESOLUTION: u64 = HALF_INSTRUCTIONS_A_TICK;

    /// Takes the timer; `None` if it is taken.
    pub fn take() -> Option<Counter> {
        let mut systick = ::cortex_m::Peripherals::take()?.SYST;
        systick.set_clock_source(SystClkSource::Core);
        systick.set_reload(TICKS - 1);
        systick.clear_current();
        systick.enable_counter();
        Some(Counter(systick))
    }

    /// Runs `call` and gives its result and its count. The call must end before
    /// the counter has gone round: within 2^24 ticks.
    pub fn measure<R>(&mut self, call: impl FnOnce() -> R) -> (R, u64) {
        self.0.clear_current();
        let start = SYST::get_current();
        let result = call();
        let ticks = start.wrapping_sub(SYST::get_current()) % TICKS;
        (result, u64::from(ticks) * HALF_INSTRUCTIONS_A_TICK / 2)
    }
}

impl Counter {
    /// Counts piece by piece from now on.
    pub fn laps(&mut self) -> Laps<'_> {
        self.0.clear_current();
        Laps { last: SYST::get_current(), _counter: self }
    }
}

/// Counts the pieces of a call.
pub struct Laps<'a> {
    last: u32,
    _counter: &'a mut Counter,
}

impl Laps<'_> {
    /// The count since the last lap: off by up to a tick, which makes up for it
    /// in the next.
    pub fn lap(&mut self) -> u64 {
        let now = SYST::get_current();
        let ticks = self.last.wrapping_sub(now) % TICKS;
        self.last = now;
        u64::from(ticks) * HALF_INSTRUCTIONS_A_TICK / 2
    }
}

/// Executes `2 * iterations` instructions, whose count tells whether the
/// counter is right.
#[inline(never)]
pub fn known_loop(iterations: u32) {
    // SAFETY: counts a register down.
    unsafe {
        asm!(
            "2: subs {0}, {0}, #1",
            "bne 2b",
            inout(reg) iterations => _,
            options(nomem, nostack),
        );
    }
}

/// Resets the chip. RAM keeps what it holds.
pub fn restart() -> ! {
    ::cortex_m::peripheral::SCB::sys_reset()
}
