//! PNG, JPEG and BMP files, as a network's input and as the page takes them.

use std::path::Path;

use lookalike::Shape;
use lookalike_trainer::data::image_file;
use lookalike_trainer::serve::{Style, picture};

use crate::as_file;

/// Larger pictures are only looked at: decoding them takes seconds.
const MOST_PIXELS: u64 = 1 << 18;

/// Decodes the bytes as a picture, in grey and in colour.
pub fn run(data: &[u8]) {
    let Ok(header) = as_file(data, image_file::header) else { return };
    if u64::from(header.height) * u64::from(header.width) > MOST_PIXELS {
        return;
    }
    for channels in [1, 3] {
        let shape = Shape { height: 28, width: 20, channels };
        let pixels = image_file::from_bytes(Path::new("picture"), data, shape, channels == 3);
        let style = Style::of(shape, &vec![0; shape.len()]);
        let as_it_is = picture::Treatment::AsItIs { invert: channels == 3 };
        let shown = picture::input(data, as_it_is, shape, style);
        if let (Ok(pixels), Ok(shown)) = (&pixels, &shown) {
            assert_eq!(pixels.len(), shape.len());
            assert_eq!(pixels, shown, "the page sees what `trainer search` sees");
        }
        if let Ok(ink) = picture::input(data, picture::Treatment::Ink, shape, style) {
            assert_eq!(ink.len(), shape.len());
        }
    }
}
