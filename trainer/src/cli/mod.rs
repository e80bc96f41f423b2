//! One module a command; what commands share is in `options`, `console` and
//! `output`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lookalike_trainer::train::TrainError;

mod bench;
mod calibrate;
mod codes;
mod console;
mod demo;
mod embed;
mod evaluate;
mod family;
mod gallery;
mod inspect;
mod options;
mod output;
mod pixels;
mod quantize;
mod results;
mod scaling;
mod search;
mod train;
mod unpack;
mod weights;

/// Learns, measures and packs image embeddings for microcontrollers.
///
/// Start with `trainer demo`: it trains two embeddings on MNIST and compares
/// how well they retrieve.
#[derive(Parser)]
#[command(name = "trainer", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
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
    Results(results::Results),
    Gallery(gallery::Gallery),
    Search(search::Search),
    Embed(embed::Embed),
    Import(weights::Import),
    Export(weights::Export),
    Inspect(inspect::Inspect),
    Unpack(unpack::Unpack),
    Pixels(pixels::Pixels),
    Bench(bench::Bench),
}

/// The options contradict each other or the files: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

/// Parses the command line and runs the command.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage.
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Family(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Calibrate(command) => command.run(),
        Command::Quantize(command) => command.run(),
        Command::Codes(command) => command.run(),
        Command::Results(command) => command.run(),
        Command::Gallery(command) => command.run(),
        Command::Search(command) => command.run(),
        Command::Embed(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Unpack(command) => command.run(),
        Command::Pixels(command) => command.run(),
        Command::Bench(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
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
