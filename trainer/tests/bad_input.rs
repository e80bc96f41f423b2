//! Whatever is wrong with the input, there is one clear error that names it,
//! the right exit code, and no file changes.

mod common;

use std::io::Write;

use common::{Bench, SIDE, idx, images, text};
use lookalike::{F32, GalleryFile, Model};
use lookalike_trainer::files::AlignedBytes;

const TRAIN: &str = "train --loss triplet --data data --widths 4,4,8 --epochs 1 --out new.model";
const TRAIN_IMAGES: &str = "data/train-images-idx3-ubyte";
const TRAIN_LABELS: &str = "data/train-labels-idx1-ubyte";

/// One row of the table: what is spoilt, what is run, what is said.
struct Row {
    name: &'static str,
    spoil: fn(&Bench),
    run: &'static str,
    code: i32,
    says: &'static [&'static str],
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Replaces the training images by a gzipped file made of them.
fn gzipped(bench: &Bench, spoil: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = gzip(&bench.read(TRAIN_IMAGES));
    spoil(&mut bytes);
    std::fs::remove_file(bench.path(TRAIN_IMAGES)).unwrap();
    bench.write("data/train-images-idx3-ubyte.gz", &bytes);
}

/// Replaces the training set by one image of each given class.
fn labels(bench: &Bench, labels: &[u8]) {
    let pixels = vec![0; labels.len() * SIDE * SIDE];
    bench.write_idx("train", &pixels, labels);
}

fn edit(bench: &Bench, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = bench.read(name);
    change(&mut bytes);
    bench.write(name, &bytes);
}

const TABLE: &[Row] = &[
    Row {
        name: "a missing directory",
        spoil: |_| {},
        run: "train --loss triplet --data nowhere --out new.model",
        code: 1,
        says: &["nowhere"],
    },
    Row {
        name: "a missing file",
        spoil: |b| std::fs::remove_file(b.path(TRAIN_LABELS)).unwrap(),
        run: TRAIN,
        code: 1,
        says: &["data", "labels-idx1"],
    },
    Row {
        name: "a truncated IDX file",
        spoil: |b| edit(b, TRAIN_IMAGES, |bytes| bytes.truncate(1000)),
        run: TRAIN,
        code: 1,
        says: &["train-images-idx3-ubyte"],
    },
    Row {
        name: "a file that is not IDX",
        spoil: |b| b.write(TRAIN_IMAGES, b"hello, this is no IDX file"),
        run: TRAIN,
        code: 1,
        says: &["train-images-idx3-ubyte", "IDX"],
    },
    Row {
        name: "an IDX file that declares more than there is",
        spoil: |b| b.write(TRAIN_IMAGES, &idx(&[u32::MAX, 1024, 1024], &[0; 100])),
        run: TRAIN,
        code: 1,
        says: &["train-images-idx3-ubyte"],
    },
    Row {
        name: "a corrupt gzip file",
        spoil: |b| gzipped(b, |bytes| bytes[40] ^= 0xff),
        run: TRAIN,
        code: 1,
        says: &["train-images-idx3-ubyte.gz"],
    },
    Row {
        name: "a truncated gzip file",
        spoil: |b| gzipped(b, |bytes| bytes.truncate(bytes.len() / 2)),
        run: TRAIN,
        code: 1,
        says: &["train-images-idx3-ubyte.gz"],
    },
    Row {
        name: "counts that differ",
        spoil: |b| b.write(TRAIN_LABELS, &idx(&[59], &images(59, 1).1)),
        run: TRAIN,
        code: 1,
        says: &["60", "59", "train-labels-idx1-ubyte"],
    },
    Row {
        name: "a test label that training never saw",
        spoil: |b| edit(b, "data/t10k-labels-idx1-ubyte", |bytes| *bytes.last_mut().unwrap() = 200),
        run: "evaluate good.model --data data",
        code: 1,
        says: &["t10k-labels-idx1-ubyte", "200"],
    },
    Row {
        name: "an empty set",
        spoil: |b| labels(b, &[]),
        run: TRAIN,
        code: 1,
        says: &["train-images-idx3-ubyte"],
    },
    Row {
        name: "data without any triplet",
        spoil: |b| labels(b, &[0, 1, 2]),
        run: TRAIN,
        code: 1,
        says: &["triplet"],
    },
    Row {
        name: "a batch without any triplet",
        spoil: |b| labels(b, &(0..100).chain([0]).collect::<Vec<u8>>()),
        run: "train --loss triplet --data data --widths 4,4,8 --batch-size 2 --out new.model",
        code: 1,
        says: &["batch 1", "triplet", "--batch-size"],
    },
    Row {
        name: "a class that does not exist",
        spoil: |_| {},
        run: "evaluate good.model --data data --only-classes 7",
        code: 1,
        says: &["7"],
    },
    Row {
        name: "a loss that becomes NaN",
        spoil: |_| {},
        run: "train --loss cross-entropy --data data --widths 4,4,8 --optimizer sgd --lr 1e30 --batch-size 10 --out new.model",
        code: 1,
        says: &["diverged", "--lr"],
    },
    Row {
        name: "a negative margin",
        spoil: |_| {},
        run: "train --loss triplet --data data --margin -0.1 --out new.model",
        code: 2,
        says: &["margin", "-0.1"],
    },
    Row {
        name: "a margin that is no number",
        spoil: |_| {},
        run: "train --loss triplet --data data --margin NaN --out new.model",
        code: 2,
        says: &["margin", "NaN"],
    },
    Row {
        name: "an infinite margin",
        spoil: |_| {},
        run: "train --loss triplet --data data --margin inf --out new.model",
        code: 2,
        says: &["margin", "inf"],
    },
    Row {
        name: "a margin without a triplet loss",
        spoil: |_| {},
        run: "train --loss cross-entropy --data data --margin 0.5 --out new.model",
        code: 2,
        says: &["--margin", "triplet"],
    },
    Row {
        name: "a learning rate of 0",
        spoil: |_| {},
        run: "train --loss triplet --data data --lr 0 --out new.model",
        code: 2,
        says: &["learning rate", "0"],
    },
    Row {
        name: "a batch of a billion images",
        spoil: |_| {},
        run: "train --loss triplet --data data --batch-size 1000000000000 --out new.model",
        code: 2,
        says: &["batch", "65536"],
    },
    Row {
        name: "more classes to a batch than there are",
        spoil: |_| {},
        run: "train --loss triplet --data data --batches 4x2 --out new.model",
        code: 2,
        says: &["4", "3", "class"],
    },
    Row {
        name: "widths outside the family",
        spoil: |_| {},
        run: "train --loss triplet --data data --widths 4,0,8 --out new.model",
        code: 2,
        says: &["network"],
    },
    Row {
        name: "a false-accept rate of 1",
        spoil: |_| {},
        run: "calibrate good.model --data data --false-accept-rate 1",
        code: 2,
        says: &["--false-accept-rate", "below 1"],
    },
    Row {
        name: "a class that is enrolled and an impostor",
        spoil: |_| {},
        run: "calibrate good.model --data data --false-accept-rate 0.1 --enrol-classes 0,1 --impostor-classes 1",
        code: 2,
        says: &["class 1"],
    },
    Row {
        name: "more shots than images",
        spoil: |_| {},
        run: "calibrate good.model --data data --false-accept-rate 0.1 --shots 21",
        code: 1,
        says: &["class 0", "20", "21"],
    },
    Row {
        name: "a missing model",
        spoil: |_| {},
        run: "evaluate missing.model --data data",
        code: 1,
        says: &["missing.model"],
    },
    Row {
        name: "a model of a newer version",
        spoil: |b| edit(b, "good.model", |bytes| bytes[8] = 99),
        run: "evaluate good.model --data data",
        code: 1,
        says: &["good.model", "99"],
    },
    Row {
        name: "a file that is no model",
        spoil: |b| b.write("good.model", b"hello, this is no model at all"),
        run: "inspect good.model",
        code: 1,
        says: &["good.model"],
    },
    Row {
        name: "a model with one flipped bit",
        spoil: |b| edit(b, "good.model", |bytes| bytes[2000] ^= 1),
        run: "evaluate good.model --data data",
        code: 1,
        says: &["good.model", "damaged"],
    },
    Row {
        name: "data of another size than the model's input",
        spoil: |_| {},
        run: "evaluate good.model",
        code: 1,
        says: &["28x28", "20x20"],
    },
    Row {
        name: "a gallery made by another model",
        spoil: |b| {
            b.ok("gallery good.model --data data --out good.gallery");
            b.train("other.model", "--seed 5");
            b.write("query.png", &png());
        },
        run: "search other.model --gallery good.gallery query.png",
        code: 1,
        says: &["good.gallery", "another model"],
    },
    Row {
        name: "a query that is no image",
        spoil: |b| {
            b.ok("gallery good.model --data data --out good.gallery");
            b.write("query.png", b"no image");
        },
        run: "search good.model --gallery good.gallery query.png",
        code: 1,
        says: &["query.png"],
    },
    Row {
        name: "weights that are not safetensors",
        spoil: |b| b.write("w.safetensors", b"no weights"),
        run: "import w.safetensors --out new.model",
        code: 1,
        says: &["w.safetensors"],
    },
    Row {
        name: "an output directory that does not exist",
        spoil: |_| {},
        run: "train --loss triplet --data data --widths 4,4,8 --epochs 1 --out no/such/new.model",
        code: 1,
        says: &["no/such"],
    },
    Row {
        name: "a damaged checkpoint",
        spoil: |b| b.write("new.model.checkpoint", b"LKCHECKP\x02 but not really"),
        run: "train --loss triplet --data data --widths 4,4,8 --epochs 1 --out new.model --resume",
        code: 1,
        says: &["new.model.checkpoint", "damaged"],
    },
    Row {
        name: "a checkpoint in the way",
        spoil: |b| b.write("new.model.checkpoint", b"precious"),
        run: TRAIN,
        code: 1,
        says: &["new.model.checkpoint", "--resume", "--restart"],
    },
];

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(SIDE as u32, SIDE as u32)
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

#[test]
fn each_gives_one_clear_error_and_changes_nothing() {
    for row in TABLE {
        let bench = Bench::new();
        bench.train("good.model", "");
        (row.spoil)(&bench);
        let before = bench.snapshot();
        let output = bench.trainer(row.run).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(row.code), "{}: {said}", row.name);
        assert!(output.stdout.is_empty(), "{}: {}", row.name, text(&output.stdout));
        for part in row.says {
            assert!(said.contains(part), "{}: no {part:?} in: {said}", row.name);
        }
        let errors = said.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, 1, "{}: {said}", row.name);
        assert!(!said.contains("panicked"), "{}: {said}", row.name);
        assert_eq!(bench.snapshot(), before, "{}: a file changed", row.name);
    }
}

#[test]
fn a_model_or_gallery_truncated_anywhere_or_with_any_bit_flipped_is_refused() {
    let bench = Bench::new();
    bench.ok("train --loss triplet --data data --widths 1,1,1 --grid 1 --epochs 1 --out a.model");
    bench.ok("gallery a.model --data data --per-class 1 --out a.gallery");
    let model = bench.read("a.model");
    let gallery = bench.read("a.gallery");
    let is_model = |bytes: &[u8]| Model::<F32>::from_bytes(&AlignedBytes::from(bytes)).map(drop);
    let is_gallery =
        |bytes: &[u8]| GalleryFile::<F32>::from_bytes(&AlignedBytes::from(bytes)).map(drop);
    is_model(&model).unwrap();
    is_gallery(&gallery).unwrap();
    for len in 0..model.len() {
        assert!(is_model(&model[..len]).is_err(), "model of {len} bytes");
    }
    for len in 0..gallery.len() {
        assert!(is_gallery(&gallery[..len]).is_err(), "gallery of {len} bytes");
    }
    for bit in 0..8 * model.len() {
        let mut flipped = model.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(is_model(&flipped).is_err(), "model, bit {bit}");
    }
    for bit in 0..8 * gallery.len() {
        let mut flipped = gallery.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(is_gallery(&flipped).is_err(), "gallery, bit {bit}");
    }
}

/// A limit on the size of files stands in for a full disk: the write fails
/// half-way in the same place, and needs no privileges.
#[cfg(unix)]
#[test]
fn a_full_disk_is_reported_and_loses_nothing() {
    let bench = Bench::new();
    bench.train("good.model", "");
    bench.ok("gallery good.model --data data --out good.gallery");
    let before = bench.snapshot();
    let program = assert_cmd::cargo::cargo_bin("trainer");
    for run in [
        "train --loss triplet --data data --widths 4,4,8 --epochs 1 --seed 9 --out good.model",
        "gallery good.model --data data --out good.gallery",
        "export good.model --out new.safetensors",
        "export good.model --out new.rs",
        "export good.model --out new.c",
        "embed good.model --data data --out new.npy",
        "embed good.model --data data --out new.parquet",
        "embed good.model --data data --out new.pgcopy",
        "embed good.model --data data --out new.safetensors",
    ] {
        if run.ends_with(".parquet") && !cfg!(feature = "parquet") {
            continue;
        }
        let script = format!("trap '' XFSZ; ulimit -f 1; exec {} {run}", program.display());
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(bench.path("."))
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{run}: {said}");
        let out = run.rsplit(' ').next().unwrap();
        assert!(said.contains(out) && said.contains("File too large"), "{run}: {said}");
        assert_eq!(bench.snapshot(), before, "{run}");
    }
}
