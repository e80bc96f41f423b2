//! Data of one's own: folders of pictures through every command.

mod common;

use std::fs;
use std::path::Path;

use common::{Bench, images, text};
use image::{Rgb, RgbImage};
use serde_json::Value;

/// Names of the three classes of `common`, not in their order.
const NAMES: [&str; 3] = ["ring", "block", "bar"];
/// A run that tells them apart.
const TRAIN: &str =
    "train --loss triplet --data photos --widths 4,4,8 --epochs 30 --batch-size 30 --out a.model";

/// Colours of about the same brightness.
const COLOURS: [[u8; 3]; 3] = [[220, 70, 60], [40, 120, 60], [60, 92, 250]];

/// Pictures of 80x60 in colour: what `common` has, stretched.
fn photos(bench: &Bench, folder: &str, count: usize, seed: u64) {
    let (pixels, labels) = images(count, seed);
    for (i, (pixels, label)) in pixels.chunks_exact(400).zip(labels).enumerate() {
        let path = bench.path(&format!("{folder}/{}", NAMES[usize::from(label)]));
        fs::create_dir_all(&path).unwrap();
        let picture = RgbImage::from_fn(80, 60, |x, y| {
            let (column, row) = ((x / 4) as usize, (y / 3) as usize);
            Rgb([pixels[row * 20 + column]; 3])
        });
        let extension = ["png", "jpg", "bmp"][i % 3];
        picture.save(path.join(format!("{i:03}.{extension}"))).unwrap();
    }
}

/// A bench with 60 pictures in `photos`.
fn bench() -> Bench {
    let bench = Bench::new();
    photos(&bench, "photos", 60, 1);
    bench
}

fn labels(found: &Value) -> Vec<&str> {
    let matches = found["results"][0]["matches"].as_array().unwrap();
    matches.iter().map(|item| item["label"].as_str().unwrap()).collect()
}

#[test]
fn class_names_are_kept_everywhere() {
    let bench = bench();
    bench.ok(TRAIN);
    assert_eq!(bench.json("inspect a.model")["input"], "32x32x3");
    let figures = bench.json("evaluate a.model --data photos");
    assert_eq!(figures["images"], 12);
    let per_class: Vec<&str> = figures["per_class"]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| class["class"].as_str().unwrap())
        .collect();
    assert_eq!(per_class, ["bar", "block", "ring"]);
    assert!(figures["mean_average_precision"].as_f64().unwrap() > 0.9, "{figures}");

    bench.ok("quantize a.model --data photos --out a8.model --project 8");
    for model in ["a.model", "a8.model"] {
        bench.ok(&format!("gallery {model} --data photos --out a.gallery --per-class 4"));
        let gallery = bench.json("inspect a.gallery");
        let names: Vec<&Value> =
            gallery["labels"].as_array().unwrap().iter().map(|label| &label["label"]).collect();
        assert_eq!(names, ["bar", "block", "ring"]);
        let query = fs::read_dir(bench.path("photos/block")).unwrap().next().unwrap().unwrap();
        bench.write("query", &fs::read(query.path()).unwrap());
        let found = bench.json(&format!("search {model} --gallery a.gallery query -k 3"));
        assert_eq!(labels(&found), ["block"; 3]);
    }
    let calibrated = "calibrate a8.model --data photos --false-accept-rate 0.2 --shots 3";
    let report = bench.json(&format!("{calibrated} --impostor-classes ring"));
    assert_eq!(report["class_names"], serde_json::json!(["bar", "block", "ring"]));
    assert_eq!(report["impostor_classes"], serde_json::json!([2]));
    let said = text(&bench.ok(&format!("{calibrated} --impostor-classes ring")).stdout);
    assert!(said.contains("classes bar,block") && said.contains("classes ring"), "{said}");

    bench.ok(
        "train --loss cross-entropy --data photos --exclude-classes ring --widths 4,4,8 --epochs 20 --lr 0.01 --out c.model",
    );
    let classifier = bench.json("inspect c.model");
    assert_eq!(classifier["class_names"], serde_json::json!(["bar", "block", "ring"]));
    assert!(text(&bench.ok("inspect c.model").stdout).contains("classes: bar, block, ring"));
    let of_two = bench.json("evaluate c.model --data photos --only-classes bar,block");
    assert!(of_two["accuracy"].as_f64().unwrap() > 0.9, "{of_two}");
    let few = "evaluate a.model --data photos --few-shot --unseen ring --shots 2 --seen-items 5 --draws 5";
    assert!(text(&bench.ok(few).stdout).contains("unseen classes ring;"));
}

/// A folder that lacks a class must not shift the numbers of the others.
#[test]
fn a_models_classes_keep_their_numbers() {
    let bench = bench();
    bench.ok(
        "train --loss cross-entropy --data photos --widths 4,4,8 --epochs 30 --lr 0.01 --out a.model",
    );
    photos(&bench, "others/test", 30, 5);
    fs::remove_dir_all(bench.path("others/test/bar")).unwrap();
    let figures = bench.json("evaluate a.model --data others");
    assert_eq!(figures["images"], 20);
    assert!(figures["accuracy"].as_f64().unwrap() > 0.9, "{figures}");
}

#[test]
fn unreadable_files_are_skipped_only_if_asked() {
    let bench = bench();
    bench.write("photos/bar/notes.txt", b"not a picture");
    bench.write("photos/ring/cut.png", b"\x89PNG\r\n\x1a\n");
    let before = bench.snapshot();
    let output = bench.trainer(TRAIN).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for wanted in ["notes.txt: not a PNG", "cut.png: cannot decode", "--skip-unreadable"] {
        assert!(said.contains(wanted), "{said}");
    }
    assert_eq!(bench.snapshot(), before);
    let said = text(&bench.ok(&format!("{TRAIN} --skip-unreadable")).stderr);
    assert!(said.contains("skipped photos/bar/notes.txt: not a PNG"), "{said}");
}

#[test]
fn the_same_pictures_give_the_same_model_in_any_order_and_on_any_threads() {
    let [first, second] = [bench(), Bench::new()];
    // The same files, made in another order.
    let mut files: Vec<_> = first
        .snapshot()
        .into_iter()
        .filter(|(path, _)| path.components().any(|part| part.as_os_str() == "photos"))
        .collect();
    files.reverse();
    for (path, bytes) in files {
        let path = second.path(path.strip_prefix(first.path("")).unwrap().to_str().unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    for (bench, threads) in [(&first, 1), (&second, 2)] {
        bench.ok(&format!("{TRAIN} --threads {threads}"));
    }
    assert_eq!(first.read("a.model"), second.read("a.model"));
}

#[test]
fn options_of_pictures_are_refused_elsewhere() {
    let bench = bench();
    bench.train("good.model", "");
    for (arguments, code, says) in [
        ("train --loss triplet --data data --test-fraction 0.3 --out x", 2, "--test-fraction"),
        ("train --loss triplet --data photos --test-fraction 1 --out x", 2, "below 1"),
        ("train --loss triplet --data data --input 32x32x1 --out x", 1, "20x20x1"),
        ("train --loss triplet --data photos --input 32 --out x", 2, "32x32x3"),
        ("train --loss triplet --data photos --input 10x32x3 --out x", 2, "18 to 1024"),
        ("train --loss triplet --data photos --input 32x32x2 --out x", 1, "2 channels"),
        ("train --loss triplet --data photos --exclude-classes cup --out x", 1, "no class `cup`"),
        ("train --loss triplet --data photos --fit flash=9K --out x", 2, "no network fits"),
        ("train --loss triplet --data photos --fit rom=9K --out x", 2, "flash=64K"),
        ("train --loss triplet --data photos --fit ram=9K --widths 4,4,8 --out x", 2, "--widths"),
        ("unpack --data photos --out photos", 1, "holds something already"),
        ("unpack --data data --class-names a,b --out x", 2, "2 names for 3 classes"),
        ("unpack --data data --class-names a,b/c,d --out x", 1, "b/c"),
        ("evaluate good.model", 1, "20x20x1"),
    ] {
        let before = bench.snapshot();
        let output = bench.trainer(arguments).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
        assert!(said.contains(says), "{arguments}: {said}");
        assert!(output.stdout.is_empty(), "{arguments}");
        assert_eq!(bench.snapshot(), before, "{arguments}");
    }
}

/// With the colours alone three classes of one form are told apart; in grey
/// they are not.
#[test]
fn colours_are_seen() {
    let bench = Bench::new();
    let (pixels, _) = images(90, 3);
    for (i, pixels) in pixels.chunks_exact(1200).enumerate() {
        for (class, colour) in COLOURS.into_iter().enumerate() {
            let path = bench.path(&format!("photos/{class}"));
            fs::create_dir_all(&path).unwrap();
            let picture = RgbImage::from_fn(30, 30, |x, y| {
                let noise = pixels[(y * 30 + x) as usize] % 64;
                let inside = x.abs_diff(15) + y.abs_diff(15) < 10;
                Rgb(colour.map(|value| if inside { value } else { 100 } / 2 + noise))
            });
            picture.save(path.join(format!("{i}.png"))).unwrap();
        }
    }
    let map = |input: &str| {
        bench.ok(&format!("{TRAIN} --restart --input {input}"));
        bench.ok("quantize a.model --data photos --out a8.model --project 8");
        assert_eq!(bench.json("inspect a8.model")["input"], input);
        let figures = bench.json("evaluate a8.model --data photos");
        figures["mean_average_precision"].as_f64().unwrap()
    };
    let [colour, grey] = ["20x20x3", "20x20x1"].map(map);
    assert!(colour > 0.95 && grey < 0.8, "{colour} {grey}");
}

#[test]
fn costs_are_told_before_training_and_are_those_of_the_files() {
    let bench = bench();
    let fit = "flash=56K,ram=8K";
    let family = bench.json(&format!("family --input 24x24x3 --fit {fit}"));
    let largest = &family["largest"];
    assert_eq!(largest["fits"], true);
    let said = text(
        &bench
            .ok(&format!(
                "train --loss triplet --data photos --input 24x24x3 --fit {fit} --epochs 1 --out a.model"
            ))
            .stderr,
    );
    let epoch = said.find("epoch").unwrap();
    let widths: Vec<String> =
        largest["widths"].as_array().unwrap().iter().map(Value::to_string).collect();
    let widths = widths.join(",");
    assert!(said[..epoch].contains(&format!("widths {widths}, grid 2")), "{said}");
    let toml = text(&bench.read("a.model.toml"));
    assert!(!toml.contains("fit") && toml.contains("input = \"24x24x3\""), "{toml}");

    let cost = |deployment: &str| {
        let costs = largest["costs"].as_array().unwrap();
        costs.iter().find(|cost| cost["deployment"] == deployment).unwrap().clone()
    };
    let length = |name: &str| fs::metadata(bench.path(name)).unwrap().len();
    // No threshold yet, which takes 9 bytes and may shift the rest to the next
    // multiple of 16; an integer model's coder may have no thresholds of bits.
    let slack = 9 + 16;
    let planned = cost("f32")["model_bytes"].as_u64().unwrap();
    assert!((planned - slack..=planned).contains(&length("a.model")), "{planned}");
    for packing in ["compact", "fast"] {
        bench.ok(&format!("quantize a.model --data photos --packing {packing} --out a8.model"));
        let planned = cost(packing)["model_bytes"].as_u64().unwrap();
        let thresholds = 2 * largest["embedding_dimensions"].as_u64().unwrap();
        let len = length("a8.model");
        assert!((planned - thresholds - slack..=planned).contains(&len), "{planned} {len}");
        let workspace = bench.json("inspect a8.model")["workspace_bytes"].clone();
        assert_eq!(workspace, cost(packing)["workspace_bytes"]);
    }
    let table = text(&bench.ok(&format!("family --fit {fit}")).stdout);
    assert!(table.contains("The largest that fits") && table.contains("too large"), "{table}");
}

#[test]
fn unpacked_images_are_the_ones_that_were_packed() {
    let bench = Bench::new();
    bench.ok("unpack --data data --per-class 5 --out unpacked --class-names bar,block,ring");
    bench.train("a.model", "");
    bench.ok("pixels a.model --data data --split train --per-class 5 --out idx.images");
    bench.ok("pixels a.model --data unpacked --split train --out photos.images");
    let images = |name: &str| {
        let mut images: Vec<Vec<u8>> = bench.read(name).chunks(400).map(<[u8]>::to_vec).collect();
        images.sort();
        images
    };
    assert_eq!(images("idx.images"), images("photos.images"));
    let labels = text(&bench.read("photos.images.labels"));
    assert_eq!(labels, "bar\n".repeat(5) + &"block\n".repeat(5) + &"ring\n".repeat(5));
    assert!(Path::new(&bench.path("unpacked/test/ring")).is_dir());
}
