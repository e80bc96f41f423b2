//! A disk that takes no more: a limit on the size of files stands in for one,
//! since it needs no privileges, and a real one where there are some.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::common::{Bench, text};
use super::run::names;

/// The program, whose files can have at most so many bytes.
fn limited(bench: &Bench, bytes: usize, arguments: &str) -> Output {
    let program = assert_cmd::cargo::cargo_bin("trainer");
    let script =
        format!("trap '' XFSZ; exec prlimit --fsize={bytes} -- {} {arguments}", program.display());
    Command::new("sh").args(["-c", &script]).current_dir(bench.path("")).output().unwrap()
}

/// Commands that write files, and the files.
const COMMANDS: &[(&str, &[&str])] = &[
    (
        "train --loss cross-entropy --data data --widths 4,4,8 --epochs 2 --seed 9 --out a.model",
        &["a.model.checkpoint", "a.model", "a.model.history.json", "a.model.toml"],
    ),
    ("calibrate a.model --data data --false-accept-rate 0.1", &["a.model"]),
    ("quantize a.model --data data --packing compact --out a.int8.model", &["a.int8.model"]),
    ("gallery a.model --data data --out f32.gallery", &["f32.gallery"]),
    ("gallery a.int8.model --data data --code binary --out binary.gallery", &["binary.gallery"]),
    ("export a.model --out x.safetensors", &["x.safetensors"]),
    ("export a.model --out x.rs", &["x.rs"]),
    ("export a.model --out x.c", &["x.c"]),
    ("export a.model --out x.h", &["x.h"]),
    ("import x.safetensors --input 20x20 --out imported.model", &["imported.model"]),
    ("embed a.model --data data --out x.npy", &["x.npy", "x.labels.npy"]),
    ("embed a.model --data data --out x.parquet", &["x.parquet"]),
    ("embed a.model --data data --out x.pgcopy", &["x.pgcopy"]),
    ("embed a.model --data data --out y.safetensors", &["y.safetensors"]),
    ("pixels a.model --data data --out x.pixels", &["x.pixels", "x.labels"]),
    ("evaluate a.model --data data --resamples 0 --plot x.svg", &["x.svg"]),
    ("man man", &["man/trainer.1", "man/trainer-train.1"]),
];

/// The limit is set just below each file's size, to half of it, and to nothing.
#[test]
fn a_file_that_does_not_fit_is_named_and_what_was_there_stays() {
    let bench = Bench::new();
    bench.train("a.model", "");
    let mut faults = 0;
    for (command, files) in COMMANDS {
        if command.ends_with(".parquet") && !cfg!(feature = "parquet") {
            continue;
        }
        // A checkpoint is gone when a run has ended.
        bench.ok(command);
        let size = |name: &&str| std::fs::metadata(bench.path(name)).map_or(3000, |m| m.len());
        let sizes: Vec<usize> = files.iter().map(|name| size(name) as usize).collect();
        let limits = sizes.iter().flat_map(|&size| [size - 1, size / 2]).chain([0]);
        let before = bench.snapshot();
        for limit in limits {
            // Not where all but a file that is smaller still fits.
            if sizes.iter().all(|&size| size <= limit) {
                continue;
            }
            let output = limited(&bench, limit, command);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command}, {limit}: {said}");
            let named = files.iter().any(|name| said.contains(&format!("{name}: cannot write")));
            assert!(named && said.contains("File too large"), "{command}, {limit}: {said}");
            assert!(!said.contains("panicked"), "{command}, {limit}: {said}");
            let after = without_checkpoint(bench.snapshot());
            assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
            let changed = after.iter().find(|(name, content)| before[*name] != **content);
            assert!(changed.is_none(), "{command}, {limit}: {:?}", changed.map(|c| c.0));
            let _ = std::fs::remove_file(bench.path("a.model.checkpoint"));
            faults += 1;
        }
    }
    println!("{faults} faults");
    assert!(faults > 2 * COMMANDS.len());
}

fn without_checkpoint(mut files: BTreeMap<PathBuf, Vec<u8>>) -> BTreeMap<PathBuf, Vec<u8>> {
    files.retain(|path, _| !path.ends_with("a.model.checkpoint"));
    files
}

#[test]
fn pictures_that_do_not_fit_leave_no_folder() {
    let bench = Bench::new();
    let before = bench.snapshot();
    let output = limited(&bench, 20, "unpack --data data --out photos");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("photos: cannot write the pictures"), "{said}");
    assert_eq!(bench.snapshot(), before);
    assert_eq!(names(&bench.path("")), ["data"]);
}

#[test]
fn results_that_do_not_fit_are_done_another_time() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("docs")).unwrap();
    let run = "results --quick --data mnist=data --data fashion=data --out docs/r.md --work work \
               --seeds 0 --report";
    bench.ok(run);
    let before = bench.snapshot();
    let mut named = Vec::new();
    let files = names(&bench.path("docs/images")).into_iter().map(|name| format!("images/{name}"));
    for file in files.chain(["r.md".into()]) {
        let size = bench.read(&format!("docs/{file}")).len();
        let output = limited(&bench, size - 1, run);
        let said = text(&output.stderr);
        if output.status.success() {
            // Not the largest: a larger one fails before it does.
            continue;
        }
        assert!(said.contains("cannot write the file: File too large"), "{said}");
        assert_eq!(bench.snapshot(), before);
        named.push(file);
    }
    assert!(!named.is_empty());
    // The first checkpoint does not fit.
    let output = limited(&bench, 10_000, &run.replace("--report", "--only unseen"));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("model.checkpoint: cannot write the file"), "{said}");
}

/// A file system in memory, full but for some kilobytes, in a mount namespace
/// of its own.
#[test]
#[ignore = "needs user namespaces, which some systems forbid"]
fn on_a_full_disk_a_run_stops_and_goes_on_when_there_is_room() {
    let bench = Bench::new();
    bench.ok(
        "train --loss triplet --data data --widths 4,4,8 --epochs 9 --batch-size 10 --out whole.model",
    );
    std::fs::create_dir(bench.path("disk")).unwrap();
    let program = assert_cmd::cargo::cargo_bin("trainer");
    let run = format!(
        "{} train --loss triplet --data data --widths 4,4,8 --epochs 9 --batch-size 10 --out \
         disk/a.model --resume",
        program.display()
    );
    let mut refused = 0;
    // In pages of 4 KiB: room for nothing, for a checkpoint, for two.
    for free in [0, 4, 8, 16, 20, 24, 32] {
        let script = format!(
            "mount -t tmpfs -o size=256k none disk
             head -c $((256 - {free}))k /dev/zero >disk/filler
             {run} && echo fits
             ls -A disk
             rm disk/filler
             {run} && cmp disk/a.model whole.model && echo same
             ls -A disk"
        );
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .current_dir(bench.path(""))
            .output()
            .unwrap();
        let (printed, said) = (text(&output.stdout), text(&output.stderr));
        assert!(!said.contains("panicked"), "{free}: {said}");
        assert!(
            printed.ends_with("same\na.model\na.model.history.json\na.model.toml\n"),
            "{free}: {printed}{said}"
        );
        if !printed.contains("fits") {
            refused += 1;
            assert!(said.contains("No space left on device"), "{free}: {said}");
            assert!(said.contains("disk/a.model"), "{free}: {said}");
            assert!(said.contains("free some space"), "{free}: {said}");
            assert!(!printed.contains(".tmp"), "{free}: {printed}");
        }
    }
    assert!(refused > 2, "{refused}");
}
