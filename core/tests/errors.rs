//! Every error value's sentence.

use lookalike::{
    EmbedError, EmbeddingError, FileError, FileKind, GalleryError, GalleryFileError, ModelError,
    NetworkError, SelfTestError,
};

fn check<E: core::error::Error>(cases: &[(E, &str)]) {
    for (error, sentence) in cases {
        assert_eq!(error.to_string(), *sentence);
    }
}

#[test]
fn files() {
    let file = FileError::Truncated;
    check(&[
        (FileError::Magic { expected: FileKind::Model }, "this is not a model file"),
        (FileError::Magic { expected: FileKind::Gallery }, "this is not a gallery file"),
        (
            FileError::Version { found: 2, newest: 1 },
            "the file has version 2, the newest supported is 1",
        ),
        (FileError::Truncated, "the file ends too early"),
        (FileError::TrailingBytes, "the file goes on after its checksum"),
        (FileError::Checksum, "the file is damaged: its checksum does not fit"),
        (FileError::Malformed, "the file has a field that is out of range"),
        (
            FileError::Misaligned,
            "the file does not lie at an aligned address: include it with include_model! or \
             include_gallery!, or read it into an aligned buffer",
        ),
        (FileError::Buffer { needed: 7 }, "the buffer is too small: the file takes 7 bytes"),
    ]);
    check(&[
        (ModelError::File(file), "the file ends too early"),
        (
            ModelError::Encoding { found: 1 },
            "the model's parameters are in encoding 1, which was not asked for",
        ),
        (ModelError::Body, "the model's number of parameters does not fit its network"),
        (ModelError::Parameters { expected: 3, found: 4 }, "the network has 3 parameters, not 4"),
        (ModelError::NotFinite, "a parameter is not a finite number"),
        (ModelError::ClassNames, "there must be one name for each class, or none"),
        (ModelError::Acceptance, "the acceptance threshold must be 0 to 4 and its rate 0 to 1"),
        (ModelError::SelfTest, "the self-test must have one finite embedding for each image"),
    ]);
    check(&[
        (SelfTestError::Missing, "the model has no images for a self-test"),
        (SelfTestError::Embed(EmbedError::NoClassifier), "the model has no classifier"),
        (
            SelfTestError::Differs { image: 2, difference: 0.5 },
            "the embedding of self-test image 2 is off by 500000 millionths",
        ),
    ]);
    check(&[
        (GalleryFileError::File(file), "the file ends too early"),
        (
            GalleryFileError::Code { found: 9 },
            "the gallery's embeddings have code 9, which was not asked for",
        ),
        (GalleryFileError::Dimension, "the gallery's embeddings have an impossible dimension"),
        (GalleryFileError::Items, "the gallery has too many items"),
        (GalleryFileError::Embeddings, "the gallery does not hold one embedding for each item"),
        (
            GalleryFileError::Embedding(EmbeddingError::NotNormalized),
            "the embedding's norm is above 1",
        ),
        (GalleryFileError::Labels, "the gallery does not hold one named label for each item"),
    ]);
}

#[test]
fn use_of_them() {
    check(&[
        (EmbeddingError::NotFinite, "the embedding has a value that is not finite"),
        (EmbeddingError::NotNormalized, "the embedding's norm is above 1"),
    ]);
    check(&[
        (
            EmbedError::Image { expected: 784, found: 3 },
            "the network takes images of 784 bytes, not 3",
        ),
        (
            EmbedError::Workspace { needed: 10, found: 9 },
            "the workspace must have 10 values, not 9",
        ),
        (EmbedError::NoClassifier, "the model has no classifier"),
        (
            EmbedError::Logits { expected: 10, found: 9 },
            "the model has 10 classes, but there is room for 9 logits",
        ),
        (EmbedError::NotFinite, "the network's output is not finite"),
    ]);
    check(&[
        (
            GalleryError::OtherModel { expected: 1, found: 0xabc },
            "the gallery was made with another model: fingerprint 00000abc instead of 00000001",
        ),
        (
            GalleryError::Dimension { expected: 256, found: 4 },
            "the gallery holds embeddings of 256 words, not 4",
        ),
        (GalleryError::Full, "the gallery is full"),
        (GalleryError::Label, "a label can have at most 32 bytes"),
        (GalleryError::Ids, "the gallery has used up its ids"),
        (GalleryError::ReadOnly, "the item lies in read-only memory"),
        (GalleryError::UnknownId, "there is no item with this id"),
        (GalleryError::DuplicateId, "there is already an item with this id"),
    ]);
    check(&[
        (NetworkError::Channels, "the input must have 1 to 16 channels"),
        (NetworkError::Side, "the input must be 18 to 1024 pixels high and wide"),
        (NetworkError::Width, "each convolution must have 1 to 512 output channels"),
        (NetworkError::Grid, "the pooling grid must be 1 to 8"),
        (NetworkError::Classes, "there can be at most 4096 classes"),
    ]);
}
