//! The answers that the C program expects are those of the Rust library; they
//! are written anew by
//!
//! ```sh
//! UPDATE_EXPECT=1 cargo test -p lookalike-c --test answers
//! ```

use std::fmt::Write;

use expect_test::expect_file;
use lookalike::{F32, Gallery, GalleryFile, Matches, Model};

static MODEL: &[u8] = lookalike::include_model!("../example/assets/digits.model");
static GALLERY: &[u8] = lookalike::include_gallery!("../example/assets/digits.gallery");
static IMAGES: &[u8] = include_bytes!("../example/assets/digits.images");

/// Matches of each search.
const K: usize = 5;
/// The image that the program enrols.
const ENROLLED: usize = 7;

const HEADER: &str = "\
/* Answers of the Rust library, written by the test `answers`. */
#ifndef EXPECTED_H
#define EXPECTED_H

#include \"lookalike.h\"
";

fn table(out: &mut String, name: &str, answers: &[Matches<K>]) {
    let _ = writeln!(out, "\nstatic const lookalike_match {name}[IMAGES][MATCHES] = {{");
    for matches in answers {
        let cells: Vec<String> =
            matches.iter().map(|m| format!("{{{}, {:?}f}}", m.id, m.distance)).collect();
        let _ = writeln!(out, "    {{{}}},", cells.join(", "));
    }
    *out += "};\n";
}

#[test]
fn expected_answers_are_those_of_the_library() {
    let model = Model::<F32>::from_bytes(MODEL).unwrap();
    let file = GalleryFile::from_bytes(GALLERY).unwrap();
    let mut gallery: Gallery<'_, 2, 64> = Gallery::new(&model, Some(file)).unwrap();
    let mut workspace = vec![0.0; model.workspace_len()];
    let images: Vec<&[u8]> = IMAGES.chunks(model.network().input().len()).collect();
    let mut search = |gallery: &Gallery<'_, 2, 64>| -> Vec<Matches<K>> {
        let query = |image| gallery.search(&model.embed(image, &mut workspace).unwrap());
        images.iter().copied().map(query).collect()
    };

    let of_file = search(&gallery);
    let mut enrolling = vec![0.0; model.workspace_len()];
    let embedding = model.embed(images[ENROLLED], &mut enrolling).unwrap();
    let id = gallery.enrol("enrolled nine", &embedding).unwrap();
    let with_enrolled = search(&gallery);
    // The enrolled item must be among the answers, else nothing tells it apart.
    assert_ne!(of_file, with_enrolled);

    let mut out = String::from(HEADER);
    let _ = writeln!(out, "\n#define IMAGES {}", images.len());
    let _ = writeln!(out, "#define MATCHES {K}");
    let _ = writeln!(out, "#define WORKSPACE_BYTES {}", 4 * model.workspace_len());
    let _ = writeln!(out, "#define EMBEDDING_WORDS {}", embedding.as_slice().len());
    let _ = writeln!(out, "#define ENROLLED_IMAGE {ENROLLED}");
    let _ = writeln!(out, "#define ENROLLED_ID {id}");
    table(&mut out, "expected", &of_file);
    table(&mut out, "expected_with_enrolled", &with_enrolled);
    out += "\n#endif\n";
    expect_file!["../example/expected.h"].assert_eq(&out);
}
