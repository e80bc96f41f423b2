//! `trainer train`, killed at any moment and resumed, ends with the bytes of a
//! run that nothing disturbed.

use std::time::{Duration, Instant};

use lookalike_trainer::rng::{Purpose, stream};
use rand::RngExt;

use super::common::Bench;
use super::run::{Run, names, was_killed};

const EPOCHS: usize = 30;
const TRAIN: &str = "train --loss cross-entropy,triplet --data data --widths 4,4,8 --epochs 30 \
                     --batches 3x2 --ema 0.9 --threads 1 --quiet --out";

#[test]
fn killed_at_random_moments_a_run_ends_as_undisturbed() {
    kill(10, 1);
}

#[test]
#[ignore = "takes a minute or two"]
fn killed_at_a_hundred_random_moments_a_run_ends_as_undisturbed() {
    kill(100, 2);
}

/// Every second kill comes at a time drawn from the run's duration, the others
/// the moment that a temporary file is seen.
fn kill(wanted: usize, seed: u64) {
    let bench = Bench::new();
    let started = Instant::now();
    bench.ok(&format!("{TRAIN} whole.model"));
    let duration = started.elapsed();
    let expected = bench.read("whole.model");
    let settings = bench.read("whole.model.toml");
    let undisturbed = names(&bench.path(""));

    let mut random = stream(seed, Purpose::Selection, 0);
    let (mut kills, mut in_writes, mut in_model, mut ends) = (0, 0, 0, 0);
    let run = format!("{TRAIN} killed.model --resume");
    while kills < wanted {
        let mut child = Run::start(&bench, &run);
        let temporary = |name: &String| name.ends_with(".tmp");
        if kills % 2 == 0 {
            let share: f64 = random.random();
            std::thread::sleep(Duration::from_secs_f64(share * duration.as_secs_f64()));
        } else {
            let (mut seen, mut skipped) = (Vec::new(), random.random_range(0..EPOCHS));
            while !child.has_ended() {
                let new = names(&bench.path("")).into_iter().filter(temporary);
                let new: Vec<_> = new.filter(|name| !seen.contains(name)).collect();
                if !new.is_empty() {
                    if skipped == 0 {
                        break;
                    }
                    skipped -= 1;
                    seen.extend(new);
                }
            }
        }
        child.kill();
        let output = child.wait();
        if was_killed(output.status) {
            kills += 1;
            let left: Vec<_> = names(&bench.path("")).into_iter().filter(temporary).collect();
            in_writes += usize::from(!left.is_empty());
            in_model += usize::from(left.iter().any(|name| !name.contains("checkpoint")));
            continue;
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        ends += 1;
        assert!(bench.read("killed.model") == expected, "after {kills} kills");
        for name in ["killed.model", "killed.model.history.json", "killed.model.toml"] {
            std::fs::remove_file(bench.path(name)).unwrap();
        }
    }
    bench.ok(&run);
    assert!(bench.read("killed.model") == expected);
    assert_eq!(bench.read("killed.model.toml"), settings);
    assert_eq!(bench.read("killed.model.history.json"), bench.read("whole.model.history.json"));
    // Nothing else: no lock, no checkpoint, no temporary file.
    let mut all = undisturbed;
    all.extend(
        ["killed.model", "killed.model.history.json", "killed.model.toml"].map(String::from),
    );
    all.sort();
    assert_eq!(names(&bench.path("")), all);
    println!(
        "{kills} kills, {in_writes} of them in the middle of a write ({in_model} of the model or \
         its settings); {ends} runs came to their end between them"
    );
    assert!(in_writes > 0, "no kill hit a write");
}
