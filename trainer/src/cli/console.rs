//! Signs of life on standard error: a bar on a terminal, lines elsewhere;
//! with `--quiet` neither.

use std::fmt::Arguments;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use lookalike_trainer::train::{EpochStats, StepStats, Training};

/// Whether only results, warnings and errors are wanted.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Silences progress and notices, once, before the command runs.
pub fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Relaxed);
}

/// Formats a notice of what was done and prints it unless `--quiet` is given.
macro_rules! note {
    ($($text:tt)*) => { $crate::cli::console::print_note(format_args!($($text)*)) };
}
pub(super) use note;

/// What [`note!`] calls.
pub fn print_note(text: Arguments<'_>) {
    if !QUIET.load(Relaxed) {
        print_line(text);
    }
}

/// A line on standard error, whatever `--quiet` says: a warning or an error.
/// Nobody is there to be told that standard error takes nothing, as when it is
/// a pipe whose reader has ended: the work goes on.
pub fn print_line(text: Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A spinner for work whose length is not known.
pub fn spinner(message: impl Into<String>) -> ProgressBar {
    let bar = progress_bar(ProgressBar::new_spinner()).with_message(message.into());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// `bar`, out of sight with `--quiet`.
fn progress_bar(bar: ProgressBar) -> ProgressBar {
    if QUIET.load(Relaxed) { ProgressBar::hidden() } else { bar }
}

/// The progress of a training run.
pub struct TrainingBar {
    bar: ProgressBar,
    name: String,
    epochs: u32,
    epoch: u32,
    started: Instant,
}

impl TrainingBar {
    /// For `training`, called `name` in what is shown.
    pub fn new(name: &str, training: &Training<'_>, epochs: u32) -> TrainingBar {
        let per_epoch = training.batches_per_epoch() as u64;
        let bar = progress_bar(ProgressBar::new(per_epoch * u64::from(epochs)));
        let style = "{prefix} {bar:30} {percent:>3} %, {eta} left  {msg}";
        bar.set_style(ProgressStyle::with_template(style).expect("a valid template"));
        let done = per_epoch * u64::from(training.epochs_done()) + training.batches_done() as u64;
        bar.set_position(done);
        bar.reset_eta();
        let epoch = training.epochs_done() + 1;
        let mut this =
            TrainingBar { bar, name: name.to_owned(), epochs, epoch, started: Instant::now() };
        this.start_epoch();
        this
    }

    fn start_epoch(&mut self) {
        self.bar.set_prefix(format!("{} {}/{}", self.name, self.epoch, self.epochs));
        self.started = Instant::now();
    }

    /// After each batch.
    pub fn step(&self, step: &StepStats) {
        self.bar.inc(1);
        let mut message = format!("loss {:.4}", step.loss);
        if let Some(t) = step.triplets {
            let active = 100.0 * t.active as f64 / t.mined.max(1) as f64;
            message.push_str(&format!(", active {active:.1} %"));
        }
        self.bar.set_message(message);
    }

    /// After each epoch.
    pub fn epoch(&mut self, stats: &EpochStats) {
        let mut line = format!(
            "{} epoch {:>2}/{}: loss {:.4}",
            self.name, self.epoch, self.epochs, stats.loss
        );
        if let Some(accuracy) = stats.accuracy {
            line.push_str(&format!(", training accuracy {:.2} %", 100.0 * accuracy));
        }
        if let Some(pairs) = stats.pairs {
            if let Some(active) = pairs.active {
                line.push_str(&format!(", active {:.2} %", 100.0 * active));
            }
            line.push_str(&format!(
                ", mean distance of positives {:.3}, of negatives {:.3}",
                pairs.positive, pairs.negative
            ));
        }
        line.push_str(&format!(" ({:.1} s)", self.started.elapsed().as_secs_f64()));
        self.bar.suspend(|| note!("{line}"));
        self.epoch += 1;
        if self.epoch <= self.epochs {
            self.start_epoch();
        } else {
            self.bar.finish_and_clear();
        }
    }

    /// When the run stops before its end.
    pub fn stop(&self) {
        self.bar.finish_and_clear();
    }

    /// A line that stays, whatever `--quiet` says: a warning.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| print_line(format_args!("{line}")));
    }
}
