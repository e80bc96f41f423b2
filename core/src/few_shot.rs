//! Recognition from a few shots of each label: by the nearest item or by the
//! nearest prototype, with a threshold beyond which a thing is unknown.
//!
//! The nearest item of a gallery or a store is the first match of its search:
//!
//! ```
//! # use lookalike::{Match, Matches, Recognition};
//! # let mut matches: Matches<1> = Matches::new();
//! # matches.insert(Match { id: 3, distance: 0.2 });
//! // let matches: Matches<1> = gallery.search(&embedding);
//! let recognition = Recognition::new(matches.first().copied(), 0.45);
//! assert!(matches!(recognition, Recognition::Known(Match { id: 3, .. })));
//! ```

use core::fmt;

use heapless::{String, Vec};

use crate::gallery::{Item, MAX_LABEL};
use crate::{Embedding, Match, Matches, dot, squared_distance};

/// The mean of embeddings is normalised with the norm clamped below at this,
/// as an embedding is.
const SMALLEST_NORM: f32 = 1e-12;

/// The answer to "what is this?".
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Recognition {
    /// The nearest is as near as the threshold or nearer.
    Known(Match),
    /// Nothing is near enough; the nearest, if there is anything.
    Unknown(Option<Match>),
}

impl Recognition {
    /// Accepts the nearest match if its distance is at most `threshold`, a
    /// squared Euclidean distance from 0 to 4. Nothing is accepted with a
    /// threshold or a distance that is not a number.
    pub fn new(nearest: Option<Match>, threshold: f32) -> Recognition {
        match nearest {
            Some(nearest) if nearest.distance <= threshold => Recognition::Known(nearest),
            _ => Recognition::Unknown(nearest),
        }
    }

    /// The match that was accepted.
    pub fn known(&self) -> Option<Match> {
        match self {
            Recognition::Known(nearest) => Some(*nearest),
            Recognition::Unknown(_) => None,
        }
    }
}

/// The nearest of any items to a query, ties by lower id. Items of another
/// dimension than the query's are left out.
pub fn nearest_item<'i>(
    items: impl IntoIterator<Item = Item<'i>>,
    query: &Embedding<'_>,
) -> Option<Match> {
    let query = query.as_slice();
    let mut nearest = Matches::<1>::new();
    for item in items {
        if item.embedding.len() == query.len() {
            let distance = squared_distance(query, item.embedding);
            nearest.insert(Match { id: item.id, distance });
        }
    }
    nearest.first().copied()
}

/// Why an item cannot be added to prototypes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PrototypeError {
    /// There are as many labels as there is room for.
    Full,
    /// The label is longer than [`MAX_LABEL`] bytes.
    Label,
    /// The embedding has another dimension.
    Dimension {
        /// Dimension of the prototypes.
        expected: usize,
        /// Dimension given.
        found: usize,
    },
}

impl fmt::Display for PrototypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrototypeError::Full => f.write_str("there is no room for another label's prototype"),
            PrototypeError::Label => f.write_str("a label can have at most 32 bytes"),
            PrototypeError::Dimension { expected, found } => {
                write!(f, "the prototypes have {expected} dimensions, not {found}")
            }
        }
    }
}

impl core::error::Error for PrototypeError {}

/// For each of up to `C` labels, the mean of its embeddings of `D` dimensions,
/// divided by its L2 norm: the prototypes of Snell et al., "Prototypical
/// Networks for Few-shot Learning", <https://arxiv.org/abs/1703.05175>, on the
/// unit sphere. About `C` x (4 `D` + 52) bytes.
///
/// Items come from [`Gallery::iter`](crate::Gallery::iter) or from a store's `for_each`.
#[derive(Clone, Debug)]
pub struct Prototypes<const C: usize, const D: usize> {
    labels: Vec<Prototype<D>, C>,
}

#[derive(Clone, Debug)]
struct Prototype<const D: usize> {
    /// The lowest id of the label's items.
    id: u32,
    label: String<MAX_LABEL>,
    shots: u32,
    sum: [f32; D],
}

impl<const D: usize> Prototype<D> {
    /// Squared distance of two unit vectors, 2 - 2 x.y, without a copy of the
    /// normalised mean.
    fn squared_distance(&self, query: &[f32]) -> f32 {
        let shots = self.shots.max(1) as f32;
        let norm = libm::sqrtf(dot(&self.sum, &self.sum)) / shots;
        let norm = if norm > SMALLEST_NORM { norm } else { SMALLEST_NORM };
        let distance = 2.0 - 2.0 * (dot(&self.sum, query) / shots / norm);
        if distance < 0.0 { 0.0 } else { distance }
    }
}

impl<const C: usize, const D: usize> Prototypes<C, D> {
    /// No prototype yet.
    pub const fn new() -> Self {
        Prototypes { labels: Vec::new() }
    }

    /// Adds one shot of a label.
    ///
    /// # Errors
    /// [`PrototypeError::Dimension`] for an embedding of another dimension,
    /// [`PrototypeError::Label`] for a label of more than [`MAX_LABEL`] bytes,
    /// [`PrototypeError::Full`] for a new label with `C` labels present. The
    /// prototypes are then as they were.
    pub fn add(&mut self, item: &Item<'_>) -> Result<(), PrototypeError> {
        let found = item.embedding.len();
        if found != D {
            return Err(PrototypeError::Dimension { expected: D, found });
        }
        let prototype = match self.labels.iter_mut().find(|known| known.label == item.label) {
            Some(prototype) => prototype,
            None => {
                let label = String::try_from(item.label).map_err(|_| PrototypeError::Label)?;
                let new = Prototype { id: item.id, label, shots: 0, sum: [0.0; D] };
                self.labels.push(new).map_err(|_| PrototypeError::Full)?;
                self.labels.last_mut().ok_or(PrototypeError::Full)?
            }
        };
        prototype.id = prototype.id.min(item.id);
        prototype.shots = prototype.shots.saturating_add(1);
        for (sum, value) in prototype.sum.iter_mut().zip(item.embedding) {
            *sum += value;
        }
        Ok(())
    }

    /// The nearest prototype, with the lowest id of its label's items; ties by
    /// lower id. `None` without a prototype or for a query of another dimension.
    pub fn nearest(&self, query: &Embedding<'_>) -> Option<Match> {
        let query = query.as_slice();
        if query.len() != D {
            return None;
        }
        let mut nearest = Matches::<1>::new();
        for prototype in &self.labels {
            let distance = prototype.squared_distance(query);
            nearest.insert(Match { id: prototype.id, distance });
        }
        nearest.first().copied()
    }

    /// The label whose prototype has this id.
    pub fn label(&self, id: u32) -> Option<&str> {
        self.labels.iter().find(|known| known.id == id).map(|known| known.label.as_str())
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no prototype.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Forgets all prototypes.
    pub fn clear(&mut self) {
        self.labels.clear();
    }
}

impl<const C: usize, const D: usize> Default for Prototypes<C, D> {
    fn default() -> Self {
        Self::new()
    }
}
