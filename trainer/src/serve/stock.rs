//! What is served: models, a gallery in each of their codes, and pictures.

use lookalike::{Code, GalleryFileError, Shape};

use super::Style;
use super::shelf::{bits, with_code};
use crate::data::Dataset;
use crate::files::{CodeKind, LoadedGallery, LoadedModel, SearchError};

/// Why there is nothing to serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StockError {
    /// A browser's pictures do not fit the network.
    #[error(
        "the network takes images of {0} channels, but a picture can only give 1 (grey) or 3 \
         (colour); serve a model with one of these"
    )]
    Channels(usize),
    /// The models take different images.
    #[error(
        "the models take images of different sizes; give the int8 model that was made of the f32 one"
    )]
    Models,
    /// A gallery cannot be made or opened.
    #[error(transparent)]
    Search(#[from] SearchError),
}

/// One gallery and the model that made it.
#[derive(Debug)]
pub(super) struct CodedGallery {
    /// Index of the model.
    pub model: usize,
    pub gallery: LoadedGallery,
}

/// Models, the same items as a gallery in each code, and the items' pictures.
#[derive(Debug)]
pub struct Stock {
    pub(super) models: Vec<LoadedModel>,
    pub(super) galleries: Vec<CodedGallery>,
    items: usize,
    /// The items' pictures, one after another; none if they are not known.
    pixels: Vec<u8>,
    style: Style,
}

impl Stock {
    /// Galleries of all images of `data` in every code that `models` make: an
    /// f32 model, an int8 one, or both. Runs on rayon's current pool.
    ///
    /// # Errors
    /// [`StockError`] when the models do not fit each other or a browser.
    ///
    /// # Panics
    /// When there is no model, or the images are not of its input shape.
    pub fn of_data(models: Vec<LoadedModel>, data: &Dataset) -> Result<Stock, StockError> {
        check(&models)?;
        let mut galleries = Vec::new();
        for (index, model) in models.iter().enumerate() {
            for code in codes(model, models.len() == 1) {
                let gallery = LoadedGallery::of(model, data, code)?;
                galleries.push(CodedGallery { model: index, gallery });
            }
        }
        let style = Style::of(data.shape, &data.pixels);
        let (items, pixels) = (data.len(), data.pixels.clone());
        Ok(Stock { models, galleries, items, pixels, style })
    }

    /// A gallery that was read from a file, made by one of `models`. If it was
    /// made of `data` as `trainer gallery` does it, of the first images of each
    /// class, its items have pictures, and there is a gallery in the models'
    /// other codes too. Runs on rayon's current pool.
    ///
    /// # Errors
    /// As [`Stock::of_data`].
    ///
    /// # Panics
    /// When there is no model, or the images are not of its input shape.
    pub fn of_gallery(
        models: Vec<LoadedModel>,
        gallery: LoadedGallery,
        data: Option<&Dataset>,
    ) -> Result<Stock, StockError> {
        check(&models)?;
        let fingerprint = gallery.fingerprint();
        let model = models.iter().position(|m| m.fingerprint == fingerprint).unwrap_or(0);
        if let Some(data) = data {
            let data = data.first_per_class(most_of_a_label(gallery.labels()));
            if was_made_of(&models[model], &gallery, &data)? {
                return Stock::of_data(models, &data);
            }
        }
        let items = gallery.labels().len();
        // Images of the same kind at least, if not the gallery's.
        let images = data.map_or(&models[model].self_test_images, |data| &data.pixels);
        let style = Style::of(models[model].network.input(), images);
        let galleries = vec![CodedGallery { model, gallery }];
        Ok(Stock { models, galleries, items, pixels: Vec::new(), style })
    }

    /// The networks' input.
    pub fn shape(&self) -> Shape {
        self.models[0].network.input()
    }

    /// The codes that there are galleries in.
    pub fn codes(&self) -> impl ExactSizeIterator<Item = CodeKind> {
        self.galleries.iter().map(|coded| coded.gallery.code())
    }

    /// Number of items that cannot be removed.
    pub fn len(&self) -> usize {
        self.items
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// The picture of an item, if there is one.
    pub fn picture(&self, id: u32) -> Option<&[u8]> {
        self.pixels.chunks_exact(self.shape().len()).nth(id as usize)
    }

    /// Whether the items have pictures.
    pub fn has_pictures(&self) -> bool {
        !self.pixels.is_empty()
    }

    /// How the images look that the networks know.
    pub fn style(&self) -> Style {
        self.style
    }
}

fn check(models: &[LoadedModel]) -> Result<(), StockError> {
    let shape = models[0].network.input();
    if shape.channels != 1 && shape.channels != 3 {
        return Err(StockError::Channels(shape.channels));
    }
    if models.iter().any(|model| model.network.input() != shape) {
        return Err(StockError::Models);
    }
    Ok(())
}

/// The codes that a model makes; of an f32 model u8 only where it is `alone`,
/// since an int8 model's are what a device has.
fn codes(model: &LoadedModel, alone: bool) -> Vec<CodeKind> {
    let Some(quantized) = model.quantized() else {
        return if alone { vec![CodeKind::F32, CodeKind::U8] } else { vec![CodeKind::F32] };
    };
    let mut codes = vec![CodeKind::U8];
    if !quantized.coder.offsets.is_empty() {
        codes.push(CodeKind::Projected);
    }
    if !quantized.coder.is_empty() {
        codes.extend([CodeKind::Binary, CodeKind::TwoStage]);
    }
    codes
}

/// The number of items of the label that has the most.
fn most_of_a_label(labels: &[String]) -> usize {
    let mut labels: Vec<&String> = labels.iter().collect();
    labels.sort_unstable();
    labels.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap_or(0)
}

/// Whether the items are the images of `data`, by label and embedding.
fn was_made_of(
    model: &LoadedModel,
    gallery: &LoadedGallery,
    data: &Dataset,
) -> Result<bool, SearchError> {
    let names = data.labels.iter().map(|&label| &data.class_names[usize::from(label)]);
    if data.is_empty() || !names.eq(gallery.labels()) {
        return Ok(false);
    }
    let code = gallery.code();
    let embeddings = with_code!(code, C => embedding_bits::<C>(gallery))?;
    Ok(bits(&model.encode(data, code)?.words) == embeddings)
}

/// The words of all items, as their bits.
fn embedding_bits<C: Code>(gallery: &LoadedGallery) -> Result<Vec<u32>, GalleryFileError> {
    let view = gallery.view::<C>()?;
    Ok(view.embeddings().flat_map(bytemuck::cast_slice).copied().collect())
}
