//! Files for other tools and for firmware, made by the program.

mod common;

use std::process::Command;

use common::{Bench, text};

/// Runs a compiler or a program that it made, in the directory.
fn run(bench: &Bench, program: &str, arguments: &str) {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace()).current_dir(bench.path("."));
    let output = command.output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let said = text(&output.stderr) + &text(&output.stdout);
    assert!(output.status.success(), "{program} {arguments}: {said}");
}

/// An f32 and an int8 model and their galleries.
fn inputs() -> Bench {
    let bench = Bench::new();
    bench.train("a.model", "");
    bench.ok("quantize a.model --data data --project 8 --out a8.model");
    bench.ok("gallery a.model --data data --out a.gallery");
    bench.ok("gallery a8.model --data data --code two-stage --out a8.gallery");
    bench
}

#[test]
fn rust_source_holds_the_file_s_bytes_aligned() {
    let bench = inputs();
    let mut main = String::new();
    for (i, (file, array)) in [
        ("a.model", "MODEL"),
        ("a8.model", "MODEL"),
        ("a.gallery", "GALLERY"),
        ("a8.gallery", "GALLERY"),
    ]
    .into_iter()
    .enumerate()
    {
        bench.ok(&format!("export {file} --out m{i}.rs"));
        main += &format!("mod m{i};\nconst F{i}: &[u8] = include_bytes!({file:?});\n");
        main += &format!(
            "#[test]\nfn t{i}() {{\n    assert!(m{i}::{array} == F{i});\n    \
             assert_eq!(m{i}::{array}.as_ptr() as usize % 16, 0);\n}}\n"
        );
    }
    let inspected = bench.json("inspect a8.model");
    main += &format!(
        "#[test]\nfn sizes() {{\n    assert_eq!(m1::WORKSPACE_WORDS * 4, {});\n    \
         assert_eq!((m1::IMAGE_BYTES, m1::EMBEDDING_WORDS), (400, 9));\n    \
         assert_eq!((m0::EMBEDDING_WORDS, m2::ITEMS), (32, 60));\n}}\n",
        inspected["workspace_bytes"]
    );
    bench.write("main.rs", main.as_bytes());
    run(&bench, "rustc", "--edition 2024 -D warnings --test main.rs -o main");
    run(&bench, bench.path("main").to_str().unwrap(), "");

    let source = text(&bench.read("m1.rs"));
    let fingerprint = inspected["fingerprint"].as_str().unwrap();
    assert!(source.contains(&format!("int8, fingerprint {fingerprint}")), "{source}");
}

#[cfg(unix)]
#[test]
fn c_source_holds_the_file_s_bytes_aligned() {
    let bench = inputs();
    let main = r#"
        #include <stdio.h>
        #include <string.h>
        #include "a.h"
        #include "a8_gallery.h"

        static int same(const char *name, const uint8_t *bytes, size_t len)
        {
            static uint8_t file[1 << 20];
            FILE *f = fopen(name, "rb");
            size_t read = f ? fread(file, 1, sizeof file, f) : 0;
            return read == len && memcmp(file, bytes, len) == 0 && (uintptr_t)bytes % 16 == 0;
        }

        int main(void)
        {
            static uint32_t workspace[A_MODEL_WORKSPACE_WORDS];
            if (!same("a.model", a_model, A_MODEL_BYTES)) return 1;
            if (!same("a8.gallery", a8_gallery, sizeof a8_gallery)) return 2;
            if (A_MODEL_IMAGE_BYTES != 400 || A_MODEL_EMBEDDING_WORDS != 32) return 3;
            return A8_GALLERY_ITEMS != 60 || sizeof workspace == 0;
        }
    "#;
    bench.write("main.c", main.as_bytes());
    for (file, source) in [("a.model", "a"), ("a8.gallery", "a8_gallery")] {
        bench.ok(&format!("export {file} --out {source}.c"));
        bench.ok(&format!("export {file} --out {source}.h"));
    }
    for standard in ["c99", "c11"] {
        let strict = format!("-std={standard} -pedantic -Wall -Wextra -Werror");
        run(&bench, "cc", &format!("{strict} main.c a.c a8_gallery.c -o main"));
        run(&bench, bench.path("main").to_str().unwrap(), "");
    }
}

#[test]
fn the_same_file_gives_the_same_source() {
    let bench = inputs();
    for name in ["x.rs", "x.c", "x.h"] {
        bench.ok(&format!("export a.model --out {name}"));
        let first = bench.read(name);
        bench.ok(&format!("export a.model --out {name}"));
        assert!(first == bench.read(name), "{name}");
    }
}

#[test]
fn ids_of_embeddings_are_those_of_a_gallery() {
    let bench = inputs();
    bench.ok("embed a.model --data data --split train --per-class 4 --out x.npy");
    bench.ok("gallery a.model --data data --split train --per-class 4 --out x.gallery");
    let embeddings: ndarray::Array2<f32> = ndarray_npy::read_npy(bench.path("x.npy")).unwrap();
    let labels: ndarray::Array1<i64> = ndarray_npy::read_npy(bench.path("x.labels.npy")).unwrap();
    let file = lookalike_trainer::files::load_gallery(&bench.path("x.gallery")).unwrap();
    let gallery = file.view::<lookalike::F32>().unwrap();
    assert_eq!((embeddings.nrows(), gallery.len()), (12, 12));
    for (id, words) in gallery.embeddings().enumerate() {
        assert_eq!(words, embeddings.row(id).to_vec());
        assert_eq!(gallery.label(id as u32).unwrap(), labels[id].to_string());
    }
}

#[test]
fn every_format_is_written_whatever_the_threads() {
    let bench = inputs();
    for model in ["a.model", "a8.model"] {
        for extension in ["npy", "parquet", "pgcopy", "safetensors"] {
            if extension == "parquet" && !cfg!(feature = "parquet") {
                continue;
            }
            for threads in [1, 2] {
                bench.ok(&format!(
                    "embed {model} --data data --threads {threads} --out {threads}.{extension}"
                ));
            }
            let [one, two] = [1, 2].map(|threads| bench.read(&format!("{threads}.{extension}")));
            assert!(one == two && one.len() > 30 * 32 * 4, "{model} {extension}");
        }
    }
}

#[test]
fn an_unknown_ending_is_wrong_usage() {
    let bench = inputs();
    let before = bench.snapshot();
    for (line, wanted) in [
        ("embed a.model --data data --out x.csv", "x.csv must end in .npy, .parquet"),
        ("embed a.model --data data --out x", ".safetensors"),
        ("export a.model --out x.bin", "x.bin must end in .safetensors, .rs, .c or .h"),
        ("export a.gallery --out x", "must end in"),
    ] {
        let output = bench.trainer(line).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(text(&output.stderr).contains(wanted), "{line}: {}", text(&output.stderr));
    }
    for (line, wanted) in [
        ("export a.gallery --out x.safetensors", "a.gallery: "),
        ("export data/t10k-labels-idx1-ubyte --out x.rs", "data/t10k-labels-idx1-ubyte: "),
    ] {
        let output = bench.trainer(line).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(text(&output.stderr).contains(wanted), "{line}: {}", text(&output.stderr));
    }
    assert_eq!(bench.snapshot(), before);
}
