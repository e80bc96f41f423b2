//! Writes a folder of synthetic photos whose classes differ in colour as much
//! as in form: discs and crosses in three colours of the same brightness, in
//! PNG, JPEG and BMP files of several sizes.
//!
//! ```text
//! cargo run --release -p lookalike-tests --example colour_photos -- DIRECTORY
//! ```

use std::path::Path;

use anyhow::{Context, Result};
use image::{Rgb, RgbImage};
use lookalike_tests::random::SplitMix;

/// Photos of each class.
const PHOTOS: u64 = 60;
/// Colours with a luma of 95 to 101: in grey they look alike.
const COLOURS: [(&str, [u8; 3]); 3] =
    [("red", [220, 70, 60]), ("green", [40, 120, 60]), ("blue", [60, 92, 250])];
const FORMS: [&str; 2] = ["disc", "cross"];
const EXTENSIONS: [&str; 3] = ["png", "jpg", "bmp"];

fn main() -> Result<()> {
    let directory = std::env::args().nth(1).context("usage: colour_photos DIRECTORY")?;
    for (class, (colour_name, colour)) in COLOURS.into_iter().enumerate() {
        for (form, form_name) in FORMS.into_iter().enumerate() {
            let folder = Path::new(&directory).join(format!("{colour_name} {form_name}"));
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("making {}", folder.display()))?;
            for number in 0..PHOTOS {
                let seed = (class * FORMS.len() + form) as u64 * PHOTOS + number;
                let extension = EXTENSIONS[number as usize % EXTENSIONS.len()];
                let path = folder.join(format!("{number:02}.{extension}"));
                photo(form, colour, &mut SplitMix(seed))
                    .save(&path)
                    .with_context(|| format!("writing {}", path.display()))?;
            }
        }
    }
    Ok(())
}

/// The form, somewhere near the middle, on a ground of grey noise.
fn photo(form: usize, colour: [u8; 3], random: &mut SplitMix) -> RgbImage {
    let mut between = |least: f32, most: f32| least + (most - least) * random.unit();
    let [width, height] = [between(60.0, 140.0), between(60.0, 100.0)];
    let side = width.min(height);
    let [x, y] = [width, height].map(|length| length / 2.0 + between(-0.08, 0.08) * side);
    let size = between(0.25, 0.36) * side;
    let ground = between(120.0, 220.0);
    RgbImage::from_fn(width as u32, height as u32, |column, row| {
        let [dx, dy] = [column as f32 - x, row as f32 - y].map(f32::abs);
        let inside = match form {
            0 => dx.hypot(dy) < size,
            _ => dx.max(dy) < size && dx.min(dy) < 0.3 * size,
        };
        let noise = 24.0 * (random.unit() - 0.5);
        Rgb(colour
            .map(|value| if inside { f32::from(value) + noise } else { ground + noise } as u8))
    })
}
