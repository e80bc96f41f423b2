//! `trainer evaluate` from outside: baselines, several models, few shots.

mod common;

use common::{Bench, text};
use serde_json::{Value, json};

/// A bench with a model that never saw class 2.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.ok(
        "train --loss cross-entropy --data data --widths 4,4,8 --epochs 20 --batch-size 20 --lr 0.01 --exclude-classes 2 --out a.model",
    );
    bench
}

#[track_caller]
fn number(json: &Value, pointer: &str) -> f64 {
    json.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {pointer}: {json}"))
}

#[test]
fn baselines_are_measured_as_models_are() {
    let bench = Bench::new();
    let pixels = bench.json("evaluate --baseline pixels --data data");
    assert_eq!((&pixels["images"], &pixels["accuracy"]), (&json!(30), &Value::Null));
    assert!(number(&pixels, "/mean_average_precision") > 0.9, "{pixels}");
    let random =
        |seed| bench.json(&format!("evaluate --baseline random --data data --seed {seed}"));
    assert!(number(&random(1), "/mean_average_precision") > 0.3);
    assert_ne!(random(1)["mean_positive_distance"], random(2)["mean_positive_distance"]);

    let some = bench.json("evaluate --baseline pixels --data data --only-classes 0,1");
    assert_eq!(some["images"], 20);
    let output = bench.trainer("evaluate --baseline other --data data").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn several_models_stand_side_by_side() {
    let bench = bench();
    std::fs::create_dir(bench.path("other")).unwrap();
    bench.ok("quantize a.model --data data --out other/a.model");
    let run = "evaluate a.model other/a.model --data data --baseline pixels --baseline hog --baseline random";
    let found = bench.json(&format!("{run} --plot curves.svg"));
    let models = found["models"].as_object().unwrap();
    let names: Vec<_> = models.keys().map(String::as_str).collect();
    assert_eq!(names, ["a.model", "hog", "other/a.model", "pixels", "random"]);
    assert_eq!(models["a.model"], bench.json("evaluate a.model --data data"));
    let svg = text(&bench.read("curves.svg"));
    for name in names {
        assert!(svg.contains(&format!("{name}, mAP ")), "{name}");
    }
    let table = text(&bench.ok(&format!("{run} --per-class")).stdout);
    let heading = table.lines().find(|line| line.starts_with("class ")).unwrap();
    assert!(heading.contains("a.model: mAP") && heading.contains("pixels: precision@1"));
    let row = table.lines().find(|line| line.starts_with("2   ")).unwrap();
    let of_class = models["pixels"]["per_class"][2]["mean_average_precision"].as_f64().unwrap();
    assert!(row.contains(&format!("{of_class:.4}")), "{row}");
}

#[test]
fn splits_of_the_training_images_can_be_measured() {
    let bench = bench();
    let images = |split: &str| {
        bench.json(&format!("evaluate a.model --data data --split {split}"))["images"].clone()
    };
    // Three classes of 20: three images of each are for validation.
    assert_eq!(["train", "fit", "validation", "test"].map(images), [60, 51, 9, 30]);
}

#[test]
fn few_shots_of_an_unseen_class_are_recognised() {
    let bench = bench();
    let run =
        "evaluate a.model --data data --few-shot --unseen 2 --seen-items 5 --shots 1,5 --draws 20";
    let found = bench.json(run);
    assert_eq!(found["unseen_classes"], json!([2]));
    assert_eq!(found["seen_classes"], json!([0, 1]));
    assert_eq!((&found["unseen_queries"], &found["queries"]), (&json!(10), &json!(30)));
    for (place, shots) in [1, 5].into_iter().enumerate() {
        let row = &found["shots"][place];
        assert_eq!((&row["shots"], &row["seen_items"]), (&json!(shots), &json!(5)));
        for rule in ["nearest_item", "nearest_prototype"] {
            // Nothing else is there to take it for.
            assert_eq!(number(row, &format!("/{rule}/among_unseen/mean")), 1.0);
            for figure in ["among_all", "all_queries"] {
                let mean = number(row, &format!("/{rule}/{figure}/mean"));
                let low = number(row, &format!("/{rule}/{figure}/confidence_95/0"));
                let lowest = number(row, &format!("/{rule}/{figure}/draws_95/0"));
                assert!(lowest <= mean && low <= mean && mean <= 1.0, "{row}");
            }
        }
    }
    assert!(number(&found, "/shots/1/nearest_item/all_queries/mean") > 0.8, "{found}");
    for threads in [1, 3] {
        assert_eq!(found, bench.json(&format!("{run} --threads {threads}")));
    }

    let table = text(&bench.ok(run).stdout);
    let row = "    5          5  prototype  all     all (3)";
    assert!(table.contains(row) && table.contains("95 % of draws"), "{table}");
}

#[test]
fn few_shots_of_all_classes_baselines_and_validation() {
    let bench = bench();
    let found = bench.json(
        "evaluate a.model --baseline pixels --data data --few-shot --only-classes 1,2 --split validation --shots 2",
    );
    for name in ["a", "pixels"] {
        let of = &found["models"][name];
        assert_eq!((&of["unseen_classes"], &of["seen_classes"]), (&json!([1, 2]), &json!([])));
        assert_eq!(of["unseen_queries"], of["queries"]);
        let rule = &of["shots"][0]["nearest_item"];
        assert_eq!(rule["among_unseen"], rule["among_all"]);
    }
    assert!(number(&found, "/models/pixels/shots/0/nearest_item/among_all/mean") > 0.9);
    bench.ok("quantize a.model --data data --out a8.model");
    let int8 = bench.json("evaluate a8.model --data data --few-shot --unseen 2 --shots 5");
    assert!(number(&int8, "/shots/0/nearest_item/all_queries/mean") > 0.8, "{int8}");
    let table = text(&bench.ok("evaluate --baseline pixels --data data --few-shot").stdout);
    assert!(table.contains("unseen (3)") && !table.contains("all (3)"), "{table}");
}

#[test]
fn what_few_shots_cannot_be_is_said() {
    let bench = bench();
    let run = "evaluate a.model --data data --few-shot";
    for (arguments, code, wanted) in [
        (format!("{run} --unseen 2 --seen-items 21"), 1, "class 0 has 20 images"),
        (format!("{run} --unseen 2 --shots 1,21 --seen-items 1"), 1, "class 2 has 20 images"),
        (format!("{run} --unseen 9"), 1, "no class `9`"),
        (format!("{run} --only-classes 1"), 1, "at least two must be enrolled"),
        (format!("{run} --split train"), 2, "--split test or validation, not train"),
        (format!("{run} --shots 0"), 2, "--shots"),
        (format!("{run} --seen-items none"), 2, "expected `shots` or a number above 0"),
        (format!("{run} --plot x.svg"), 2, "--plot"),
        ("evaluate a.model a.model --data data".into(), 2, "`a.model` is given twice"),
        ("evaluate a.model --data data --unseen 2".into(), 2, "--few-shot"),
    ] {
        let output = bench.trainer(&arguments).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
        assert!(said.contains(wanted), "{arguments}: {said}");
        assert!(output.stdout.is_empty(), "{arguments}");
    }
}
