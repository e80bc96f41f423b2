//! The command line of the trainer: arguments in, files and tables out. The
//! work itself is in the library.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::run()
}
