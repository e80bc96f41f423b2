//! `trainer report` from outside: what the page holds, and what is refused.

mod common;

use common::{Bench, SIDE, idx, text};
use image::{Rgb, RgbImage};

/// A bench with a.model, which has learned a little.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.train("a.model", "");
    bench
}

fn page(bench: &Bench, arguments: &str) -> String {
    let output = bench.ok(&format!("report {arguments} --out report.html"));
    assert!(output.stdout.is_empty());
    text(&bench.read("report.html"))
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let bench = bench();
    let run = "a.model --data data --baseline pixels --figures figures";
    let first = page(&bench, &format!("{run} --threads 1"));
    let before = bench.snapshot();
    assert_eq!(page(&bench, &format!("{run} --threads 3")), first);
    assert_eq!(bench.snapshot(), before);
    let figures: Vec<_> = std::fs::read_dir(bench.path("figures")).unwrap().collect();
    assert!(figures.len() >= 8, "{figures:?}");
    // The figures of `evaluate`, of both.
    let found = bench.json("evaluate a.model --data data --baseline pixels");
    for name in ["a", "pixels"] {
        let figures = &found["models"][name];
        let precision = figures["mean_average_precision"].as_f64().unwrap();
        let ends = &figures["confidence_95"]["mean_average_precision"];
        let [low, high] = [0, 1].map(|end| ends[end].as_f64().unwrap());
        assert!(first.contains(&format!("{precision:.4}")), "{name}: {precision}");
        assert!(first.contains(&format!("[{low:.4}, {high:.4}]")), "{name}: {ends}");
    }
    // The curves of training, and what an item takes in each code.
    assert!(
        first.contains("Training of a: loss by epoch") && first.contains("2 epochs: loss from")
    );
    let codes = bench.json("codes a.model --data data");
    assert!(first.contains(&format!(">{}</td>", codes["rows"][0]["bytes_per_item"])));
}

#[test]
fn options_choose_what_is_shown() {
    let bench = bench();
    let chosen = page(&bench, "a.model --data data --query 7,0 --neighbours 3 --no-codes");
    for query in [7, 0] {
        assert!(
            chosen.contains(&format!("alt=\"Query, image {query}: {}\"", query % 3)),
            "{query}"
        );
    }
    assert!(chosen.contains("of 3 right") && chosen.contains("Codes were not measured"));
    let some = page(&bench, "a.model --data data --only-classes 0,2 --resamples 0 --no-codes");
    assert!(some.contains("20 images of 2 classes (data, test, only 0, 2)"));
    assert!(!some.contains("95 % bootstrap"));
    // An int8 model alone has no codes to compare, and no history.
    bench.ok("quantize a.model --data data --project 8 --out a8.model");
    let int8 = page(&bench, "a8.model --data data");
    assert!(int8.contains("int8, fast") && int8.contains("Codes were not measured"));
    assert!(int8.contains("No figures of its training"));
    let both = page(&bench, "a.model a8.model --data data --int8 a8.model");
    assert!(both.contains("its int8 model") && both.contains("int8, projected to 8"));
}

#[test]
fn photos_in_colour_keep_their_names() {
    let bench = Bench::new();
    for (class, colour) in [("cup & saucer", [200, 40, 40]), ("<mug>", [40, 60, 200])] {
        let folder = bench.path(&format!("photos/{class}"));
        std::fs::create_dir_all(&folder).unwrap();
        for i in 0..10u8 {
            let picture = RgbImage::from_fn(48, 40, |x, y| {
                let noise = (x * 7 + y * 13) as u8 % 32 + 2 * i;
                Rgb(colour.map(|value: u8| value + noise))
            });
            picture.save(folder.join(format!("{i}.png"))).unwrap();
        }
    }
    bench.ok(
        "train --loss triplet --data photos --widths 4,4,8 --epochs 2 --batch-size 16 --out a.model",
    );
    let html = page(&bench, "a.model --data photos --split train");
    for name in ["cup &amp; saucer", "&lt;mug&gt;"] {
        assert!(html.contains(name), "{name}");
    }
    assert!(!html.contains("<mug>"));
    assert!(
        html.contains("src=\"data:image/jpeg;base64,") || html.contains("src=\"data:image/png")
    );
}

#[test]
fn a_history_that_is_missing_or_of_another_model_is_left_out() {
    let bench = bench();
    std::fs::rename(bench.path("a.model.history.json"), bench.path("kept")).unwrap();
    let without = page(&bench, "a.model --data data --no-codes");
    assert!(without.contains("No figures of its training"));

    bench.train("b.model", "--seed 5");
    std::fs::copy(bench.path("b.model.history.json"), bench.path("a.model.history.json")).unwrap();
    let output = bench.ok("report a.model --data data --no-codes --out report.html");
    let said = text(&output.stderr);
    assert!(said.contains("a.model.history.json: of another model"), "{said}");
    assert_eq!(text(&bench.read("report.html")), without);

    std::fs::rename(bench.path("kept"), bench.path("a.model.history.json")).unwrap();
    assert!(page(&bench, "a.model --data data --no-codes").contains("loss by epoch"));
}

#[test]
fn the_history_beside_a_model_is_what_training_prints() {
    let bench = bench();
    let whole = bench.read("a.model.history.json");
    let epochs = bench.json(
        "train --loss triplet --data data --widths 4,4,8 --epochs 2 --batch-size 30 --out b.model",
    );
    assert_eq!(bench.read("b.model.history.json"), whole);
    let history: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(history["epochs"], epochs["epochs"]);
    assert_eq!(history["fingerprint"], epochs["fingerprint"]);
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_written() {
    let bench = bench();
    bench.write("damaged.model", &bench.read("a.model")[..100]);
    bench.ok("quantize a.model --data data --project 8 --out a8.model");
    bench.write("b.model", &bench.read("a.model"));
    bench.write("b.model.history.json", b"{\"epochs\": 3}");
    // Images of two channels.
    std::fs::create_dir(bench.path("two")).unwrap();
    let side = SIDE as u32;
    for (split, count) in [("train", 6), ("t10k", 6u32)] {
        let pixels = vec![7; count as usize * 2 * SIDE * SIDE];
        bench.write(
            &format!("two/{split}-images-idx4-ubyte"),
            &idx(&[count, side, side, 2], &pixels),
        );
        bench.write(&format!("two/{split}-labels-idx1-ubyte"), &idx(&[count], &[0, 1, 0, 1, 0, 1]));
    }
    for (arguments, code, says) in [
        ("", 2, "<MODEL>"),
        ("a.model --out r.html --neighbours 0", 2, "--neighbours"),
        ("a.model --out r.html --data data --no-codes --int8 a8.model", 2, "--no-codes"),
        ("a.model --out r.html --data data --query 30", 2, "--query 30: the 30 images"),
        ("a8.model --out r.html --data data --int8 a8.model", 2, "--int8 takes the int8 model"),
        ("a.model --out r.html --data data --int8 a.model", 2, "--int8 takes the int8 model"),
        ("a.model a.model --out r.html --data data", 2, "`a.model` is given twice"),
        ("a.model --out r.html --data data --only-classes 7", 1, "no class `7`"),
        ("missing.model --out r.html --data data", 1, "missing.model: "),
        ("damaged.model --out r.html --data data", 1, "damaged.model: "),
        ("a.model --out r.html --data nowhere", 1, "nowhere"),
        ("a.model --out r.html", 1, "20x20"),
        ("a.model --out r.html --data two", 1, "two"),
        ("b.model --out r.html --data data", 1, "b.model.history.json: not the history"),
        ("a.model --out no/r.html --data data --no-codes", 1, "create its directory first"),
        (
            "a.model --out r.html --data data --no-codes --figures a.model",
            1,
            "a.model: cannot make",
        ),
    ] {
        let before = bench.snapshot();
        let output = bench.trainer(&format!("report {arguments}")).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
        assert!(said.contains(says), "{arguments}: {said}");
        assert!(output.stdout.is_empty(), "{arguments}");
        assert_eq!(bench.snapshot(), before, "{arguments}");
    }
}
