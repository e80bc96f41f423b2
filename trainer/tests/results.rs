//! `trainer results` from outside: complete, resumable, and nothing twice.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use common::{Bench, SIDE, text};
use serde_json::{Value, json};

/// Runs of all parts from one seed: eight methods on two data sets, five on
/// four halves of classes.
const RUNS: u64 = 8 * 2 + 5 * 4;

/// Ten classes: a bright block at one of ten places, and noise.
fn bench() -> Bench {
    let bench = Bench::new();
    for (split, count, seed) in [("train", 320, 1_u64), ("t10k", 160, 2)] {
        let mut state = seed;
        let mut noise = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 57) as u8
        };
        let labels: Vec<u8> = (0..count).map(|i| (i % 10) as u8).collect();
        let mut pixels = Vec::new();
        for &label in &labels {
            let (top, left) = (usize::from(label / 5) * 10, usize::from(label % 5) * 4);
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let lit = (top..top + 9).contains(&y) && (left..left + 4).contains(&x);
                    pixels.push(if lit { 120 } else { 0 } + noise());
                }
            }
        }
        bench.write_idx(split, &pixels, &labels);
    }
    bench
}

const RUN: &str =
    "results --quick --data mnist=data --data fashion=data --out docs/results.md --work";

/// What a directory of results holds, times aside.
fn content(bench: &Bench, directory: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(bench.path(directory)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let files = names.map(|name| {
        let bytes = bench.read(&format!("{directory}/{name}"));
        if !name.ends_with(".json") {
            return (name, bytes);
        }
        let mut record: Value = serde_json::from_slice(&bytes).unwrap();
        if let Some(trained) = record["trained"].as_object_mut() {
            trained.remove("seconds");
            trained.remove("threads");
        }
        (name, record.to_string().into_bytes())
    });
    files.collect()
}

#[track_caller]
fn assert_same(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) {
    assert!(one.keys().eq(other.keys()), "{:?} {:?}", one.keys(), other.keys());
    let differs = one.iter().find(|(name, content)| other[*name] != **content);
    assert!(differs.is_none(), "{}", differs.unwrap().0);
}

fn exists(bench: &Bench, name: &str) -> bool {
    Path::new(&bench.path(name)).exists()
}

#[test]
fn every_table_is_made_once_and_again_only_where_something_changed() {
    let bench = bench();
    std::fs::create_dir(bench.path("docs")).unwrap();
    let run = format!("{RUN} work --seeds 3");
    let first = bench.json(&run);
    assert_eq!((&first["models_trained"], &first["models_kept"]), (&json!(RUNS), &json!(0)));
    assert_eq!(first["measurements_missing"], 0);
    let number = |pointer: &str| first.pointer(pointer).and_then(Value::as_f64);
    for pointer in [
        "/closed/mnist/best/mean_average_precision/mean",
        "/closed/fashion/cross-entropy/accuracy/mean",
        "/closed/mnist/triplet/seconds/mean",
        "/unseen/fashion-low-to-fashion-high/raw pixels/mean_average_precision/mean",
        "/unseen/mnist-high-to-mnist-low/open-set/few_shot/5/prototype_among_all/mean",
        "/unseen/mnist-all-to-fashion-all/random network/few_shot/1/item_among_unseen/mean",
        "/int8/mnist/best/map_change/mean",
    ] {
        assert!(number(pointer).is_some(), "{pointer}: {first}");
    }
    assert_eq!(first["closed"]["mnist"]["triplet"]["accuracy"], Value::Null);
    assert_eq!(first["closed"]["fashion"]["best"]["classes"].as_array().unwrap().len(), 10);

    let document = text(&bench.read("docs/results.md"));
    assert!(document.contains("Made with `--quick`") && !document.contains("Incomplete"));
    assert!(document.contains("over the seeds 3, ±"), "{document}");
    assert!(!document.contains("{{") && !document.contains("\n\n\n"), "{document}");
    assert!(document.contains("### Trained on Fashion-MNIST 0-4, measured on Fashion-MNIST 5-9"));
    assert!(document.contains("--exclude-classes 5,6,7,8,9 --seed 3 --out a.model"));
    let best = first["closed"]["mnist"]["best"]["mean_average_precision"]["mean"].as_f64().unwrap();
    let figures = |line: &&str| line.starts_with("| best | ") && !line.starts_with("| best | `");
    let row = document.lines().find(figures).unwrap();
    assert!(row.contains(&format!("{best:.4}")), "{row} {best}");
    for link in document.split("](images/").skip(1) {
        let image = link.split(')').next().unwrap();
        let svg = text(&bench.read(&format!("docs/images/{image}")));
        assert!(svg.starts_with("<svg"), "{image}");
    }
    assert_eq!(document.matches("](images/").count(), 4);

    // Nothing is done twice.
    let kept = content(&bench, "work");
    let again = bench.json(&run);
    assert_eq!((&again["models_trained"], &again["models_kept"]), (&json!(0), &json!(RUNS)));
    for part in ["closed", "unseen", "int8"] {
        assert_eq!(first[part], again[part], "{part}");
    }
    assert_eq!(document, text(&bench.read("docs/results.md")));

    // What changed is: other settings, a model that is another, none, damage.
    let name = |run: &str| format!("work/mnist-all-{run}-seed-3");
    let record = text(&bench.read(&format!("{}.json", name("triplet"))));
    let other = record.replacen("\"epochs\": 2", "\"epochs\": 9", 1);
    assert_ne!(other, record);
    bench.write(&format!("{}.json", name("triplet")), other.as_bytes());
    let stranger = bench.read(&format!("{}.model", name("smooth-ap")));
    bench.write(&format!("{}.model", name("semi-hard")), &stranger);
    std::fs::remove_file(bench.path(&format!("{}.model", name("best")))).unwrap();
    bench.write(&format!("{}.json", name("open-set")), b"{\"trained\": 1}");
    bench.write(&format!("{}.model.checkpoint", name("open-set")), b"no checkpoint");
    let output = bench.ok(&format!("{run} --json"));
    let mended: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&mended["models_trained"], &mended["models_kept"]), (&json!(4), &json!(RUNS - 4)));
    let said = text(&output.stderr);
    for wanted in ["open-set-seed-3.json is not a record", "checkpoint: not a checkpoint"] {
        assert!(said.contains(wanted), "{said}");
    }
    assert_same(&kept, &content(&bench, "work"));

    // Other images are other runs.
    let (pixels, labels) = common::images(160, 9);
    bench.write_idx("t10k", &pixels, &labels);
    let report = bench.json(&format!("{run} --report"));
    assert_eq!((&report["models_trained"], &report["models_kept"]), (&json!(0), &json!(RUNS)));
    assert!(report["measurements_missing"].as_u64().unwrap() > RUNS);
    let document = text(&bench.read("docs/results.md"));
    assert!(document.contains("Incomplete"), "{document}");
}

#[test]
fn a_part_is_done_alone() {
    let bench = bench();
    std::fs::create_dir(bench.path("docs")).unwrap();
    let nothing = bench.json(&format!("{RUN} work --seeds 0 --report"));
    assert_eq!((&nothing["models_trained"], &nothing["models_kept"]), (&json!(0), &json!(0)));
    assert_eq!(nothing["closed"]["mnist"]["best"]["mean_average_precision"], Value::Null);

    let int8 = bench.json(&format!("{RUN} work --seeds 0 --only int8"));
    assert_eq!(int8["models_trained"], 2);
    assert!(exists(&bench, "work/mnist-all-best-seed-0.int8.model"));
    // Without the f32 figures there is nothing to compare with.
    assert_eq!(int8["int8"]["mnist"]["best"]["map_change"], Value::Null);
    let closed = bench.json(&format!("{RUN} work --seeds 0,1 --only closed"));
    assert_eq!((&closed["models_trained"], &closed["models_kept"]), (&json!(30), &json!(2)));
    let change = &closed["int8"]["mnist"]["best"]["map_change"];
    assert_eq!((&change["seeds"], &change["standard_deviation"]), (&json!(1), &Value::Null));
    assert_eq!(closed["closed"]["mnist"]["triplet"]["map_at_r"]["seeds"], 2);
    let document = text(&bench.read("docs/results.md"));
    assert!(document.contains("Incomplete") && document.contains(" ± 0."), "{document}");
}

#[test]
fn killed_and_started_again_it_ends_as_undisturbed() {
    let bench = bench();
    for directory in ["docs", "killed"] {
        std::fs::create_dir(bench.path(directory)).unwrap();
    }
    bench.ok(&format!("{RUN} whole --seeds 0 --only closed"));
    let (mut kills, mut interrupts, mut patience) = (0, 0, 60.0);
    loop {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("trainer"))
            .args(RUN.split_whitespace())
            .args(["killed", "--seeds", "0", "--only", "closed", "--threads", "1"])
            .current_dir(bench.path("."))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Ever longer, so that it ends.
        std::thread::sleep(std::time::Duration::from_millis(patience as u64));
        patience *= 1.15;
        if child.try_wait().unwrap().is_some_and(|status| status.success()) {
            break;
        }
        if kills > interrupts {
            // Ctrl-C: either it ends at once, or after the batch in hand.
            let process = child.id().to_string();
            let sent = std::process::Command::new("kill").args(["-INT", &process]).status();
            let ended = child.wait().unwrap();
            assert!(sent.is_err() || ended.code().is_none_or(|code| [0, 130].contains(&code)));
            interrupts += 1;
        } else {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
    }
    println!("killed {kills} times, interrupted {interrupts} times");
    assert!(kills > 0, "never killed");
    assert_same(&content(&bench, "whole"), &content(&bench, "killed"));
}

#[test]
fn what_cannot_be_done_is_said() {
    let bench = bench();
    let run = "results --quick --out docs/results.md --work work";
    for (arguments, code, wanted) in [
        (format!("{run} --data fashion=nowhere"), 1, "nowhere"),
        (format!("{run} --data fashion=data"), 1, "different sizes"),
        (format!("{run} --data clothes=data"), 2, "no data set `clothes`"),
        (format!("{run} --data data"), 2, "expected NAME=D"),
        (format!("{run} --seeds 1,2,1"), 2, "a seed twice"),
        (format!("{run} --only open"), 2, "open"),
        (format!("{run} --only closed --report"), 2, "--report"),
        (format!("{RUN} data/train-labels-idx1-ubyte"), 1, "cannot make the directory"),
    ] {
        let output = bench.trainer(&arguments).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
        assert!(said.contains(wanted), "{arguments}: {said}");
        assert!(!exists(&bench, "docs/results.md"), "{arguments}");
    }
}
