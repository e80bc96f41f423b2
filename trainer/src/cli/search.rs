//! `trainer search`.

use std::path::{Path, PathBuf};

use clap::Args;
use lookalike::{Embedding, F32, Match, TopK, squared_distance};
use lookalike_trainer::data::{Dataset, image_file};
use lookalike_trainer::files::{load_gallery_of, load_model};
use lookalike_trainer::nn;
use serde::Serialize;

use super::output::{print, print_json};

/// Find the items of a gallery that look most like a picture.
///
/// Pictures are PNG, JPEG or BMP; they are scaled to the network's input and
/// turned to grey where it has one channel.
#[derive(Args)]
#[command(
    after_help = "Example:\n  trainer search digits.model --gallery digits.gallery seven.png -k 5"
)]
pub struct Search {
    /// The model file.
    model: PathBuf,
    /// The gallery file, made by the same model.
    #[arg(long, value_name = "FILE")]
    gallery: PathBuf,
    /// The pictures to look for.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// How many items to show for each.
    #[arg(short, value_name = "K", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    k: u16,
    /// Invert the pictures: for dark drawings on light paper where the network
    /// knows light ones on a dark ground.
    #[arg(long)]
    invert: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Results<'a> {
    results: Vec<Found<'a>>,
}

/// What was found for one picture.
#[derive(Serialize)]
struct Found<'a> {
    image: &'a Path,
    matches: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: u32,
    label: &'a str,
    distance: f32,
}

impl Search {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let model = load_model(&self.model)?;
        let gallery = load_gallery_of(&self.gallery, &model)?;
        let gallery = gallery.view();
        let shape = model.parameters.network.input();
        let mut queries =
            Dataset { shape, pixels: Vec::new(), labels: Vec::new(), class_names: Vec::new() };
        for path in &self.images {
            queries.pixels.extend(image_file::load(path, shape, self.invert)?);
            queries.labels.push(0);
        }
        let embeddings = nn::embed(&model.parameters, &queries);

        let mut slots = vec![Match { id: 0, distance: 0.0 }; usize::from(self.k)];
        let mut results = Vec::new();
        for (image, row) in self.images.iter().zip(embeddings.rows()) {
            let query = Embedding::<F32>::from_slice(row.to_slice().expect("standard layout"))?;
            let mut nearest = TopK::new(&mut slots);
            for (id, item) in (0..).zip(gallery.embeddings()) {
                let distance = squared_distance(query.as_slice(), item);
                nearest.insert(Match { id, distance });
            }
            let item = |m: &Match| Item {
                id: m.id,
                label: gallery.label(m.id).unwrap_or_default(),
                distance: m.distance,
            };
            results.push(Found { image, matches: nearest.as_slice().iter().map(item).collect() });
        }
        if self.json {
            return print_json(&Results { results });
        }
        print(&results.iter().map(table).collect::<Vec<_>>().join("\n"))
    }
}

fn table(found: &Found<'_>) -> String {
    let mut text = format!("{}\n  rank  distance      id  label\n", found.image.display());
    for (i, item) in found.matches.iter().enumerate() {
        text +=
            &format!("  {:>4}  {:>8.4}  {:>6}  {}\n", i + 1, item.distance, item.id, item.label);
    }
    text
}
