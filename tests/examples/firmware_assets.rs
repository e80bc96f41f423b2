//! Makes what `firmware-example` keeps in flash beside a model: a gallery of
//! the classes that the model was trained on, test images, and what the desktop
//! answers for them.
//!
//! ```text
//! cargo run --release -p lookalike-tests --example firmware_assets -- MODEL EXCLUDED
//! ```
//!
//! writes beside the model file, f32 or int8, and leaves the class EXCLUDED out
//! of the gallery.
//!
//! ```text
//! cargo run --release -p lookalike-tests --example firmware_assets -- family DIRECTORY
//! ```
//!
//! writes small models of the family with random parameters, each with a
//! self-test: their widths and sides are whole and partial blocks and groups of a kernel.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use lookalike::code::Word;
use lookalike::model::{self, ModelContents, SelfTest};
use lookalike::{Code, Encoding, F32, Gallery, Int8, Matches, Model, Network, U8};
use lookalike_tests::random::Case;
use lookalike_trainer::data::{Dataset, mnist};
use lookalike_trainer::files::{
    AlignedBytes, CodeKind, LoadedGallery, load_gallery, load_model, save_gallery,
};

/// Items of the gallery.
const ITEMS: u32 = 200;
/// Items of a second gallery, for a benchmark.
const FEW_ITEMS: u32 = 64;
/// Images that are embedded and searched.
const QUERIES: u32 = 100;
/// Neighbours that are compared.
const NEIGHBOURS: usize = 10;

/// Input, widths and grid of the models with random parameters.
const FAMILY: [([u16; 3], [u16; 3], u16); 5] = [
    ([1, 18, 18], [1, 1, 1], 1),
    ([2, 19, 24], [3, 9, 17], 3),
    ([3, 22, 27], [8, 5, 8], 2),
    ([1, 26, 18], [7, 16, 10], 1),
    ([16, 18, 22], [9, 8, 7], 4),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["family", directory] => write_family(Path::new(directory)),
        [model, excluded] => write_assets(Path::new(model), excluded.parse()?),
        _ => anyhow::bail!("usage: firmware_assets (MODEL EXCLUDED | family DIRECTORY)"),
    }
}

fn write_family(directory: &Path) -> Result<()> {
    for (index, (input, widths, grid)) in FAMILY.into_iter().enumerate() {
        let case = Case::new(Network::new(input, widths, grid, 0)?, 2, index as u64);
        let mut contents = ModelContents::new(case.network, &case.parameters);
        let untested = model_file(&contents)?;
        let model: Model<'_> = Model::from_bytes(&untested)?;
        let mut workspace = vec![0.0; model.workspace_len()];
        let mut embeddings = Vec::new();
        for image in 0..case.images {
            embeddings
                .extend_from_slice(model.embed(case.image(image), &mut workspace)?.as_slice());
        }
        contents.self_test = SelfTest { images: &case.pixels, embeddings: &embeddings };
        std::fs::write(directory.join(format!("{index}.model")), &*model_file(&contents)?)?;
    }
    Ok(())
}

fn model_file(contents: &ModelContents<'_>) -> Result<AlignedBytes> {
    let mut bytes = vec![0; model::file_len(contents)?];
    model::write(contents, &mut bytes)?;
    Ok(AlignedBytes::from(bytes.as_slice()))
}

fn write_assets(model_path: &Path, excluded: u16) -> Result<()> {
    let directory = model_path.parent().context("the model is in a directory")?;
    let gallery_path = directory.join("gallery");
    let model = load_model(model_path)?;
    let first = |count: u32| -> Result<Dataset> {
        let digits = mnist::train().filter_classes(&[], &[excluded])?;
        Ok(digits.subset(&(0..count).collect::<Vec<_>>()))
    };
    save_gallery(&gallery_path, &model, &first(ITEMS)?, model.code())?;
    let gallery = load_gallery(&gallery_path)?;

    // The firmware's own path: the core's single-image forward pass.
    let bytes = AlignedBytes::read(model_path)?;
    let queries = mnist::test().subset(&(0..QUERIES).collect::<Vec<_>>());
    let answers = match (model.code(), model.network.embedding_len()) {
        (CodeKind::F32, 64) => answers::<F32, F32, 64>(&bytes, &gallery, &queries)?,
        (CodeKind::F32, 256) => answers::<F32, F32, 256>(&bytes, &gallery, &queries)?,
        (CodeKind::U8, 256) => {
            save_gallery(&directory.join("gallery-64"), &model, &first(FEW_ITEMS)?, CodeKind::U8)?;
            answers::<Int8, U8, { U8::words(256) }>(&bytes, &gallery, &queries)?
        }
        (code, other) => anyhow::bail!("no firmware has {} of {other} values", code.name()),
    };
    let labels = queries.labels.iter().map(|&label| u8::try_from(label));
    for (name, bytes) in [
        ("images", queries.pixels),
        ("labels", labels.collect::<Result<_, _>>()?),
        ("embeddings", answers.embeddings),
        ("neighbours", answers.neighbours),
    ] {
        let path = directory.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// What the firmware must find.
struct Answers {
    /// The words of the queries' embeddings.
    embeddings: Vec<u8>,
    /// The ids of the nearest items.
    neighbours: Vec<u8>,
}

fn answers<E, C, const WORDS: usize>(
    bytes: &AlignedBytes,
    gallery: &LoadedGallery,
    queries: &Dataset,
) -> Result<Answers>
where
    E: Encoding<Code = C, Embedded = C, Word = Word<C>>,
    C: Code,
{
    let model = Model::<E>::from_bytes(bytes)?;
    let gallery: Gallery<'_, 0, WORDS, C> = Gallery::new(&model, Some(gallery.view()?))?;
    let mut workspace = vec![Word::<C>::default(); model.workspace_len()];
    let mut answers = Answers { embeddings: Vec::new(), neighbours: Vec::new() };
    for query in 0..queries.len() {
        let embedding = model.embed(queries.image(query), &mut workspace)?;
        answers.embeddings.extend_from_slice(bytemuck::cast_slice(embedding.as_slice()));
        let matches: Matches<NEIGHBOURS> = gallery.search(&embedding);
        ensure!(matches.len() == NEIGHBOURS, "the gallery has too few items");
        for found in &matches {
            answers.neighbours.push(u8::try_from(found.id)?);
        }
    }
    Ok(answers)
}
