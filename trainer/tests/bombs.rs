//! Files that are small and would take much memory, or that say so: each is
//! refused by name before the program has taken 100 MB.
#![cfg(target_os = "linux")]

mod common;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use common::{Bench, SIDE, idx, images, text};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

const LIMIT_KIB: i64 = 100_000_000 / 1024;

/// Runs the program: its exit code, what it said, and the most memory that it
/// had resident, in KiB.
#[expect(clippy::zombie_processes, reason = "`wait4` waits for it")]
fn run(bench: &Bench, arguments: &str) -> (Option<i32>, String, i64) {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("trainer"))
        .current_dir(bench.path(""))
        .args(arguments.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let (mut status, pid) = (0, child.id() as libc::pid_t);
    // SAFETY: all zeros are a valid `rusage`, which is plain numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live variables of their types; `child` is not
    // waited for by anything else.
    let waited = unsafe { libc::wait4(pid, &mut status, 0, &mut usage) };
    assert_eq!(waited, pid);
    let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
    (code, said, usage.ru_maxrss)
}

/// The command fails with these words, and takes no more than it may.
#[track_caller]
fn refused(bench: &Bench, arguments: &str, says: &[&str]) {
    let (code, said, peak) = run(bench, arguments);
    println!("{} MB: {}", peak * 1024 / 1_000_000, said.lines().last().unwrap_or_default());
    assert_eq!(code, Some(1), "{said}");
    for part in says {
        assert!(said.contains(part), "no {part:?} in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    assert!(peak < LIMIT_KIB, "{peak} KiB: {said}");
}

/// Zeros, gzipped: as many mebibytes as told, in several members.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..16 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap().repeat(mebibytes / 16)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const TRAIN: &str = "train --loss triplet --data data --widths 4,4,8 --epochs 1 --out x.model";
const IMAGES: &str = "data/train-images-idx3-ubyte";
const LABELS: &str = "data/train-labels-idx1-ubyte";

fn gzipped_set(images: &[u8], labels: &[u8]) -> Bench {
    let bench = Bench::new();
    for (name, bytes) in [(IMAGES, images), (LABELS, labels)] {
        fs::remove_file(bench.path(name)).unwrap();
        bench.write(&format!("{name}.gz"), bytes);
    }
    bench
}

#[test]
fn gzip_bombs_are_refused() {
    let labels = gzip(&idx(&[60], &images(60, 1).1));
    let header = |dimensions: &[u32]| gzip(&idx(dimensions, &[]));
    let side = SIDE as u32;
    // More than a data set may have, of which every byte is there.
    let honest = [header(&[10 << 20, 32, 32]), zeros(10 << 10)].concat();
    refused(&gzipped_set(&honest, &labels), TRAIN, &["images-idx3-ubyte.gz", "limit of 2 GiB"]);
    // As much as it may have.
    let labels_of_large = gzip(&idx(&[(1 << 21) - 1], &vec![0; (1 << 21) - 1]));
    let large = [header(&[(1 << 21) - 1, 32, 32]), zeros(2048)].concat();
    refused(
        &gzipped_set(&large, &labels_of_large),
        TRAIN,
        &["images-idx3-ubyte.gz", "200 times its size"],
    );
    // Far more than is declared.
    let lying = [header(&[60, side, side]), zeros(2048)].concat();
    refused(&gzipped_set(&lying, &labels), TRAIN, &["images-idx3-ubyte.gz", "goes on after"]);
    // Labels.
    let pictures = gzip(&idx(&[60, side, side], &images(60, 1).0));
    let many = [header(&[2_000_000_000]), zeros(2048)].concat();
    refused(&gzipped_set(&pictures, &many), TRAIN, &["labels-idx1-ubyte.gz"]);
}

/// Nearly nothing of these is on the disk, but all of it can be read.
#[test]
fn files_that_declare_gigabytes_are_refused() {
    let bench = Bench::new();
    let sparse = |name: &str, start: &[u8], len: u64| {
        let mut file = File::create(bench.path(name)).unwrap();
        file.write_all(start).unwrap();
        file.set_len(len).unwrap();
    };
    sparse(IMAGES, &idx(&[10 << 20, 32, 32], &[]), (10 << 30) + 16);
    refused(&bench, TRAIN, &["train-images-idx3-ubyte", "limit of 2 GiB"]);

    for (name, magic) in [("x.model", b"LKMODEL\0"), ("x.gallery", b"LKGALRY\0")] {
        sparse(name, magic, 10 << 30);
        refused(&bench, &format!("inspect {name}"), &[name, "more than the limit"]);
        // Of another kind, and as large as a file may be.
        sparse(name, b"", 1 << 30);
        refused(&bench, &format!("inspect {name}"), &[name]);
        // A header whose every number is the largest.
        let mut lying = magic.to_vec();
        lying.push(1);
        lying.extend([0xff; 200]);
        bench.write(name, &lying);
        refused(&bench, &format!("inspect {name}"), &[name]);
    }
    for (start, len) in [(&[0; 8][..], 1 << 30), (&[0xff; 8], 1 << 30), (&[0; 8], 10 << 30)] {
        sparse("x.safetensors", start, len);
        refused(&bench, "import x.safetensors --out y.model", &["x.safetensors"]);
    }
    let header = br#"{"0.weight":{"dtype":"F32","shape":[4294967296,1,3,3],"data_offsets":[0,154618822656]}}"#;
    let mut lying = (header.len() as u64).to_le_bytes().to_vec();
    lying.extend(header);
    bench.write("x.safetensors", &lying);
    refused(&bench, "import x.safetensors --out y.model", &["x.safetensors"]);

    bench.write_idx("train", &images(60, 1).0, &images(60, 1).1);
    let resume = format!("{TRAIN} --resume");
    sparse("x.model.checkpoint", b"LKCHECKP\x03", 10 << 30);
    refused(&bench, &resume, &["x.model.checkpoint", "more than the limit"]);
    sparse("x.model.checkpoint", b"", 1 << 30);
    refused(&bench, &resume, &["x.model.checkpoint", "not a checkpoint"]);
}

/// A PNG file: its header, other chunks, and its data as a zlib stream.
fn png(
    side: (u32, u32),
    depth_and_colour: [u8; 2],
    more: &[(&[u8; 4], Vec<u8>)],
    data: &[u8],
) -> Vec<u8> {
    const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8; 4], content: &[u8]| {
        let named = [name, content].concat();
        file.extend((content.len() as u32).to_be_bytes());
        file.extend(&named);
        file.extend(CRC.checksum(&named).to_be_bytes());
    };
    let mut header = [side.0.to_be_bytes(), side.1.to_be_bytes()].concat();
    header.extend(depth_and_colour);
    header.extend([0; 3]);
    chunk(b"IHDR", &header);
    for (name, content) in more {
        chunk(name, content);
    }
    chunk(b"IDAT", data);
    chunk(b"IEND", &[]);
    file
}

fn zlib(mebibytes: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    for _ in 0..mebibytes {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn pictures_that_declare_gigabytes_are_refused() {
    const GREY: [u8; 2] = [8, 0];
    let bench = Bench::new();
    bench.train("a.model", "");
    bench.ok("gallery a.model --data data --out a.gallery");
    let small = zlib(1);
    let profile = [b"x\0\0".to_vec(), zlib(600)].concat();
    let bombs = [
        (
            "the largest sides",
            png((i32::MAX as u32, i32::MAX as u32), GREY, &[], &small),
            "too large",
        ),
        ("one long side", png((1 << 30, 1), GREY, &[], &small), "too large"),
        (
            "sides that are allowed, in colours that are not",
            png((16_384, 16_384), [16, 6], &[], &small),
            "too large",
        ),
        (
            "a large picture that is not there",
            png((16_384, 16_384), GREY, &[], &small),
            "cannot decode",
        ),
        ("a large colour profile", png((20, 20), GREY, &[(b"iCCP", profile)], b""), "x.png"),
    ];
    fs::create_dir_all(bench.path("photos/train/a")).unwrap();
    for (what, file, says) in bombs {
        println!("{what}: {} bytes", file.len());
        for name in ["x.png", "photos/train/a/x.png"] {
            bench.write(name, &file);
        }
        refused(&bench, "search a.model --gallery a.gallery x.png", &["x.png", says]);
        let train = TRAIN.replace("--data data", "--data photos --input 20x20x1");
        refused(&bench, &train, &["x.png"]);
    }
    let (code, said, _) = run(&bench, "inspect a.model");
    assert_eq!((code, text(said.as_bytes())), (Some(0), String::new()));
}
