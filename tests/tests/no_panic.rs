//! The programs that `scripts/firmware.sh` searches for panics call every
//! public function: what is missing there is not checked.
//!
//! The core's source is read line by line, as rustfmt leaves it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file without comments and without the tests at its end.
fn read(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The identifier at the start of `text`.
fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The name after `pub fn` or `pub const fn`.
fn function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub const fn "))?;
    Some(identifier(rest))
}

/// Names that the library or one of its public modules makes public.
fn public_names(core: &Path) -> BTreeSet<String> {
    let library = read(&core.join("lib.rs"));
    let modules = library.lines().filter_map(|line| line.strip_prefix("pub mod "));
    let files = modules.map(identifier).map(|name| {
        let file = core.join(format!("{name}.rs"));
        if file.exists() { file } else { core.join(name).join("mod.rs") }
    });
    let mut names = BTreeSet::new();
    for text in files.map(|file| read(&file)).chain([library.clone()]) {
        for import in text.split("pub use ").skip(1) {
            let import = import.split(';').next().unwrap_or_default();
            let ends = import
                .split([',', '{', '}', ' ', '\n'])
                .filter_map(|path| path.rsplit("::").next());
            names.extend(ends.map(str::to_owned));
        }
        for line in text.lines() {
            let kinds = ["pub struct ", "pub enum ", "pub trait "];
            let item = kinds.iter().find_map(|kind| line.strip_prefix(kind)).map(identifier);
            names.extend(item.or(function(line)).map(str::to_owned));
        }
    }
    names
}

/// The type of `impl Type {`, not of `impl Trait for Type {`.
fn implemented(line: &str) -> Option<&str> {
    let mut rest = line.strip_prefix("impl")?;
    if line.contains(" for ") {
        return None;
    }
    let mut depth = 0;
    if rest.starts_with('<') {
        let end = rest.find(|c| {
            depth += i32::from(c == '<') - i32::from(c == '>');
            depth == 0
        })?;
        rest = &rest[end + 1..];
    }
    Some(identifier(rest.trim_start()))
}

/// For each name of a public function of the core the types that have it.
fn public_functions(core: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let names = public_names(core);
    let mut files = Vec::new();
    sources(core, &mut files);
    let mut functions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let text = read(&file);
        // A private type may have the name of a public one.
        let is_private = |name: &str| {
            ["struct", "enum"]
                .iter()
                .any(|kind| text.contains(&format!("pub(super) {kind} {name} ")))
        };
        let mut of = None;
        for line in text.lines() {
            if let Some(name) = implemented(line) {
                of = (names.contains(name) && !is_private(name)).then(|| name.to_owned());
            } else if line.starts_with("impl") || line == "}" {
                of = None;
            } else if let (Some(of), Some(name)) =
                (&of, line.strip_prefix("    ").and_then(function))
            {
                functions.entry(name.to_owned()).or_default().insert(of.clone());
            } else if let Some(name) = function(line).filter(|name| names.contains(*name)) {
                functions.entry(name.to_owned()).or_default().insert(file.display().to_string());
            }
        }
    }
    functions
}

/// How often `name` is called, as a method or by a path.
fn calls(program: &str, name: &str) -> usize {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let ends = program.match_indices(name).filter(|(at, _)| {
        let rest = &program[at + name.len()..];
        !program[..*at].ends_with(is_part) && (rest.starts_with('(') || rest.starts_with("::<"))
    });
    ends.count()
}

#[test]
fn every_public_function_of_the_core_is_checked_for_panics() {
    let functions = public_functions(&root().join("core/src"));
    let count = functions.values().map(BTreeSet::len).sum::<usize>();
    assert!(count > 120, "only {count} functions were found");
    assert!(functions["search"].len() >= 3 && functions.contains_key("squared_distance"));
    let program = read(&root().join("firmware-example/src/bin/no_panic.rs"));
    // A call says nothing of the type; a name of several types needs as many calls.
    let missing: Vec<_> =
        functions.iter().filter(|(name, types)| calls(&program, name) < types.len()).collect();
    assert!(missing.is_empty(), "not called in no_panic.rs: {missing:#?}");
}

#[test]
fn every_function_of_the_c_interface_is_checked_for_panics() {
    let header = read(&root().join("c-interface/include/lookalike.h"));
    let program = read(&root().join("firmware-example/src/bin/no_panic_c.rs"));
    let names =
        header.match_indices("lookalike_").map(|(at, _)| &header[at..]).filter_map(|text| {
            let name = identifier(text);
            text[name.len()..].starts_with('(').then_some(name)
        });
    let names: BTreeSet<&str> = names.collect();
    assert!(names.len() >= 13, "{names:?}");
    for name in names {
        assert!(program.contains(&format!("{name} as *const ()")), "{name}");
    }
}
