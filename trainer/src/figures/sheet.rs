//! A sheet of pictures: queries and what they found.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

use crate::data::Dataset;

/// One query and the images found for it, nearest first, by their index in the
/// data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetRow {
    /// The image that searched.
    pub query: u32,
    /// The images found.
    pub neighbours: Vec<u32>,
}

/// Why no sheet can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SheetError {
    /// Only grey and RGB images have a picture.
    #[error("images of {0} channels cannot be shown: only 1 or 3")]
    Channels(usize),
    /// There is nothing to show.
    #[error("a sheet needs at least one query, and images with pixels")]
    Empty,
    /// An id is not in the data set.
    #[error("image {id} is not one of the {images} of the data set")]
    Image {
        /// The id.
        id: u32,
        /// Size of the data set.
        images: usize,
    },
    /// The PNG encoder failed.
    #[error("the picture could not be encoded: {0}")]
    Encode(#[from] image::ImageError),
}

/// Neighbours side by side; more are continued on the next line.
const COLUMNS: usize = 25;

/// Side that the longer edge of a neighbour's picture reaches at least, in
/// pixels, by whole-number scaling.
const MIN_SIDE: usize = 44;

/// Width of a frame, in pixels.
const FRAME: usize = 3;
/// Space between the frames of neighbours.
const GAP: usize = 2;
/// Space between queries and around the sheet.
const MARGIN: usize = 14;

const PAPER: Rgb<u8> = Rgb([255, 255, 255]);
const QUERY: Rgb<u8> = Rgb([0, 90, 200]);
const WRONG: Rgb<u8> = Rgb([225, 30, 30]);
const RIGHT: Rgb<u8> = Rgb([205, 205, 205]);

/// Draws each row's query in a blue frame, and beside it its neighbours from
/// left to right and top to bottom: those of another class in a red frame, the
/// right ones in a thin grey one. Returns the PNG file's bytes.
///
/// Small images are scaled by a whole factor, so that their pixels stay sharp;
/// the query is drawn about twice as large where its neighbours take two lines
/// or more.
///
/// # Errors
/// See [`SheetError`].
pub fn retrieval_sheet_png(dataset: &Dataset, rows: &[SheetRow]) -> Result<Vec<u8>, SheetError> {
    if !matches!(dataset.shape.channels, 1 | 3) {
        return Err(SheetError::Channels(dataset.shape.channels));
    }
    if rows.is_empty() || dataset.shape.is_empty() {
        return Err(SheetError::Empty);
    }
    let ids = rows.iter().flat_map(|row| row.neighbours.iter().chain([&row.query]));
    if let Some(&id) = ids.into_iter().find(|&&id| id as usize >= dataset.len()) {
        return Err(SheetError::Image { id, images: dataset.len() });
    }
    let most = rows.iter().map(|row| row.neighbours.len()).max().unwrap_or(0);
    let layout = Layout::new(dataset, most);
    let mut sheet = layout.paper(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let top = MARGIN + index * (layout.row_height() + MARGIN);
        layout.draw_row(&mut sheet, dataset, row, top);
    }
    let mut png = Cursor::new(Vec::new());
    sheet.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}

/// Sizes in pixels, the same for all rows.
struct Layout {
    height: usize,
    width: usize,
    /// Factors by which neighbours and queries are enlarged.
    scale: usize,
    query_scale: usize,
    columns: usize,
    lines: usize,
}

impl Layout {
    fn new(dataset: &Dataset, neighbours: usize) -> Self {
        let (height, width) = (dataset.shape.height, dataset.shape.width);
        let scale = MIN_SIDE.div_ceil(height.max(width));
        let lines = neighbours.div_ceil(COLUMNS).max(1);
        let query_scale = if lines > 1 { 2 * scale } else { scale };
        Layout { height, width, scale, query_scale, columns: neighbours.min(COLUMNS), lines }
    }

    /// Height and width of a neighbour with its frame and the gap behind it.
    fn cell(&self) -> (usize, usize) {
        let border = 2 * FRAME + GAP;
        (self.height * self.scale + border, self.width * self.scale + border)
    }

    fn row_height(&self) -> usize {
        let query = self.height * self.query_scale + 2 * FRAME;
        query.max(self.lines * self.cell().0 - GAP)
    }

    /// Left edge of the first neighbour.
    fn neighbours_left(&self) -> usize {
        MARGIN + self.width * self.query_scale + 2 * FRAME + MARGIN
    }

    fn paper(&self, rows: usize) -> RgbImage {
        let width = self.neighbours_left() + self.columns * self.cell().1 + MARGIN;
        let height = MARGIN + rows * (self.row_height() + MARGIN);
        RgbImage::from_pixel(width as u32, height as u32, PAPER)
    }

    fn draw_row(&self, sheet: &mut RgbImage, dataset: &Dataset, row: &SheetRow, top: usize) {
        let query_height = self.height * self.query_scale + 2 * FRAME;
        let query_top = top + (self.row_height() - query_height) / 2;
        self.draw(sheet, dataset, row.query, self.query_scale, (query_top, MARGIN), (QUERY, FRAME));
        let (cell_height, cell_width) = self.cell();
        let label = dataset.labels[row.query as usize];
        for (place, &id) in row.neighbours.iter().enumerate() {
            let right = dataset.labels[id as usize] == label;
            let frame = if right { (RIGHT, 1) } else { (WRONG, FRAME) };
            let at = (
                top + place / COLUMNS * cell_height,
                self.neighbours_left() + place % COLUMNS * cell_width,
            );
            self.draw(sheet, dataset, id, self.scale, at, frame);
        }
    }

    /// Draws an image whose frame of `FRAME` starts at `(top, left)`; of the
    /// frame only the inner `thickness` pixels are coloured.
    fn draw(
        &self,
        sheet: &mut RgbImage,
        dataset: &Dataset,
        id: u32,
        scale: usize,
        (top, left): (usize, usize),
        (colour, thickness): (Rgb<u8>, usize),
    ) {
        let (height, width) = (self.height * scale, self.width * scale);
        let channels = dataset.shape.channels;
        let pixels = dataset.image(id as usize);
        for y in FRAME - thickness..height + FRAME + thickness {
            for x in FRAME - thickness..width + FRAME + thickness {
                let inside =
                    (FRAME..height + FRAME).contains(&y) && (FRAME..width + FRAME).contains(&x);
                let pixel = if inside {
                    let (row, column) = ((y - FRAME) / scale, (x - FRAME) / scale);
                    let at = (row * self.width + column) * channels;
                    // A grey image's one value serves all three channels.
                    Rgb(std::array::from_fn(|c| pixels[at + c.min(channels - 1)]))
                } else {
                    colour
                };
                sheet.put_pixel((left + x) as u32, (top + y) as u32, pixel);
            }
        }
    }
}
