//! Makes what `firmware-example` keeps in flash beside a model: a gallery of
//! the classes that the model was trained on, test images, and what the desktop
//! answers for them.
//!
//! ```text
//! cargo run --release -p lookalike-tests --example firmware_assets -- DIRECTORY EXCLUDED
//! ```
//!
//! reads `DIRECTORY/model` and leaves the class EXCLUDED out of the gallery.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use lookalike::{Gallery, Matches, Model};
use lookalike_trainer::data::mnist;
use lookalike_trainer::files::{AlignedBytes, load_gallery, load_model, save_gallery};

/// Items of the gallery.
const ITEMS: u32 = 200;
/// Images that are embedded and searched.
const QUERIES: u32 = 100;
/// Neighbours that are compared.
const NEIGHBOURS: usize = 10;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, excluded] = arguments.as_slice() else {
        anyhow::bail!("usage: firmware_assets DIRECTORY EXCLUDED");
    };
    let (directory, excluded) = (Path::new(directory), excluded.parse()?);
    let model_path = directory.join("model");
    let gallery_path = directory.join("gallery");

    let first: Vec<u32> = (0..ITEMS).collect();
    let items = mnist::train().filter_classes(&[], &[excluded])?.subset(&first);
    save_gallery(&gallery_path, &load_model(&model_path)?, &items)?;

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
            64 => Gallery::<'_, 0, 64>::new(&model, Some(file.view()))?.search(&embedding),
            256 => Gallery::<'_, 0, 256>::new(&model, Some(file.view()))?.search(&embedding),
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
