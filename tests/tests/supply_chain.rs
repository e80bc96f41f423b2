//! What the program is made of: licences and sources of all dependencies, and
//! the dependencies of the core, which `docs/reliability.md` gives reasons for.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::str;

use serde_json::Value;

/// What `deny.toml` allows, too.
const LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "NCSA",
    "Unicode-3.0",
    "Zlib",
];

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// All packages of the workspace for this machine.
fn packages() -> Vec<Value> {
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let version = str::from_utf8(&version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--format-version=1", "--locked", "--filter-platform", host];
    let metadata: Value = serde_json::from_slice(&cargo(&arguments)).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Whether one of an expression's alternatives is allowed, in each of its parts.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    expression.split(" AND ").all(|part| {
        let part = part.trim_matches(['(', ')']);
        part.split(" OR ").any(|licence| LICENCES.contains(&licence.trim()))
    })
}

#[test]
fn licences_and_sources_are_allowed() {
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0") && is_allowed("Unlicense OR MIT"));
    assert!(!is_allowed("GPL-3.0") && !is_allowed("MIT AND GPL-3.0-only"));
    let packages = packages();
    assert!(packages.len() > 100);
    for package in packages {
        let name = &package["name"];
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(is_allowed(licence), "{name}: {licence}");
        // Crates of this workspace have no source.
        let source = package["source"].as_str().unwrap_or("registry+");
        assert!(source.starts_with("registry+"), "{name}: {source}");
    }
    let configured = include_str!("../../deny.toml");
    for licence in LICENCES {
        assert!(configured.contains(&format!("\"{licence}\"")), "{licence} is not in deny.toml");
    }
}

/// The names in backticks at the start of the rows of a table.
fn first_column(table: &str) -> BTreeSet<&str> {
    table
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|row| row.split('`').next())
        .collect()
}

#[test]
fn the_core_depends_on_what_is_documented() {
    let page = include_str!("../../docs/reliability.md");
    let section = page.split("## Dependencies of the core").nth(1).expect("a section");
    let section = section.split("\n## ").next().unwrap();
    let core = packages().into_iter().find(|package| package["name"] == "lookalike").unwrap();
    let dependencies = core["dependencies"].as_array().unwrap();
    // Those for tests have a kind.
    let direct = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
    let direct: BTreeSet<_> = direct.map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(first_column(section), direct);

    let edges = "normal,no-proc-macro";
    let tree = ["tree", "-p=lookalike", "-e", edges, "--all-features", "--prefix=none", "--locked"];
    let tree = cargo(&tree);
    for line in str::from_utf8(&tree).unwrap().lines().skip(1) {
        let name = line.split(' ').next().unwrap();
        assert!(section.contains(&format!("`{name}`")), "{name} is not documented");
    }
}
