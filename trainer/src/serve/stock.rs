//! What is served: models, a gallery in each of their codes, and pictures.

use std::collections::HashMap;

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
    /// The pictures, one after another.
    pixels: Vec<u8>,
    /// Which picture is an item's.
    pictures: Vec<Option<u32>>,
    style: Style,
}

/// Images that are embedded at a time to find the pictures of a gallery.
const CHUNK: usize = 1000;

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
        let pictures = (0..data.len() as u32).map(Some).collect();
        Ok(Stock { models, galleries, pixels: data.pixels.clone(), pictures, style })
    }

    /// A gallery that was read from a file, made by one of `models`. The
    /// pictures of its items are looked for in `data`: an image of the item's
    /// label with exactly its embedding. If all are found, there is a gallery
    /// in the models' other codes too. Runs on rayon's current pool.
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
        let mut pictures = vec![None; gallery.labels().len()];
        if let Some(data) = data {
            find_pictures(&models[model], &gallery, data, &mut pictures)?;
            let found: Option<Vec<u32>> = pictures.iter().copied().collect();
            if let Some(found) = found.filter(|found| !found.is_empty()) {
                return Stock::of_data(models, &data.subset(&found));
            }
        }
        let (mut pixels, mut len) = (Vec::new(), 0);
        for picture in &mut pictures {
            let image = picture.zip(data).map(|(i, data)| data.image(i as usize));
            *picture = image.map(|image| {
                pixels.extend_from_slice(image);
                len += 1;
                len - 1
            });
        }
        let shape = models[model].network.input();
        let known = if pixels.is_empty() { &models[model].self_test_images } else { &pixels };
        let style = Style::of(shape, known);
        let galleries = vec![CodedGallery { model, gallery }];
        Ok(Stock { models, galleries, pixels, pictures, style })
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
        self.pictures.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// The picture of an item, if there is one.
    pub fn picture(&self, id: u32) -> Option<&[u8]> {
        let index = (*self.pictures.get(id as usize)?)? as usize;
        let len = self.shape().len();
        self.pixels.get(index * len..(index + 1) * len)
    }

    /// How many items have a picture.
    pub fn picture_count(&self) -> usize {
        self.pictures.iter().flatten().count()
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

/// Writes into `pictures` the index of each item's image, where there is one.
fn find_pictures(
    model: &LoadedModel,
    gallery: &LoadedGallery,
    data: &Dataset,
    pictures: &mut [Option<u32>],
) -> Result<(), SearchError> {
    let code = gallery.code();
    let embeddings = with_code!(code, C => embedding_bits::<C>(gallery))?;
    let mut wanted: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
    for (item, bits) in embeddings.into_iter().enumerate() {
        wanted.entry(bits).or_default().push(item);
    }
    let labels = gallery.labels();
    let all: Vec<u32> = (0..data.len() as u32).collect();
    for indices in all.chunks(CHUNK) {
        let coded = model.encode(&data.subset(indices), code)?;
        let words = bits(&coded.words);
        for (&index, bits) in indices.iter().zip(words.chunks_exact(words.len() / indices.len())) {
            let Some(items) = wanted.get_mut(bits) else { continue };
            let label = &data.class_names[usize::from(data.labels[index as usize])];
            let found = items.extract_if(.., |item| labels[*item] == *label);
            found.for_each(|item| pictures[item] = Some(index));
            if items.is_empty() {
                wanted.remove(bits);
            }
        }
        if wanted.is_empty() {
            break;
        }
    }
    Ok(())
}

/// The words of each item, as their bits.
fn embedding_bits<C: Code>(gallery: &LoadedGallery) -> Result<Vec<Vec<u32>>, GalleryFileError> {
    let view = gallery.view::<C>()?;
    Ok(view.embeddings().map(|words| bytemuck::cast_slice(words).to_vec()).collect())
}
