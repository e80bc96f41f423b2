//! The program, started and not waited for.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use super::common::Bench;

/// A run that has been started; killed when dropped.
pub struct Run(Option<Child>);

impl Run {
    /// `trainer` with these arguments, in the directory of `bench`.
    pub fn start(bench: &Bench, arguments: &str) -> Run {
        let child = Command::new(assert_cmd::cargo::cargo_bin("trainer"))
            .args(arguments.split_whitespace())
            .current_dir(bench.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Run(Some(child))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("not yet waited for")
    }

    pub fn has_ended(&mut self) -> bool {
        self.child().try_wait().unwrap().is_some()
    }

    /// Waits until `sign` is there. Fails if the run ends before.
    pub fn until(&mut self, sign: impl Fn() -> bool) {
        while !sign() {
            assert!(!self.has_ended(), "ended before its time");
            pause();
        }
    }

    /// The first line of its standard output.
    pub fn first_line(&mut self) -> String {
        let mut line = String::new();
        let output = self.child().stdout.as_mut().expect("it is piped");
        BufReader::new(output).read_line(&mut line).unwrap();
        line
    }

    pub fn kill(&mut self) {
        self.child().kill().unwrap();
    }

    /// Sends signals by name, one after another.
    pub fn signal(&mut self, names: &[&str]) {
        let process = self.child().id();
        let kills = names.iter().map(|name| format!("kill -{name} {process}"));
        let script = kills.collect::<Vec<_>>().join(" && ");
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    }

    pub fn wait(mut self) -> Output {
        self.0.take().expect("not yet waited for").wait_with_output().unwrap()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Until a state is looked at again.
pub fn pause() {
    std::thread::sleep(Duration::from_millis(1));
}

/// Whether SIGKILL ended it.
pub fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}

/// The names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}
