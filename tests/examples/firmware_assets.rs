//! Makes what `firmware-example` keeps in flash beside a model: a gallery of
//! the classes that the model was trained on, test images, and what the desktop
//! answers for them.
//!
//! ```text
//! cargo run --release -p lookalike-tests --example firmware_assets -- DIRECTORY EXCLUDED
//! ```
//!
//! reads `DIRECTORY/model` and leaves the class EXCLUDED out of the gallery.
//!
//! ```text
//! cargo run --release -p lookalike-tests --example firmware_assets -- family DIRECTORY
//! ```
//!
//! writes small models of the family with random parameters, each with a
//! self-test: their widths and sides are whole and partial blocks and groups of a kernel.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use lookalike::model::{self, ModelContents, SelfTest};
use lookalike::{Gallery, Matches, Model, Network};
use lookalike_tests::random::Case;
use lookalike_trainer::data::mnist;
use lookalike_trainer::files::{AlignedBytes, CodeKind, load_gallery, load_model, save_gallery};

/// Items of the gallery.
const ITEMS: u32 = 200;
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
        [directory, excluded] => write_assets(Path::new(directory), excluded.parse()?),
        _ => anyhow::bail!("usage: firmware_assets (DIRECTORY EXCLUDED | family DIRECTORY)"),
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

fn write_assets(directory: &Path, excluded: u16) -> Result<()> {
    let model_path = directory.join("model");
    let gallery_path = directory.join("gallery");

    let first: Vec<u32> = (0..ITEMS).collect();
    let items = mnist::train().filter_classes(&[], &[excluded])?.subset(&first);
    save_gallery(&gallery_path, &load_model(&model_path)?, &items, CodeKind::F32)?;

    // The firmware's own path: the core's single-image forward pass.
    let bytes = AlignedBytes::read(&model_path)?;
    let model: Model<'_> = Model::from_bytes(&bytes)?;
    let file = load_gallery(&gallery_path)?;
    let queries = mnist::test().subset(&(0..QUERIES).collect::<Vec<_>>());
    let mut workspace = vec![0.0; model.workspace_len()];
    let (mut embeddings, mut neighbours) = (Vec::new(), Vec::new());
    for query in 0..queries.len() {
        let embedding = model.embed(queries.image(query), &mut workspace)?;
        embeddings.extend(embedding.as_slice().iter().flat_map(|value| value.to_le_bytes()));
        let matches: Matches<NEIGHBOURS> = match model.network().embedding_len() {
            64 => Gallery::<'_, 0, 64>::new(&model, Some(file.view()?))?.search(&embedding),
            256 => Gallery::<'_, 0, 256>::new(&model, Some(file.view()?))?.search(&embedding),
            other => anyhow::bail!("no firmware has embeddings of {other} dimensions"),
        };
        ensure!(matches.len() == NEIGHBOURS, "the gallery has too few items");
        for found in &matches {
            neighbours.push(u8::try_from(found.id)?);
        }
    }
    let labels = queries.labels.iter().map(|&label| u8::try_from(label));
    for (name, bytes) in [
        ("images", queries.pixels),
        ("labels", labels.collect::<Result<_, _>>()?),
        ("embeddings", embeddings),
        ("neighbours", neighbours),
    ] {
        let path = directory.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
