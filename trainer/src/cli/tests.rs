//! What holds for every command, whichever there are.

use std::path::Path;

use clap::{Command, CommandFactory, Parser};

use super::Cli;

/// All commands, built: each with its whole name, as `trainer bench epoch`.
fn commands() -> Vec<Command> {
    fn visit(command: &Command, all: &mut Vec<Command>) {
        all.push(command.clone());
        command.get_subcommands().for_each(|command| visit(command, all));
    }
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut all = Vec::new();
    visit(&program, &mut all);
    assert!(all.len() > 15, "{} commands", all.len());
    all
}

fn name(command: &Command) -> &str {
    command.get_bin_name().unwrap_or(command.get_name())
}

/// Fails unless a line of a shell is a call of the program that clap takes.
fn assert_parses(line: &str) {
    let words = shlex::split(line).unwrap_or_else(|| panic!("unbalanced quotes: {line}"));
    let shell = |word: &String| [">", "2>", "|", "&&", "&"].contains(&word.as_str());
    let command = words.into_iter().take_while(|word| !shell(word));
    if let Err(error) = Cli::try_parse_from(command) {
        panic!("{line}\n{error}");
    }
}

#[test]
fn clap_finds_no_fault() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_and_option_is_explained() {
    for command in commands() {
        assert!(command.get_about().is_some(), "{}", name(&command));
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {argument}", name(&command));
        }
    }
}

#[test]
fn every_command_has_examples_that_parse() {
    // The program itself is explained by its list of commands.
    for command in commands().iter().skip(1) {
        let name = name(command);
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines: Vec<&str> = help
            .lines()
            .filter_map(|line| line.strip_prefix("  "))
            .filter(|line| line.starts_with("trainer "))
            .collect();
        assert!(help.starts_with("Example") && !lines.is_empty(), "{name} has no example: {help}");
        assert!(lines.iter().all(|line| line.starts_with(name)), "{name}: {lines:?}");
        lines.into_iter().for_each(assert_parses);
    }
}

#[test]
fn commands_of_the_documents_parse() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = vec![root.join("README.md")];
    for entry in std::fs::read_dir(root.join("docs")).unwrap() {
        pages.push(entry.unwrap().path());
    }
    let mut parsed = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|e| e == "md")) {
        let text = std::fs::read_to_string(page).unwrap().replace("\\\n", " ");
        let mut shell = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("```") {
                shell = line == "```sh";
            }
            let run = "cargo run --release --bin trainer -- ";
            let line = line.replacen(run, "trainer ", 1);
            if shell && line.starts_with("trainer ") {
                assert_parses(&line);
                parsed += 1;
            }
        }
    }
    assert!(parsed > 10, "{parsed} commands in {} pages", pages.len());
}

#[test]
fn every_command_has_a_man_page() {
    let pages = super::man::pages();
    for command in commands() {
        let file = format!("{}.1", name(&command).replace(' ', "-"));
        let page = pages.iter().find(|(name, _)| *name == file);
        let page =
            String::from_utf8(page.unwrap_or_else(|| panic!("no {file}")).1.clone()).unwrap();
        assert!(page.contains(".TH") && page.contains(".SH SYNOPSIS"), "{file}");
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let named = argument.get_long().map_or_else(
                || argument.get_value_names().unwrap()[0].to_string(),
                |long| long.replace('-', "\\-"),
            );
            assert!(page.contains(&named), "{file} lacks {named}");
        }
    }
    assert_eq!(pages.len(), commands().len());
}

#[test]
fn completions_know_every_command_and_option() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = super::completions::script(shell.parse().unwrap());
        for command in commands() {
            assert!(script.contains(command.get_name()), "{shell}: {}", name(&command));
            for long in command.get_arguments().filter_map(|argument| argument.get_long()) {
                assert!(script.contains(long), "{shell}: {} --{long}", name(&command));
            }
        }
    }
}
