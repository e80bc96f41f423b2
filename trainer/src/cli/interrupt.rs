//! Ctrl-C, and what `kill` sends.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit;

const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// The exit code of a process that a signal ended, as shells give it.
pub fn exit_code(signal: i32) -> u8 {
    128u8.saturating_add(signal.clamp(0, 127) as u8)
}

/// Work that a signal stopped, and how to go on with it.
#[derive(Debug, thiserror::Error)]
#[error("interrupted {place}; go on with:\n  {command}")]
pub struct Interrupted {
    /// The signal.
    pub signal: i32,
    /// Where, and what is kept.
    pub place: String,
    /// For a shell.
    pub command: String,
}

/// While there is one, a first signal is only noted, so that work can stop
/// where it loses nothing; a second one ends the process at once, as any does
/// otherwise. There is one at a time.
pub struct Listener(&'static Noted);

struct Noted {
    /// The last signal; 0 for none.
    signal: Arc<AtomicUsize>,
    /// Whether the next signal ends the process.
    at_once: Arc<AtomicBool>,
}

impl Listener {
    /// Begins to listen.
    pub fn start() -> anyhow::Result<Listener> {
        static NOTED: OnceLock<Noted> = OnceLock::new();
        if NOTED.get().is_none() {
            let noted = Noted { signal: Arc::default(), at_once: Arc::new(AtomicBool::new(true)) };
            register(&noted).context("cannot listen for signals")?;
            // Listening starts on the program's main course alone.
            let _ = NOTED.set(noted);
        }
        let noted = NOTED.get().expect("set above");
        noted.signal.store(0, SeqCst);
        noted.at_once.store(false, SeqCst);
        Ok(Listener(noted))
    }

    /// The signal that came, if one did.
    pub fn signal(&self) -> Option<i32> {
        match self.0.signal.load(SeqCst) {
            0 => None,
            signal => Some(signal as i32),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.at_once.store(true, SeqCst);
    }
}

/// Handlers run in the order in which they are registered.
fn register(noted: &Noted) -> std::io::Result<()> {
    for signal in SIGNALS {
        let code = i32::from(exit_code(signal));
        flag::register_conditional_shutdown(signal, code, noted.at_once.clone())?;
        flag::register_usize(signal, noted.signal.clone(), signal as usize)?;
        flag::register(signal, noted.at_once.clone())?;
    }
    Ok(())
}

/// Ends the process at the first signal, but does `last` before.
pub fn at_signal(last: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let mut signals = Signals::new(SIGNALS).context("cannot listen for signals")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            last();
            exit(exit_code(signal).into());
        }
    });
    Ok(())
}

/// This process's command line for a shell, without `without` and with `with`
/// at its end unless it has that already.
pub fn command_line(without: &str, with: Option<&str>) -> String {
    let arguments = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    rebuilt(arguments, without, with)
}

fn rebuilt(words: impl Iterator<Item = String>, without: &str, with: Option<&str>) -> String {
    let mut words: Vec<String> = words.filter(|word| word != without).collect();
    words.extend(with.filter(|with| !words.iter().any(|word| word == with)).map(String::from));
    // Only a NUL byte cannot be quoted, and no argument has one.
    let quoted = |word: &String| shlex::try_quote(word).map(String::from).unwrap_or_default();
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_given_to_a_shell() {
        let words = |text: &[&str]| text.iter().map(|word| word.to_string()).collect::<Vec<_>>();
        let given = words(&["./trainer", "train", "--out", "my mug's.model", "--restart"]);
        let line = rebuilt(given.into_iter(), "--restart", Some("--resume"));
        let expected = words(&["./trainer", "train", "--out", "my mug's.model", "--resume"]);
        assert_eq!(shlex::split(&line).unwrap(), expected);
        assert_eq!(rebuilt(expected.clone().into_iter(), "--restart", Some("--resume")), line);
        assert_eq!(rebuilt(expected.into_iter(), "", None), line);
    }

    #[test]
    fn exit_codes_are_those_of_shells() {
        assert_eq!((exit_code(SIGINT), exit_code(SIGTERM)), (130, 143));
    }
}
