//! One module a command; what commands share is in `options`, `console` and
//! `output`.
#![warn(clippy::print_stderr, clippy::print_stdout)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lookalike_trainer::train::TrainError;

use interrupt::Interrupted;

mod bench;
mod calibrate;
mod codes;
mod completions;
mod console;
mod demo;
mod embed;
mod evaluate;
mod export;
mod family;
mod gallery;
mod import;
mod inspect;
mod interrupt;
mod man;
mod options;
mod output;
mod pixels;
mod quantize;
mod report;
mod results;
mod scaling;
mod search;
mod serve;
mod teachers;
#[cfg(test)]
mod tests;
mod threads;
mod train;
mod unpack;

/// Learns, measures and packs image embeddings for microcontrollers.
///
/// Start with `trainer demo`: it trains two embeddings on MNIST and compares
/// how well they retrieve.
#[derive(Parser)]
#[command(name = "trainer", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print only results, warnings and errors.
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Train(Box<train::Train>),
    Family(family::Family),
    Evaluate(evaluate::Evaluate),
    Calibrate(calibrate::Calibrate),
    Quantize(quantize::Quantize),
    Codes(codes::Codes),
    Report(report::Report),
    Results(results::Results),
    Gallery(gallery::Gallery),
    Search(search::Search),
    Serve(serve::Serve),
    Embed(embed::Embed),
    Import(import::Import),
    Export(export::Export),
    Inspect(inspect::Inspect),
    Unpack(unpack::Unpack),
    Pixels(pixels::Pixels),
    Bench(bench::Bench),
    Completions(completions::Completions),
    Man(man::Man),
}

/// The options contradict each other or the files: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

/// Parses the command line and runs the command.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted (143 by
/// SIGTERM).
pub fn run() -> ExitCode {
    let Cli { command, quiet } = Cli::parse();
    console::set_quiet(quiet);
    let result = match command {
        Command::Demo(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Family(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Calibrate(command) => command.run(),
        Command::Quantize(command) => command.run(),
        Command::Codes(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Results(command) => command.run(),
        Command::Gallery(command) => command.run(),
        Command::Search(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Embed(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Unpack(command) => command.run(),
        Command::Pixels(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
                console::print_line(format_args!("{interrupted}"));
                return ExitCode::from(interrupt::exit_code(interrupted.signal));
            }
            console::print_line(format_args!("error: {error:#}"));
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

fn is_usage(error: &anyhow::Error) -> bool {
    use lookalike_trainer::data::{DataError, FolderError};
    error.is::<UsageError>()
        || matches!(
            error.downcast_ref(),
            Some(
                DataError::Fraction { .. } | DataError::Folder(FolderError::FractionOfSplit { .. })
            )
        )
        || matches!(error.downcast_ref(), Some(TrainError::Setting { .. } | TrainError::Batches(_)))
}
