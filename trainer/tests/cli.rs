//! The commands from outside: what they print, write and promise.

mod common;

use common::{Bench, text};
use serde_json::Value;

#[test]
fn wrong_usage_exits_with_2() {
    let bench = Bench::new();
    for arguments in ["train", "train --loss other --out a.model", "evaluate"] {
        let output = bench.trainer(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(output.stdout.is_empty(), "{arguments}");
    }
}

#[test]
fn from_images_to_search_results() {
    let bench = Bench::new();
    let trained = bench.json(
        "train --loss triplet --data data --widths 4,4,8 --epochs 30 --batch-size 30 --out a.model",
    );
    assert_eq!(trained["epochs"].as_array().unwrap().len(), 30);
    assert!(!bench.path("a.model.checkpoint").exists());

    let figures = bench.json("evaluate a.model --data data");
    assert_eq!(figures["images"], 30);
    assert_eq!(figures["queries"], 30);
    assert_eq!(figures["accuracy"], Value::Null);
    assert!(figures["mean_average_precision"].as_f64().unwrap() > 0.9, "{figures}");
    for key in ["map_at_r", "r_precision"] {
        assert!(figures[key].is_f64(), "{key}");
    }
    for k in ["1", "5", "10"] {
        assert!(figures["precision_at"][k].is_f64(), "precision_at {k}");
    }
    assert_eq!(figures["per_class"].as_array().unwrap().len(), 3);
    let interval = &figures["confidence_95"]["mean_average_precision"];
    assert!(interval[0].as_f64() <= figures["mean_average_precision"].as_f64());
    let table = text(&bench.ok("evaluate a.model --data data").stdout);
    assert!(table.contains("mAP") && table.contains("R-precision"), "{table}");

    bench.ok("gallery a.model --data data --out a.gallery --per-class 4");
    let query = image::GrayImage::from_raw(20, 20, common::images(2, 3).0[400..].to_vec()).unwrap();
    query.save(bench.path("query.png")).unwrap();
    let found = bench.json("search a.model --gallery a.gallery query.png -k 3");
    let matches = found["results"][0]["matches"].as_array().unwrap();
    assert_eq!(matches.len(), 3);
    assert!(matches.iter().all(|m| m["label"] == "1"), "{found}");
    let distances: Vec<f64> = matches.iter().map(|m| m["distance"].as_f64().unwrap()).collect();
    assert!(distances.is_sorted());
    assert!(text(&bench.ok("search a.model --gallery a.gallery query.png").stdout).contains('1'));
}

#[test]
fn cross_entropy_has_an_accuracy_and_classes_can_be_left_out() {
    let bench = Bench::new();
    bench.ok(
        "train --loss cross-entropy --data data --widths 4,4,8 --epochs 20 --exclude-classes 2 --batch-size 20 --lr 0.01 --out a.model",
    );
    let seen = bench.json("evaluate a.model --data data --only-classes 0,1");
    assert_eq!(seen["images"], 20);
    assert!(seen["accuracy"].as_f64().unwrap() > 0.9, "{seen}");
    let unseen = bench.json("evaluate a.model --data data --only-classes 2");
    assert_eq!(unseen["accuracy"], 0.0);
    let some = bench.json("evaluate a.model --data data --queries 7");
    assert_eq!(some["queries"], 7);
}

#[test]
fn each_loss_sampler_and_option_trains() {
    let bench = Bench::new();
    let train = |options: &str| {
        bench.json(&format!(
            "train --data data --widths 4,4,8 --epochs 2 --restart --out a.model {options}"
        ))
    };
    for options in [
        "--loss triplet --mining hard --reduction mean-anchor",
        "--loss triplet --mining semi-hard --reduction sum --lr 0.0001",
        "--loss triplet --anchors 10 --margin 0.2 --batches 3x8",
        "--loss triplet --mining hard --margin soft --batches 3x8",
        "--loss smooth-ap --temperature 0.05 --batches 3x8 --schedule one-cycle",
        "--loss cross-entropy --optimizer sgd --momentum 0.9 --nesterov --weight-decay 0.001",
        "--loss cross-entropy --optimizer adamw --weight-decay 0.01 --schedule cosine --ema 0.9",
    ] {
        let summary = train(options);
        assert!(summary["epochs"][1]["loss"].as_f64().unwrap().is_finite(), "{options}");
    }
}

#[test]
fn weights_travel_both_ways_bit_for_bit() {
    let bench = Bench::new();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/weights.safetensors");
    bench.ok(&format!("import {fixture} --out a.model"));
    bench.ok("export a.model --out again.safetensors");
    assert_eq!(std::fs::read(fixture).unwrap(), bench.read("again.safetensors"));
}

#[test]
fn inspect_tells_what_a_file_holds() {
    let bench = Bench::new();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/weights.safetensors");
    bench.ok(&format!("import {fixture} --out a.model"));
    let json = bench.json("inspect a.model");
    assert_eq!(json["kind"], "model");
    assert_eq!(json["parameters"], 30_634);
    assert_eq!(json["multiply_accumulates"], 1_478_272);
    assert_eq!(json["embedding_dimensions"], 256);
    assert!(json["workspace_bytes"].as_u64().unwrap() <= 12 * 1024);
    let boards = json["boards"].as_array().unwrap();
    assert_eq!(boards.len(), 3);
    assert_eq!(boards[0]["static_ram_bytes"], json["workspace_bytes"]);
    assert!(text(&bench.ok("inspect a.model").stdout).contains("30,634"));

    bench.train("b.model", "");
    bench.ok("gallery b.model --data data --out b.gallery");
    let gallery = bench.json("inspect b.gallery");
    assert_eq!(gallery["kind"], "gallery");
    assert_eq!(gallery["items"], 60);
    assert_eq!(gallery["model_fingerprint"], bench.json("inspect b.model")["fingerprint"]);
}

#[test]
fn calibration_is_kept_in_the_model_and_changes_nothing_else() {
    let bench = Bench::new();
    bench.train("a.model", "--exclude-classes 2");
    let before = bench.json("inspect a.model");
    assert_eq!(before["acceptance"], Value::Null);
    let report = bench.json(
        "calibrate a.model --data data --false-accept-rate 0.2 --impostor-classes 2 --shots 3",
    );
    assert_eq!(report["calibration_impostors"], 20);
    assert_eq!(report["enrolled_classes"], serde_json::json!([0, 1]));
    assert_eq!(report["impostors"]["accepted"]["of"], 10);
    assert_eq!(report["strangers"], Value::Null);
    let detected = report["enrolled"]["accepted"]["count"].as_u64();
    assert!(report["enrolled"]["identified"]["count"].as_u64() <= detected);

    let after = bench.json("inspect a.model");
    assert_eq!(after["acceptance"]["threshold"], report["threshold"]);
    assert_eq!(after["acceptance"]["rule"], "nearest item");
    assert_eq!(after["fingerprint"], before["fingerprint"]);
    assert_eq!(after["self_test_images"], 2);

    bench.ok("calibrate a.model --data data --false-accept-rate 0.2 --prototypes --out b.model");
    assert_eq!(bench.json("inspect b.model")["acceptance"]["rule"], "nearest prototype");
    assert_eq!(bench.json("inspect a.model")["acceptance"], after["acceptance"]);
}

#[test]
fn int8_models_are_taken_as_f32_ones_are() {
    let bench = Bench::new();
    bench.ok(
        "train --loss triplet --data data --widths 4,4,8 --epochs 30 --batch-size 30 --out a.model",
    );
    let report = bench.json("quantize a.model --data data --out a8.model --project 8");
    assert_eq!(report["trials"].as_array().unwrap().len(), 9);
    assert_eq!(report["layers"].as_array().unwrap().len(), 3);
    let compact =
        bench.ok("quantize a.model --data data --out compact.model --packing compact --project 8");
    let said = text(&compact.stdout);
    assert!(said.contains("range by max") && said.contains("convolution 3"), "{said}");

    let inspected = bench.json("inspect a8.model");
    assert_eq!((&inspected["encoding"], &inspected["packing"]), (&"int8".into(), &"fast".into()));
    assert_eq!(inspected["coder"]["projected_dimensions"], 8);
    let other = bench.json("inspect compact.model");
    assert_eq!(other["packing"], "compact");
    assert_eq!(other["fingerprint"], inspected["fingerprint"]);
    assert!(other["flash_bytes"].as_u64() < inspected["flash_bytes"].as_u64());
    assert!(text(&bench.ok("inspect a8.model").stdout).contains("int8, packed fast"));

    let [f32, int8, same] = ["a.model", "a8.model", "compact.model"].map(|model| {
        bench.json(&format!("evaluate {model} --data data"))["mean_average_precision"]
            .as_f64()
            .unwrap()
    });
    assert!((f32 - int8).abs() < 0.02, "{f32} {int8}");
    assert_eq!(int8, same);

    bench.ok("embed a8.model --data data --out x.npy");
    let vectors: ndarray::Array2<f32> = ndarray_npy::read_npy(bench.path("x.npy")).unwrap();
    assert_eq!(vectors.dim(), (30, 32));
    for row in vectors.rows() {
        assert!((row.dot(&row) - 1.0).abs() < 1e-5);
    }

    bench.ok("calibrate a8.model --data data --false-accept-rate 0.2 --impostor-classes 2");
    let calibrated = bench.json("inspect a8.model");
    assert!(calibrated["acceptance"]["threshold"].is_f64());
    assert_eq!(calibrated["fingerprint"], inspected["fingerprint"]);
    assert_eq!(calibrated["coder"], inspected["coder"]);
}

#[test]
fn galleries_of_every_code_are_searched() {
    let bench = Bench::new();
    bench.ok(
        "train --loss triplet --data data --widths 4,4,8 --epochs 30 --batch-size 30 --out a.model",
    );
    bench.ok("quantize a.model --data data --out a8.model --project 8");
    let query = image::GrayImage::from_raw(20, 20, common::images(2, 3).0[400..].to_vec()).unwrap();
    query.save(bench.path("query.png")).unwrap();
    for (model, code, bytes) in [
        ("a.model", "f32", 128),
        ("a.model", "u8", 36),
        ("a8.model", "u8", 36),
        ("a8.model", "projected", 12),
        ("a8.model", "binary", 4),
        ("a8.model", "two-stage", 40),
    ] {
        bench.ok(&format!("gallery {model} --data data --out a.gallery --code {code}"));
        let gallery = bench.json("inspect a.gallery");
        assert_eq!((&gallery["code"], &gallery["items"]), (&code.into(), &60.into()));
        assert!(gallery["flash_bytes"].as_u64().unwrap() >= 60 * bytes, "{code}: {gallery}");
        let found = bench.json(&format!("search {model} --gallery a.gallery query.png -k 3"));
        let matches = found["results"][0]["matches"].as_array().unwrap();
        assert_eq!(matches.len(), 3);
        assert!(matches.iter().all(|m| m["label"] == "1"), "{code}: {found}");
    }
    bench.ok("gallery a8.model --data data --out default.gallery");
    assert_eq!(bench.json("inspect default.gallery")["code"], "u8");
}

#[test]
fn codes_that_a_model_does_not_make_are_refused() {
    let bench = Bench::new();
    bench.train("a.model", "");
    bench.ok("quantize a.model --data data --out bits.model --project 0");
    for (arguments, wanted) in [
        ("gallery a.model --data data --out x --code binary", "quantise it first"),
        ("gallery bits.model --data data --out x --code f32", "choose u8"),
        ("gallery bits.model --data data --out x --code projected", "--project"),
        ("quantize bits.model --data data --out x", "quantised already"),
        ("export bits.model --out x.safetensors", "int8"),
        ("search a.model --gallery bits.gallery x.png", "made by another model"),
    ] {
        bench.ok("gallery bits.model --data data --out bits.gallery --code binary");
        let output = bench.trainer(arguments).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {said}");
        assert!(said.contains(wanted), "{arguments}: {said}");
        assert!(!bench.path("x").exists() && !bench.path("x.safetensors").exists(), "{arguments}");
    }
    for arguments in [
        "quantize a.model --data data --out x --project 257",
        "quantize a.model --data data --out x --packing other",
        "codes a.model --data data --int8 a.model",
    ] {
        let output = bench.trainer(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}: {}", text(&output.stderr));
    }
}

#[test]
fn codes_are_compared_in_one_table() {
    let bench = Bench::new();
    bench.ok(
        "train --loss cross-entropy --data data --widths 4,4,8 --epochs 20 --batch-size 20 --lr 0.01 --out a.model",
    );
    bench.ok("quantize a.model --data data --out a8.model --project 8");
    let [f32, int8] = ["a.model", "a8.model"]
        .map(|m| bench.json(&format!("evaluate {m} --data data"))["accuracy"].as_f64().unwrap());
    assert!(f32 > 0.9 && (f32 - int8).abs() < 0.05, "accuracy {f32} {int8}");

    let given = bench.json("codes a.model --int8 a8.model --data data --project 8,16");
    let rows = given["rows"].as_array().unwrap();
    let bytes: Vec<_> = rows.iter().map(|row| row["bytes_per_item"].as_u64().unwrap()).collect();
    assert_eq!(bytes, [128, 128, 36, 12, 20, 4, 40]);
    for row in rows {
        for key in ["mean_average_precision", "map_at_r", "precision_at_1", "recall_at_10"] {
            assert!((0.0..=1.0).contains(&row[key].as_f64().unwrap()), "{row}");
        }
    }
    assert_eq!(rows[0]["recall_at_10"], 1.0);
    assert_eq!(rows[0]["map_drop"], Value::Null);
    // Made anew with the same options it is the same model.
    assert_eq!(given, bench.json("codes a.model --data data --project 8,16"));
    let table = text(&bench.ok("codes a.model --data data --project 8,16").stdout);
    assert!(table.contains("int8, projected to 16") && table.contains("two-stage"), "{table}");
}

#[test]
fn benchmarks_print_one_object() {
    let bench = Bench::new();
    bench.train("a.model", "");
    let run = |work: &str| -> Value {
        let output = bench.ok(&format!("bench {work} --data data --threads 1"));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let evaluated = run("evaluate a.model --images 12");
    assert_eq!(evaluated["images"], 12);
    assert!(evaluated["mean_average_precision"].is_f64());
    let found = run("search a.model");
    assert_eq!((&found["items"], &found["queries"]), (&Value::from(60), &Value::from(30)));
    assert!(run("single a.model")["median_microseconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn embeddings_are_written_as_npy() {
    let bench = Bench::new();
    bench.train("a.model", "");
    bench.ok("embed a.model --data data --split test --out x.npy");
    let vectors: ndarray::Array2<f32> = ndarray_npy::read_npy(bench.path("x.npy")).unwrap();
    let labels: ndarray::Array1<i64> = ndarray_npy::read_npy(bench.path("x.labels.npy")).unwrap();
    assert_eq!(vectors.dim(), (30, 32));
    assert_eq!(labels.to_vec()[..4], [0, 1, 2, 0]);
    for row in vectors.rows() {
        assert!((row.dot(&row) - 1.0).abs() < 1e-5);
    }
}

#[test]
fn one_and_two_threads_give_the_same_bytes() {
    let bench = Bench::new();
    for loss in ["triplet", "cross-entropy", "smooth-ap"] {
        for threads in [1, 2] {
            bench.ok(&format!(
                "train --loss {loss} --data data --widths 4,4,8 --epochs 3 --batch-size 25 --threads {threads} --out {threads}.model"
            ));
        }
        assert_eq!(bench.read("1.model"), bench.read("2.model"), "{loss}");
    }
    let reports = [1, 2].map(|threads| {
        bench.json(&format!(
            "quantize 1.model --data data --seed 7 --threads {threads} --out {threads}.int8.model"
        ))
    });
    assert_eq!(reports[0], reports[1]);
    assert_eq!(bench.read("1.int8.model"), bench.read("2.int8.model"));
}

#[test]
fn a_run_that_is_killed_and_resumed_ends_with_the_same_bytes() {
    let bench = Bench::new();
    let run = "train --loss triplet --data data --widths 8,8,16 --epochs 300 --optimizer adam --schedule cosine --ema 0.99 --batches 3x6";
    bench.ok(&format!("{run} --out whole.model"));
    let mut kills = 0;
    loop {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("trainer"))
            .args(run.split_whitespace())
            .args(["--out", "killed.model", "--resume"])
            .current_dir(bench.path("."))
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(25 + 15 * (kills % 8) + 2 * kills));
        if child.try_wait().unwrap().is_some_and(|status| status.success()) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        assert!(kills < 500, "no progress");
    }
    println!("killed {kills} times");
    assert!(kills > 0, "never killed");
    assert_eq!(bench.read("whole.model"), bench.read("killed.model"));
    assert!(!bench.path("killed.model.checkpoint").exists());
}

#[test]
fn another_run_s_checkpoint_is_refused() {
    let bench = Bench::new();
    bench.train("a.model", "");
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("trainer"))
        .args("train --loss triplet --data data --epochs 100000 --out b.model".split(' '))
        .current_dir(bench.path("."))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !bench.path("b.model.checkpoint").exists() {
        assert!(child.try_wait().unwrap().is_none(), "ended without a checkpoint");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = bench.read("b.model.checkpoint");
    let output = bench
        .trainer("train --loss triplet --data data --epochs 7 --out b.model --resume")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("b.model.checkpoint") && said.contains("other settings"), "{said}");
    assert_eq!(bench.read("b.model.checkpoint"), before);
}
