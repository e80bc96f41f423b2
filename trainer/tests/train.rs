//! `trainer train` from outside: where options come from, and what every one of
//! them leaves reproducible.

mod common;

use common::{Bench, text};

const SMALL: &str = "--data data --widths 4,4,8 --epochs 3 --batch-size 20";

#[test]
fn no_option_makes_a_result_depend_on_threads() {
    let bench = Bench::new();
    for options in [
        "--loss cross-entropy,triplet --batch-norm --margin soft --mining hard --label-smoothing 0.1",
        "--loss cosine-softmax,supervised-contrastive --shift 2 --rotate 10 --scale 0.1 --flip",
        "--loss cosine-softmax --mixup --batch-norm --quarter-turns --mirror --slant 20 --erase 0.3",
        "--loss cross-entropy --mixup --teacher hog,plain --teacher-weight 5 --ema 0.9 --schedule one-cycle",
    ] {
        for threads in [1, 2] {
            let run = format!("train {options} {SMALL} --threads {threads}");
            bench.ok(&format!("{run} --out {threads}.model"));
        }
        assert_eq!(bench.read("1.model"), bench.read("2.model"), "{options}");
        bench.ok("evaluate 1.model --data data --resamples 0");
    }
}

#[test]
fn an_interrupted_run_with_every_part_of_the_state_goes_on() {
    let bench = Bench::new();
    let run =
        "train --recipe open-set --data data --widths 4,4,8 --batch-size 16 --ema 0.9 --shift 1";
    bench.ok(&format!("{run} --epochs 4 --out whole.model"));
    // Stopped while it writes the model, whose place is taken by a directory.
    std::fs::create_dir(bench.path("stopped.model")).unwrap();
    let output = bench.trainer(&format!("{run} --epochs 4 --out stopped.model")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    std::fs::remove_dir(bench.path("stopped.model")).unwrap();
    let said = bench.ok(&format!("{run} --epochs 4 --out stopped.model --resume")).stderr;
    assert!(text(&said).contains("going on after epoch 4"), "{}", text(&said));
    assert_eq!(bench.read("whole.model"), bench.read("stopped.model"));
}

#[test]
fn a_teacher_goes_on_where_it_was_stopped_and_leaves_nothing() {
    let bench = Bench::new();
    let common = "--data data --widths 4,4,8 --epochs 3 --batch-norm false";
    let run = format!("train --recipe open-set --teacher hog,plain --batch-size 16 {common}");
    bench.ok(&format!("{run} --out whole.model"));
    let left =
        bench.snapshot().into_keys().find(|path| path.display().to_string().contains("checkpoint"));
    assert_eq!(left, None);
    // The teacher's own run, stopped at its end.
    let plain = "train --loss cross-entropy --optimizer sgd --momentum 0.9";
    std::fs::create_dir(bench.path("plain.model")).unwrap();
    let output = bench.trainer(&format!("{plain} {common} --out plain.model")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let checkpoint = bench.read("plain.model.checkpoint");
    let stopped = "stopped.model.plain.checkpoint";
    bench.write(stopped, &checkpoint);
    let refused = bench.trainer(&format!("{run} --out stopped.model")).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains(&format!("{stopped} is the checkpoint of")));
    let said = text(&bench.ok(&format!("{run} --out stopped.model --resume")).stderr);
    assert!(said.contains("going on after epoch 3"), "{said}");
    assert_eq!(bench.read("stopped.model"), bench.read("whole.model"));
    assert!(!bench.path(stopped).exists());

    // One of other settings is refused, and nothing of it lost, unless told to.
    bench.write(stopped, &checkpoint);
    let other = format!("{run} --seed 1 --out stopped.model --resume");
    let refused = text(&bench.trainer(&other).output().unwrap().stderr);
    assert!(refused.contains(&format!("{stopped} is of a run with other settings")), "{refused}");
    assert_eq!(bench.read(stopped), checkpoint);
    let said = text(&bench.ok(&format!("{run} --out stopped.model --restart")).stderr);
    assert!(said.contains("training the teacher `plain` first"), "{said}");
    assert_eq!(bench.read("stopped.model"), bench.read("whole.model"));
}

#[test]
fn models_teach() {
    let bench = Bench::new();
    bench.train("a.model", "");
    bench.train("b.model", "--seed 1");
    let run = format!("train --loss cross-entropy {SMALL}");
    let taught = |by: &str| {
        bench.ok(&format!("{run} --teacher {by} --out taught.model"));
        bench.read("taught.model")
    };
    assert_ne!(taught("a.model"), taught("b.model"));
    assert_ne!(taught("a.model"), taught("a.model,hog"));
    assert_eq!(taught("a.model,b.model"), taught("a.model,b.model"));
    bench.ok(&format!("{run} --out untaught.model"));
    assert_ne!(taught("untaught"), bench.read("untaught.model"));
    assert_eq!(taught("untaught"), taught("untaught.model"));
    assert_eq!(taught("hog --teacher-weight 0"), bench.read("untaught.model"));

    bench.ok("quantize a.model --data data --out int8.model");
    bench.write("large.toml", b"input = '24x24'\nloss = ['triplet']\nwidths = [2, 2, 2]");
    bench.ok("unpack --data data --out pictures");
    bench.ok("train --config large.toml --data pictures --epochs 1 --out large.model");
    for (teacher, needle) in [
        ("int8.model", "int8.model is an integer model"),
        ("missing.model", "missing.model"),
        ("large.model", "a teacher takes images of another size"),
    ] {
        let output =
            bench.trainer(&format!("{run} --teacher {teacher} --out c.model")).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{teacher}");
        assert!(text(&output.stderr).contains(needle), "{}", text(&output.stderr));
        assert!(!bench.path("c.model").exists());
    }
}

#[test]
fn options_come_from_line_file_recipe_and_defaults_in_this_order() {
    let bench = Bench::new();
    bench.write("run.toml", b"epochs = 2\nlr = 0.5\nbatch-size = 10\nwidths = [4, 4, 8]\n");
    let run = "train --recipe best --config run.toml --data data --lr 0.25 --out a.model";
    let settings = &bench.json(run)["settings"];
    // From the line, the file, the recipe, and a default.
    assert_eq!(settings["lr"], 0.25);
    assert_eq!(settings["epochs"], 2);
    assert_eq!(settings["batch_norm"], true);
    assert_eq!(settings["seed"], 0);

    // What was used lies beside the model, and makes the same one.
    let used = text(&bench.read("a.model.toml"));
    assert!(used.contains("lr = 0.25") && used.contains("batch-norm = true"), "{used}");
    bench.ok("train --config a.model.toml --data data --out b.model");
    assert_eq!(bench.read("a.model"), bench.read("b.model"));
    bench.ok("train --config a.model.toml --batch-norm false --data data --out c.model");
    assert_ne!(bench.read("a.model"), bench.read("c.model"));
}

#[test]
fn a_file_of_options_that_is_wrong_is_refused_with_its_line() {
    let bench = Bench::new();
    let before = bench.snapshot();
    for (content, needle) in [
        ("epochs = 3\nbath-norm = true\n", "line 2"),
        ("loss = [\"triplet\"]\nepochs = \"many\"\n", "line 2"),
        ("batches = \"5by5\"\n", "PxK"),
        ("epochs = \n", "line 1"),
    ] {
        bench.write("run.toml", content.as_bytes());
        let run = "train --config run.toml --data data --out a.model";
        let output = bench.trainer(run).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("run.toml") && said.contains(needle), "{said}");
    }
    std::fs::remove_file(bench.path("run.toml")).unwrap();
    let output = bench.trainer("train --config run.toml --out a.model").output().unwrap();
    assert!(text(&output.stderr).contains("run.toml"));
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn options_that_contradict_each_other_are_wrong_usage() {
    let bench = Bench::new();
    for (options, needle) in [
        ("", "--loss"),
        ("--loss triplet,smooth-ap", "one loss"),
        ("--loss cross-entropy,cosine-softmax", "one loss"),
        ("--loss cross-entropy --margin 0.2", "--margin goes with"),
        ("--loss cross-entropy --temperature 0.2", "--temperature goes with"),
        ("--loss cross-entropy --pair-weight 2", "--pair-weight goes with"),
        ("--loss cross-entropy --cosine-scale 2", "--cosine-scale goes with"),
        ("--loss triplet --label-smoothing 0.1", "--label-smoothing goes with"),
        ("--loss triplet --mixup", "mixup goes with"),
        ("--loss cross-entropy --label-smoothing 1", "label smoothing"),
        ("--loss cosine-softmax --cosine-margin=-1", "margin of cosines"),
        ("--loss cross-entropy --slant 80", "slant"),
        ("--loss cross-entropy --teacher hog --teacher-weight=-1", "the weight of teachers"),
        ("--loss cross-entropy --teacher-weight 2", "--teacher-weight goes with"),
        ("--loss cross-entropy --rotate 200", "rotation"),
        ("--loss triplet --margin hard", "soft"),
        ("--loss cross-entropy --batches 3x6 --batch-size 9", "--batch-size goes with"),
    ] {
        let run = format!("train {options} --data data --out a.model");
        let output = bench.trainer(&run).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options}: {said}");
        assert!(said.contains(needle), "{options}: {said}");
        assert!(!bench.path("a.model").exists());
    }
}

#[test]
fn a_warm_start_begins_where_the_other_run_ended() {
    let bench = Bench::new();
    bench.train("a.model", "");
    let run = "train --loss smooth-ap --data data --epochs 1";
    bench.ok(&format!("{run} --widths 4,4,8 --init a.model --lr 1e-30 --out same.model"));
    let vectors = |model: &str| {
        bench.ok(&format!("embed {model} --data data --out {model}.npy"));
        bench.read(&format!("{model}.npy"))
    };
    assert_eq!(vectors("a.model"), vectors("same.model"));

    for (options, needle) in [
        ("--widths 4,4,9 --init a.model", "--widths and --grid"),
        ("--widths 4,4,8 --init a.model --batch-norm", "without batch normalisation"),
        ("--widths 4,4,8 --init missing.model", "missing.model"),
    ] {
        let output = bench.trainer(&format!("{run} {options} --out b.model")).output().unwrap();
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(needle), "{options}: {said}");
    }
    bench.ok("quantize a.model --data data --out a.int8.model");
    let run = "train --loss smooth-ap --data data --init a.int8.model --out b.model";
    let said = text(&bench.trainer(run).output().unwrap().stderr);
    assert!(said.contains("integer model"), "{said}");
}

#[test]
fn a_collapsed_run_is_warned_of_with_advice() {
    let bench = Bench::new();
    // Steps so large that every activation dies.
    let run = "train --loss triplet --mining hard --data data --widths 4,4,8 --epochs 5 --optimizer sgd --lr 20 --out a.model";
    let output = bench.trainer(run).output().unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("collapsed") && said.contains("--batch-norm"), "{said}");
}
