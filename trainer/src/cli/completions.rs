//! `trainer completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::output::print;

/// Print a shell's completions of commands, options and their values.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
                  trainer completions bash > ~/.local/share/bash-completion/completions/trainer\n  \
                  trainer completions zsh > ~/.zfunc/_trainer\n  \
                  trainer completions fish > ~/.config/fish/completions/trainer.fish")]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        print(&script(self.shell))
    }
}

/// The completions for a shell.
pub fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "trainer", &mut script);
    String::from_utf8(script).expect("made of text")
}
