//! Searches, enrols and removes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lookalike::gallery::MAX_LABEL;
use lookalike::{GalleryError, GalleryFileError, Recognition, Rule};
use serde::Serialize;

use super::saved::{self, SavedError, SavedItem};
use super::shelf::{self, Memory, Shelf};
use super::stock::CodedGallery;
use super::{Stock, picture};
use crate::data::Dataset;
use crate::files::{CodeKind, SearchError, Words};

/// The most bytes of pictures that are enrolled.
const MAX_ENROLLED_BYTES: usize = 64 << 20;

/// Why something cannot be found, enrolled or removed. Each message is for the
/// person at the page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinderError {
    /// There is no gallery in the code.
    #[error("There is no gallery in the code {}.", .0.name())]
    Code(CodeKind),
    /// The name cannot be a label.
    #[error(
        "A name has 1 to {MAX_LABEL} bytes (a letter with an accent takes 2) and no line breaks."
    )]
    Name,
    /// As many items are enrolled as there is room for.
    #[error("No more than {0} things can be enrolled. Delete one first.")]
    Full(usize),
    /// The item belongs to the gallery that is served.
    #[error(
        "Item {0} belongs to the gallery that is served. Only what was enrolled here can be deleted."
    )]
    ReadOnly(u32),
    /// There is no such item.
    #[error("There is no item {0}.")]
    Unknown(u32),
    /// The embedding is not finite, or a gallery refuses it.
    #[error(
        "The model makes no embedding of this picture: its weights are too large. Train it again."
    )]
    Embedding,
    /// The file of `--save` cannot be written.
    #[error("{0}")]
    Save(#[from] SavedError),
    /// The items do not make a gallery file.
    #[error("This gallery cannot be written: {0}.")]
    Gallery(GalleryFileError),
}

/// What was enrolled on the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Enrolled {
    /// Its id in every gallery.
    pub id: u32,
    /// Its name.
    pub name: String,
}

/// One code that can be searched in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeInfo {
    /// The code.
    pub code: CodeKind,
    /// Bytes of one embedding.
    pub item_bytes: usize,
    /// Whether the model that makes it computes in 8-bit integers.
    pub int8: bool,
}

/// What the page shows before anything is drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct About {
    /// Height, width and channels of the networks' input.
    pub input: [usize; 3],
    /// The codes.
    pub codes: Vec<CodeInfo>,
    /// Items that cannot be removed.
    pub items: usize,
    /// Items that can.
    pub enrolled: Vec<Enrolled>,
    /// How many there can be.
    pub capacity: usize,
    /// The most bytes of a name.
    pub name_bytes: usize,
    /// Whether the network's images have a light ground.
    pub light_ground: bool,
    /// Whether what is enrolled is kept in a file.
    pub saved: bool,
}

/// One item that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// Its id.
    pub id: u32,
    /// Its label.
    pub label: String,
    /// Squared Euclidean distance, 0 to 4.
    pub distance: f32,
    /// Whether it was enrolled on the page.
    pub enrolled: bool,
    /// Whether there is a picture of it.
    pub picture: bool,
}

/// The answer to a search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The code that was searched in.
    pub code: CodeKind,
    /// Nearest first, ties by lower id.
    pub matches: Vec<Hit>,
    /// The distance up to which the nearest item counts as recognised, if the
    /// model was calibrated for nearest items.
    pub threshold: Option<f32>,
    /// Whether it is recognised by that.
    pub recognised: Option<bool>,
    /// The network's input as a `data:` address of a PNG file.
    pub input: String,
}

struct Item {
    name: String,
    pixels: Vec<u8>,
}

/// Galleries in every code of a [`Stock`], and what is enrolled in all of them.
pub struct Finder<'a> {
    stock: &'a Stock,
    shelves: Vec<Box<dyn Shelf + 'a>>,
    enrolled: BTreeMap<u32, Item>,
    capacity: usize,
    file: Option<PathBuf>,
}

/// Memory for what a [`Finder`] enrols.
#[derive(Default)]
pub struct Room(Vec<Memory>);

impl<'a> Finder<'a> {
    /// Opens the galleries, with room for `capacity` more items (fewer if
    /// pictures are large), and enrols what `file` holds if there is one.
    ///
    /// # Errors
    /// [`SearchError`] if a gallery cannot be opened, [`SavedError`] if `file`
    /// cannot be used.
    pub fn new(
        stock: &'a Stock,
        room: &'a mut Room,
        capacity: usize,
        file: Option<PathBuf>,
    ) -> Result<Finder<'a>, OpenError> {
        let capacity = capacity.min(MAX_ENROLLED_BYTES / stock.shape().len()).max(1);
        room.0.resize_with(stock.galleries.len(), Memory::default);
        let mut shelves = Vec::new();
        for (coded, memory) in stock.galleries.iter().zip(&mut room.0) {
            let model = &stock.models[coded.model];
            shelves.push(shelf::open(model, &coded.gallery, memory, capacity)?);
        }
        let mut finder = Finder { stock, shelves, enrolled: BTreeMap::new(), capacity, file: None };
        if let Some(file) = &file {
            for SavedItem { name, pixels } in saved::load(file, stock.shape())? {
                finder.enrol(&name, pixels)?;
            }
        }
        finder.file = file;
        Ok(finder)
    }

    /// What there is.
    pub fn about(&self) -> About {
        let shape = self.stock.shape();
        let code = |index: usize, coded: &CodedGallery| CodeInfo {
            code: coded.gallery.code(),
            item_bytes: self.shelves[index].item_bytes(),
            int8: self.stock.models[coded.model].quantized().is_some(),
        };
        let codes = self.stock.galleries.iter().enumerate();
        About {
            input: [shape.height, shape.width, shape.channels],
            codes: codes.map(|(index, coded)| code(index, coded)).collect(),
            items: self.stock.len(),
            enrolled: self
                .enrolled
                .iter()
                .map(|(&id, item)| Enrolled { id, name: item.name.clone() })
                .collect(),
            capacity: self.capacity,
            name_bytes: MAX_LABEL,
            light_ground: self.stock.style().light_ground,
            saved: self.file.is_some(),
        }
    }

    /// The stock that is searched.
    pub fn stock(&self) -> &'a Stock {
        self.stock
    }

    /// The `k` items nearest to an input of the networks.
    ///
    /// # Errors
    /// [`FinderError::Code`] and [`FinderError::Embedding`].
    ///
    /// # Panics
    /// When `pixels` are not of the networks' input shape.
    pub fn search(&self, code: CodeKind, k: usize, pixels: &[u8]) -> Result<Found, FinderError> {
        let index = self.index(code)?;
        let shelf = &self.shelves[index];
        let query = self.embed(index, pixels)?;
        let matches = shelf.search(&query, k).ok_or(FinderError::Embedding)?;
        let acceptance = self.stock.models[self.stock.galleries[index].model].acceptance;
        let acceptance = acceptance.filter(|acceptance| acceptance.rule == Rule::NearestItem);
        // A threshold holds for the model's own embeddings.
        let own = code == self.stock.models[self.stock.galleries[index].model].code();
        let threshold = acceptance.filter(|_| own).map(|acceptance| acceptance.threshold);
        let nearest = matches.first().copied();
        let recognised = threshold.map(|t| Recognition::new(nearest, t).known().is_some());
        let hit = |found: &lookalike::Match| Hit {
            id: found.id,
            label: shelf.label(found.id).unwrap_or_default().to_owned(),
            distance: found.distance,
            enrolled: self.enrolled.contains_key(&found.id),
            picture: self.pixels(found.id).is_some(),
        };
        Ok(Found {
            code,
            matches: matches.iter().map(hit).collect(),
            threshold,
            recognised,
            input: picture::data_url(self.stock.shape(), pixels),
        })
    }

    /// Adds an input under a name to the galleries of all codes, and to the file.
    ///
    /// # Errors
    /// [`FinderError`]; nothing is then enrolled.
    ///
    /// # Panics
    /// When `pixels` are not of the networks' input shape.
    pub fn enrol(&mut self, name: &str, pixels: Vec<u8>) -> Result<Enrolled, FinderError> {
        let name = name.trim();
        if name.is_empty() || name.len() > MAX_LABEL || name.contains(char::is_control) {
            return Err(FinderError::Name);
        }
        if self.enrolled.len() >= self.capacity {
            return Err(FinderError::Full(self.capacity));
        }
        let indices = 0..self.shelves.len();
        let embeddings: Result<Vec<Words>, FinderError> =
            indices.map(|index| self.embed(index, &pixels)).collect();
        let mut id = None;
        for (shelf, embedding) in self.shelves.iter_mut().zip(&embeddings?) {
            match shelf.enrol(id, name, embedding) {
                Ok(given) => id = Some(given),
                Err(error) => {
                    self.forget(id);
                    return Err(match error {
                        GalleryError::Full | GalleryError::Ids => FinderError::Full(self.capacity),
                        _ => FinderError::Embedding,
                    });
                }
            }
        }
        let id = id.expect("there is a gallery in at least one code");
        self.enrolled.insert(id, Item { name: name.to_owned(), pixels });
        if let Err(error) = self.save() {
            self.enrolled.remove(&id);
            self.forget(Some(id));
            return Err(error);
        }
        Ok(Enrolled { id, name: name.to_owned() })
    }

    /// Removes what was enrolled, from the file as well.
    ///
    /// # Errors
    /// [`FinderError`]; nothing is then removed.
    pub fn remove(&mut self, id: u32) -> Result<Enrolled, FinderError> {
        let Some(item) = self.enrolled.remove(&id) else {
            let read_only = (id as usize) < self.stock.len();
            return Err(if read_only {
                FinderError::ReadOnly(id)
            } else {
                FinderError::Unknown(id)
            });
        };
        // First the file: what was confirmed as deleted must not come back.
        if let Err(error) = self.save() {
            self.enrolled.insert(id, item);
            return Err(error);
        }
        self.forget(Some(id));
        Ok(Enrolled { id, name: item.name })
    }

    /// The picture of an item as a PNG file.
    pub fn thumbnail(&self, id: u32) -> Option<Vec<u8>> {
        Some(picture::png(self.stock.shape(), self.pixels(id)?))
    }

    /// The gallery of one code with all that is enrolled, as a file that
    /// firmware and `trainer search` take. Items are numbered anew.
    ///
    /// # Errors
    /// [`FinderError::Code`] and [`FinderError::Gallery`].
    pub fn gallery_file(&self, code: CodeKind) -> Result<Vec<u8>, FinderError> {
        self.shelves[self.index(code)?].file().map_err(FinderError::Gallery)
    }

    fn index(&self, code: CodeKind) -> Result<usize, FinderError> {
        self.stock.codes().position(|c| c == code).ok_or(FinderError::Code(code))
    }

    fn pixels(&self, id: u32) -> Option<&[u8]> {
        let enrolled = self.enrolled.get(&id).map(|item| item.pixels.as_slice());
        enrolled.or_else(|| self.stock.picture(id))
    }

    fn embed(&self, index: usize, pixels: &[u8]) -> Result<Words, FinderError> {
        let coded = &self.stock.galleries[index];
        let shape = self.stock.shape();
        let pixels = pixels.to_vec();
        let query = Dataset { shape, pixels, labels: vec![0], class_names: Vec::new() };
        let model = &self.stock.models[coded.model];
        let code = coded.gallery.code();
        model.encode(&query, code).map(|c| c.words).map_err(|_| FinderError::Code(code))
    }

    /// Removes an item from the galleries that have it.
    fn forget(&mut self, id: Option<u32>) {
        for shelf in &mut self.shelves {
            if let Some(id) = id {
                // A gallery that it has not come to yet does not know it.
                let _ = shelf.remove(id);
            }
        }
    }

    fn save(&self) -> Result<(), FinderError> {
        let Some(file) = &self.file else { return Ok(()) };
        let item = |item: &Item| SavedItem { name: item.name.clone(), pixels: item.pixels.clone() };
        let items = self.enrolled.values().map(item).collect();
        Ok(saved::save(file, self.stock.shape(), items)?)
    }
}

/// Why a [`Finder`] cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A gallery cannot be opened.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The file of `--save` cannot be used.
    #[error(transparent)]
    Saved(#[from] SavedError),
    /// What it holds cannot be enrolled.
    #[error("what was saved cannot be enrolled: {0}")]
    Enrol(#[from] FinderError),
}
