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
const RIGHT: Rgb<u8> = Rgb([40, 150, 80]);

/// Draws each row's query in a blue frame, and beside it its neighbours from
/// left to right and top to bottom: those of another class in a red frame, the
/// right ones in a thin green one. Returns the PNG file's bytes.
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

#[cfg(test)]
mod tests {
    use lookalike::Shape;

    use super::*;

    /// Images of one colour each: image i is filled with the value 10 i, plus
    /// the channel's number.
    fn dataset(channels: usize, labels: &[u16]) -> Dataset {
        let shape = Shape { height: 20, width: 18, channels };
        let pixels = (0..labels.len()).flat_map(|image| {
            (0..20 * 18 * channels).map(move |at| (10 * image + at % channels) as u8)
        });
        let class_names = vec!["a".to_string(), "b".to_string()];
        Dataset { shape, pixels: pixels.collect(), labels: labels.to_vec(), class_names }
    }

    fn sheet(dataset: &Dataset, rows: &[SheetRow]) -> RgbImage {
        let png = retrieval_sheet_png(dataset, rows).unwrap();
        image::load_from_memory_with_format(&png, ImageFormat::Png).unwrap().into_rgb8()
    }

    #[test]
    fn pictures_and_frames_are_where_they_belong() {
        let dataset = dataset(3, &[0, 0, 1]);
        let rows = [
            SheetRow { query: 0, neighbours: vec![1, 2] },
            SheetRow { query: 2, neighbours: vec![0] },
        ];
        let sheet = sheet(&dataset, &rows);
        // Pictures are 60 x 54 at a factor of 3, 66 x 60 with their frames;
        // neighbours start behind the query and two margins, 62 pixels apart.
        assert_eq!(sheet.dimensions(), (14 + 60 + 14 + 2 * 62 + 14, 14 + 2 * (66 + 14)));
        let frame = |left: u32, top: u32| *sheet.get_pixel(left + 30, top + 2);
        let picture = |left: u32, top: u32| *sheet.get_pixel(left + 30, top + 30);
        assert_eq!([frame(14, 14), picture(14, 14)], [QUERY, Rgb([0, 1, 2])]);
        assert_eq!([frame(88, 14), picture(88, 14)], [RIGHT, Rgb([10, 11, 12])]);
        assert_eq!([frame(150, 14), picture(150, 14)], [WRONG, Rgb([20, 21, 22])]);
        assert_eq!([frame(14, 94), picture(14, 94)], [QUERY, Rgb([20, 21, 22])]);
        assert_eq!([frame(88, 94), picture(88, 94)], [WRONG, Rgb([0, 1, 2])]);
        assert_eq!([frame(150, 94), picture(150, 94)], [PAPER, PAPER]);
    }

    #[test]
    fn many_neighbours_take_several_lines_beside_a_larger_query() {
        let dataset = dataset(1, &[0, 1]);
        let sheet = sheet(&dataset, &[SheetRow { query: 1, neighbours: vec![0; 26] }]);
        let left = 14 + 18 * 6 + 6 + 14;
        assert_eq!(sheet.dimensions(), (left + 25 * 62 + 14, 14 + 2 * 68 - 2 + 14));
        assert_eq!(*sheet.get_pixel(14 + 50, 14 + 60), Rgb([10; 3]));
        let second_line = (left + 30, 14 + 68 + 30);
        assert_eq!(*sheet.get_pixel(second_line.0, second_line.1), Rgb([0; 3]));
        assert_eq!(*sheet.get_pixel(second_line.0 + 62, second_line.1), PAPER);
    }

    #[test]
    fn what_cannot_be_shown_is_an_error() {
        let row = |query, neighbours| [SheetRow { query, neighbours }];
        let error = |dataset: &Dataset, rows: &[SheetRow]| {
            retrieval_sheet_png(dataset, rows).unwrap_err().to_string()
        };
        let grey = dataset(1, &[0, 1]);
        assert!(error(&dataset(2, &[0]), &row(0, vec![])).contains("2 channels"));
        assert!(error(&grey, &[]).contains("at least one query"));
        assert!(error(&grey, &row(2, vec![])).contains("image 2 is not one of the 2"));
        assert!(error(&grey, &row(0, vec![0, 7])).contains("image 7"));
    }
}
