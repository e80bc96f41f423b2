//! `trainer search`.

use std::path::{Path, PathBuf};

use clap::Args;
use lookalike::Match;
use lookalike_trainer::data::{Dataset, image_file};
use lookalike_trainer::files::{load_gallery_of, load_model};
use serde::Serialize;

use super::output::{print, print_json};

/// Find the items of a gallery that look most like a picture.
///
/// Pictures are PNG, JPEG or BMP; the middle of each is scaled to the network's
/// input, and turned to grey where it has one channel.
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
        let shape = model.network.input();
        let mut queries =
            Dataset { shape, pixels: Vec::new(), labels: Vec::new(), class_names: Vec::new() };
        for path in &self.images {
            queries.pixels.extend(image_file::load(path, shape, self.invert)?);
            queries.labels.push(0);
        }
        let found = gallery.search(&model, &queries, usize::from(self.k))?;
        let mut results = Vec::new();
        for (image, matches) in self.images.iter().zip(found) {
            let item = |m: &Match| Item {
                id: m.id,
                label: gallery.labels().get(m.id as usize).map_or("", String::as_str),
                distance: m.distance,
            };
            results.push(Found { image, matches: matches.iter().map(item).collect() });
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
