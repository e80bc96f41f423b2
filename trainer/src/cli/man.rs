//! `trainer man`.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use lookalike_trainer::files::write_atomically;

use super::Cli;
use super::console::note;

/// Write man pages: one of the program, one of each command.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer man man/man1\n  man -M man trainer-search")]
pub struct Man {
    /// The directory to write `trainer.1` and the others to; made if need be.
    directory: PathBuf,
}

impl Man {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let directory = &self.directory;
        std::fs::create_dir_all(directory)
            .with_context(|| format!("{}: cannot make the directory", directory.display()))?;
        let pages = pages();
        for (name, page) in &pages {
            write_atomically(directory.join(name), |writer| writer.write_all(page))?;
        }
        note!("wrote {} pages to {}", pages.len(), directory.display());
        Ok(())
    }
}

/// The pages of all commands: file names and contents.
pub fn pages() -> Vec<(String, Vec<u8>)> {
    fn visit(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) {
        let page = clap_mangen::Man::new(command.clone());
        let mut text = Vec::new();
        page.render(&mut text).expect("memory takes all that is written");
        pages.push((page.get_filename(), text));
        for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            visit(command, pages);
        }
    }
    // Gives each command the name of its page, `trainer-train`, and the global options.
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    visit(&program, &mut pages);
    pages
}
