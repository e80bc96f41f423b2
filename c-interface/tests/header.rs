//! The committed header is the one that the sources give; it is written anew by
//!
//! ```sh
//! UPDATE_EXPECT=1 cargo test -p lookalike-c --test header
//! ```

use std::path::Path;

use cbindgen::{Builder, Config, DocumentationStyle, Language, RenameRule, Style};
use expect_test::expect_file;

const INTRODUCTION: &str = "\
/*
 * lookalike: image embedding and nearest-neighbour search for firmware.
 *
 * The library allocates nothing and keeps no state of its own: models and
 * galleries are opened in handles, which the caller declares, static or on the
 * stack. A handle must stay at its address; a copy of it is refused. There is
 * nothing to close.
 *
 * Every function but lookalike_status_message returns a status. Pointers are
 * checked for null and alignment, lengths against what is needed, and memory
 * that is written for overlap with the other memory of the call. What cannot be
 * checked is the caller's part: a pointer points to memory of the length given,
 * and no one else writes it during the call, nor reads what the call writes.
 * So a model or a gallery may be used by several threads or interrupts as long
 * as none opens it, enrols or removes.
 *
 * A program does not depend on how a model's parameters are encoded: models of
 * floating-point numbers and quantised ones are opened by the same function, and
 * their embeddings are words that only the library reads.
 *
 * This file is generated from the sources of the library.
 */";

const GALLERY_WORDS: &str = "
/*
 Words of 4 bytes that a gallery needs to enrol up to `capacity` items:
     static uint32_t memory[LOOKALIKE_GALLERY_WORDS(16, 256)];
 */
#define LOOKALIKE_GALLERY_WORDS(capacity, embedding_words) \\
    ((capacity) * (LOOKALIKE_SLOT_WORDS + (embedding_words)))";

fn config() -> Config {
    let mut config = Config {
        language: Language::C,
        cpp_compat: true,
        header: Some(INTRODUCTION.into()),
        include_guard: Some("LOOKALIKE_H".into()),
        no_includes: true,
        sys_includes: vec!["stddef.h".into(), "stdint.h".into()],
        after_includes: Some(GALLERY_WORDS.into()),
        usize_is_size_t: true,
        documentation_style: DocumentationStyle::C99,
        style: Style::Both,
        ..Config::default()
    };
    config.enumeration.rename_variants = RenameRule::QualifiedScreamingSnakeCase;
    let names = [
        ("Status", "lookalike_status"),
        ("Model", "lookalike_model"),
        ("Gallery", "lookalike_gallery"),
        ("Dimensions", "lookalike_dimensions"),
        ("Acceptance", "lookalike_acceptance"),
        ("Rule", "lookalike_rule"),
        ("Match", "lookalike_match"),
        ("LABEL_BYTES", "LOOKALIKE_LABEL_BYTES"),
        ("SLOT_WORDS", "LOOKALIKE_SLOT_WORDS"),
    ];
    config.export.rename = names.map(|(from, to)| (from.into(), to.into())).into();
    config
}

#[test]
fn header_is_up_to_date() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut builder = Builder::new().with_config(config());
    for file in ["status.rs", "model.rs", "gallery.rs"] {
        builder = builder.with_src(src.join(file));
    }
    let mut header = Vec::new();
    builder.generate().expect("the sources are valid").write(&mut header);
    let header = String::from_utf8(header).expect("the header is UTF-8");
    expect_file!["../include/lookalike.h"].assert_eq(&header);
}
