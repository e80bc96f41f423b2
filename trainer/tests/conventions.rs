//! What users of every command rely on: help, exit codes, `--quiet`, the keys
//! and types of `--json`, completions and man pages.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Bench, text};
use serde_json::Value;

/// Every command, `bench epoch` and the like too, as the program lists them.
fn commands(bench: &Bench) -> Vec<String> {
    fn visit(bench: &Bench, command: &str, all: &mut Vec<String>) {
        let help = text(&bench.ok(&format!("{command} -h")).stdout);
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        for line in listed.take_while(|line| line.starts_with("  ")) {
            // A description that does not fit goes on further to the right.
            let name = line[2..].split(' ').next().unwrap();
            if !name.is_empty() && name != "help" {
                let command = format!("{command} {name}").trim().to_owned();
                all.push(command.clone());
                visit(bench, &command, all);
            }
        }
    }
    let mut all = Vec::new();
    visit(bench, "", &mut all);
    assert!(all.len() > 15, "{all:?}");
    all
}

/// A command line for each command that prints an object; what they read is
/// made by [`inputs`].
const OBJECTS: &[(&str, &str)] = &[
    ("train", "train --loss triplet --data data --widths 4,4,8 --epochs 1 --out b.model --json"),
    ("family", "family --input 20x20x1 --fit flash=64K,ram=12K --json"),
    ("evaluate", "evaluate c.model --data data --json"),
    ("evaluate several", "evaluate c.model --baseline pixels --data data --json"),
    (
        "evaluate few-shot",
        "evaluate a.model --data data --few-shot --unseen 2 --shots 1,5 --draws 5 --json",
    ),
    ("calibrate", "calibrate a.model --data data --false-accept-rate 0.2 --out b.model --json"),
    ("quantize", "quantize a.model --data data --project 8 --out b.model --json"),
    ("codes", "codes a.model --int8 a8.model --data data --project 8 --json"),
    ("search", "search a.model --gallery a.gallery query.png -k 2 --json"),
    ("inspect model", "inspect a8.model --json"),
    ("inspect gallery", "inspect a.gallery --json"),
    ("bench evaluate", "bench evaluate a.model --data data --threads 1"),
    ("bench search", "bench search a.model --data data --threads 1"),
    ("bench single", "bench single a.model --data data --threads 1"),
];

/// What trains for longer than a fast test may: `demo`, whose objects are those
/// of `evaluate`, and `results`, which has tests of its own.
const LEFT_OUT: &[&str] = &["demo", "results"];

/// Commands that only write files.
const WRITERS: &[&str] = &[
    "gallery a.model --data data --out b.gallery",
    "embed a.model --data data --out b.npy",
    "export a.model --out b.safetensors",
    "import b.safetensors --input 20x20 --grid 2 --out b.model",
    "pixels a.model --data data --out b.images",
    "report a.model --data data --out b.html",
    "man pages",
];

/// a.model and a8.model (triplet), c.model (with a classifier), a.gallery, query.png.
fn inputs() -> Bench {
    let bench = Bench::new();
    bench.train("a.model", "");
    bench.ok("train --loss cross-entropy --data data --widths 4,4,8 --epochs 1 --out c.model");
    bench.ok("quantize a.model --data data --project 8 --out a8.model");
    bench.ok("gallery a.model --data data --out a.gallery");
    let pixels = common::images(1, 3).0;
    let side = common::SIDE as u32;
    image::GrayImage::from_raw(side, side, pixels).unwrap().save(bench.path("query.png")).unwrap();
    bench
}

/// The type of a value, in words; of an array, that of all its elements.
fn schema(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(number) if number.is_f64() => "number".into(),
        Value::Number(_) => "integer".into(),
        Value::String(_) => "string".into(),
        Value::Array(elements) => {
            Value::Array(elements.iter().map(schema).reduce(either).into_iter().collect())
        }
        Value::Object(pairs) => {
            Value::Object(pairs.iter().map(|(key, value)| (key.clone(), schema(value))).collect())
        }
    }
}

/// The schema of values that follow the one or the other; keys that only one
/// has may be absent.
fn either(a: Value, b: Value) -> Value {
    match (a, b) {
        (a, b) if a == b => a,
        (Value::Object(mut a), Value::Object(b)) => {
            for (key, b) in b {
                let merged = either(a.remove(&key).unwrap_or("absent".into()), b);
                a.insert(key, merged);
            }
            Value::Object(a)
        }
        (Value::Array(a), Value::Array(b)) => {
            Value::Array(a.into_iter().chain(b).reduce(either).into_iter().collect())
        }
        (Value::String(a), Value::String(b)) => {
            let kinds: BTreeSet<&str> = a.split(" or ").chain(b.split(" or ")).collect();
            kinds.into_iter().collect::<Vec<_>>().join(" or ").into()
        }
        (a, b) => panic!("{a} or {b}"),
    }
}

#[test]
fn schemas_tell_types_apart() {
    let value = serde_json::json!({"a": [1, 0.5, null], "b": [[], ["x"]], "c": [{"d": true}, {}]});
    let wanted = serde_json::json!({
        "a": ["integer or null or number"], "b": [["string"]], "c": [{"d": "boolean"}],
    });
    assert_eq!(schema(&value), wanted);
}

#[test]
fn help_is_plain_text_on_standard_output() {
    let bench = Bench::new();
    for command in commands(&bench) {
        for help in ["-h", "--help"] {
            let output = bench.ok(&format!("{command} {help}"));
            let said = text(&output.stdout);
            assert!(said.contains(&format!("Usage: trainer {command}")), "{command}: {said}");
            assert!(said.contains(&format!("\n  trainer {command}")), "{command}: no example");
            assert!(!said.contains('\x1b') && output.stderr.is_empty(), "{command}");
        }
    }
    assert!(text(&bench.ok("--version").stdout).starts_with("trainer "));
}

#[test]
fn an_unknown_option_or_command_exits_with_2() {
    let bench = Bench::new();
    let mut lines: Vec<String> =
        commands(&bench).iter().map(|command| format!("{command} --no-such-option")).collect();
    lines.extend(["", "nonsense", "bench nonsense", "completions nonsense"].map(String::from));
    for line in lines {
        let output = bench.trainer(&line).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(output.stdout.is_empty(), "{line}");
        let said = text(&output.stderr);
        assert!(said.contains("--help") && !said.contains('\x1b'), "{line}: {said}");
    }
}

#[test]
fn objects_have_the_keys_and_types_that_tools_rely_on() {
    let bench = inputs();
    let covered: BTreeSet<&str> = OBJECTS.iter().map(|(name, _)| *name).collect();
    for command in commands(&bench) {
        let help = text(&bench.ok(&format!("{command} -h")).stdout);
        let known = covered.iter().any(|name| {
            name.strip_prefix(&command).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        let left_out = LEFT_OUT.contains(&command.as_str());
        assert!(!help.contains("--json") || known || left_out, "{command} is in no test of --json");
    }
    let mut schemas = BTreeMap::new();
    for (name, line) in OBJECTS {
        let output = bench.ok(&format!("{line} --quiet"));
        assert_eq!(text(&output.stderr), "", "{line}");
        let value: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{line}: {e}: {}", text(&output.stdout)));
        assert!(value.is_object(), "{line}");
        schemas.insert(name, schema(&value));
    }
    for (name, schema) in schemas {
        let text = serde_json::to_string_pretty(&schema).unwrap();
        insta::assert_snapshot!(name.replace(' ', "-"), text, name);
    }
}

#[test]
fn a_missing_file_exits_with_1() {
    let bench = inputs();
    let lines = OBJECTS.iter().map(|(_, line)| *line).chain(WRITERS.iter().copied());
    let mut failed = 0;
    for line in lines.filter(|line| line.contains(" a.model ")) {
        let line = line.replace(" a.model ", " missing.model ");
        let before = bench.snapshot();
        let output = bench.trainer(&line).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        assert!(said.starts_with("error: missing.model: "), "{line}: {said}");
        assert!(output.stdout.is_empty(), "{line}");
        assert_eq!(bench.snapshot(), before, "{line}");
        failed += 1;
    }
    assert!(failed > 5, "{failed}");
}

#[test]
fn notices_go_to_standard_error_and_quiet_silences_them() {
    let bench = inputs();
    for line in WRITERS {
        let loud = bench.ok(line);
        assert!(text(&loud.stderr).starts_with("wrote "), "{line}: {}", text(&loud.stderr));
        assert!(loud.stdout.is_empty(), "{line}");
        for quiet in [format!("--quiet {line}"), format!("{line} -q")] {
            let output = bench.ok(&quiet);
            assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{quiet}");
        }
    }
    let output = bench.trainer("--quiet inspect missing").output().unwrap();
    assert!(text(&output.stderr).starts_with("error: missing: "), "{}", text(&output.stderr));
}

#[test]
fn every_command_has_a_man_page() {
    let bench = Bench::new();
    bench.ok("man share/man1");
    let mut wanted: Vec<String> =
        commands(&bench).iter().map(|c| format!("trainer-{}.1", c.replace(' ', "-"))).collect();
    wanted.push("trainer.1".into());
    wanted.sort();
    let pages = std::fs::read_dir(bench.path("share/man1")).unwrap();
    let mut found: Vec<String> =
        pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, wanted);

    bench.write("file", b"");
    let output = bench.trainer("man file/man1").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("file/man1: cannot make the directory"));
}

#[test]
fn completions_are_a_script_for_each_shell() {
    let bench = Bench::new();
    for (shell, mark) in [
        ("bash", "complete -F _trainer"),
        ("elvish", "edit:completion:arg-completer[trainer]"),
        ("fish", "complete -c trainer"),
        ("powershell", "Register-ArgumentCompleter -Native -CommandName 'trainer'"),
        ("zsh", "#compdef trainer"),
    ] {
        let script = text(&bench.ok(&format!("completions {shell}")).stdout);
        assert!(script.contains(mark), "{shell}: {script}");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::process::Command;

    use super::*;

    #[test]
    fn bash_completes_commands_options_and_values() {
        let bench = Bench::new();
        bench.write("trainer.bash", &bench.ok("completions bash").stdout);
        for (words, wanted) in [
            ("trainer sea", vec!["search"]),
            ("trainer embed x --per", vec!["--per-class"]),
            ("trainer train --loss cross", vec!["cross-entropy"]),
            ("trainer bench si", vec!["single"]),
        ] {
            let last = words.split(' ').count() - 1;
            let script = format!(
                "source trainer.bash; COMP_WORDS=({words}); COMP_CWORD={last}; \
                 _trainer trainer \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{last} - 1]}}\"; \
                 echo \"${{COMPREPLY[@]}}\""
            );
            let output = Command::new("bash")
                .args(["--norc", "-c", &script])
                .current_dir(bench.path("."))
                .output()
                .unwrap();
            let found = text(&output.stdout);
            assert_eq!(found.split_whitespace().collect::<Vec<_>>(), wanted, "{words}");
        }
    }

    /// What the program writes to a terminal, which `script` is.
    fn on_a_terminal(bench: &Bench, arguments: &str, no_color: bool) -> String {
        let program = assert_cmd::cargo::cargo_bin("trainer");
        let mut command = Command::new("script");
        command.args(["-qec", &format!("{} {arguments}", program.display()), "/dev/null"]);
        command.current_dir(bench.path(".")).env("TERM", "xterm").env_remove("NO_COLOR");
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    #[test]
    fn a_terminal_gets_colour_and_progress_unless_they_are_unwanted() {
        let bench = Bench::new();
        let bold = "\x1b[1m";
        assert!(on_a_terminal(&bench, "--help", false).contains(bold));
        assert!(!on_a_terminal(&bench, "--help", true).contains('\x1b'));

        let train = "train --loss triplet --data data --widths 4,4,8 --epochs 2 --out a.model";
        let erases = "\x1b[2K";
        assert!(on_a_terminal(&bench, train, false).contains(erases));
        assert_eq!(on_a_terminal(&bench, &format!("{train} --quiet"), false), "");
        let output = bench.ok(train);
        assert!(output.stdout.is_empty() && !text(&output.stderr).contains('\x1b'));
        assert!(text(&output.stderr).contains("epoch  1/2: loss"), "{}", text(&output.stderr));
    }
}
