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
use crate::{Code, Embedding, Match, Matches, dot};

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
/// length than the query's are left out.
pub fn nearest_item<'i, C: Code>(
    items: impl IntoIterator<Item = Item<'i, C>>,
    query: &Embedding<'_, C>,
) -> Option<Match> {
    let query = query.as_slice();
    let matches = Matches::<1>::found_by(|mut nearest| {
        for item in items {
            if item.embedding.len() == query.len() {
                nearest.insert(item.id, C::key(query, item.embedding));
            }
        }
        nearest.finish(|id| id, |key| C::distance(key, query.len()))
    });
    matches.first().copied()
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
    /// The embedding is not one of the prototypes' dimension.
    Dimension {
        /// Dimension of the prototypes.
        expected: usize,
        /// Values of the embedding; with an integer code, those that its words
        /// have room for.
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
/// Embeddings of any code are taken by their values ([`Embedding::values`]).
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
    pub fn add<K: Code>(&mut self, item: &Item<'_, K>) -> Result<(), PrototypeError> {
        let values = K::values(item.embedding);
        if item.embedding.len() != K::words(D) {
            return Err(PrototypeError::Dimension { expected: D, found: values.len() });
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
        for (sum, value) in prototype.sum.iter_mut().zip(values) {
            *sum += value;
        }
        Ok(())
    }

    /// The nearest prototype, with the lowest id of its label's items; ties by
    /// lower id. `None` without a prototype or for a query of another dimension.
    pub fn nearest<K: Code>(&self, query: &Embedding<'_, K>) -> Option<Match> {
        if query.as_slice().len() != K::words(D) {
            return None;
        }
        let mut values = [0.0; D];
        for (to, from) in values.iter_mut().zip(query.values()) {
            *to = from;
        }
        let mut nearest = Matches::<1>::new();
        for prototype in &self.labels {
            let distance = prototype.squared_distance(&values);
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

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::{F32, squared_distance};

    const D: usize = 3;

    /// A label and a vector of unit length; few of both, so that ties are common.
    fn shot() -> impl Strategy<Value = (u8, [f32; D])> {
        let vector = prop::array::uniform3(-1i8..=1).prop_filter_map("zero", |v| {
            let mut values = v.map(f32::from);
            (values != [0.0; D]).then(|| {
                Embedding::normalize(&mut values).unwrap();
                values
            })
        });
        (0u8..4, vector)
    }

    fn squared_norm_of_difference(x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
    }

    /// Distance to a label's normalised mean as it is written in a textbook;
    /// `None` if the shots cancel each other.
    fn naive_distance(shots: &[[f32; D]], query: &[f32; D]) -> Option<f64> {
        let mean: [f64; D] = core::array::from_fn(|i| {
            shots.iter().map(|shot| f64::from(shot[i])).sum::<f64>() / shots.len() as f64
        });
        let norm = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
        (norm > 1e-3)
            .then(|| squared_norm_of_difference(&mean.map(|x| x / norm), &query.map(f64::from)))
    }

    proptest! {
        #[test]
        fn nearest_item_and_prototype_equal_the_oracle(
            shots in prop::collection::vec(shot(), 0..12),
            (_, query) in shot(),
            first in 0u32..3,
        ) {
            let labels: Vec<_> = shots.iter().map(|(label, _)| label.to_string()).collect();
            let items = || (first..).zip(&labels).zip(&shots).map(|((id, label), shot)| Item::<F32> {
                id,
                label,
                embedding: &shot.1,
            });
            let query_embedding = Embedding::<F32>::from_slice(&query).unwrap();

            let mut ranked: Vec<Match> = items()
                .map(|item| Match {
                    id: item.id,
                    distance: squared_distance(item.embedding, &query),
                })
                .collect();
            ranked.sort_by(Match::rank);
            prop_assert_eq!(nearest_item(items(), &query_embedding), ranked.first().copied());

            let mut prototypes = Prototypes::<4, D>::new();
            // The order of arrival must not matter.
            let mut shuffled: Vec<_> = items().collect();
            shuffled.rotate_left(shots.len() / 2);
            for item in &shuffled {
                prototypes.add(item).unwrap();
            }
            let mut nearest = None::<(f64, u32)>;
            let mut all_apart = true;
            for label in 0u8..4 {
                let of_label: Vec<_> =
                    shots.iter().filter(|shot| shot.0 == label).map(|shot| shot.1).collect();
                let Some(position) = shots.iter().position(|shot| shot.0 == label) else {
                    continue;
                };
                let id = first + position as u32;
                let name = label.to_string();
                prop_assert_eq!(prototypes.label(id), Some(name.as_str()));
                match naive_distance(&of_label, &query) {
                    None => all_apart = false,
                    Some(distance) => {
                        all_apart &= nearest.is_none_or(|(d, _)| (d - distance).abs() > 1e-5);
                        if nearest.is_none_or(|(d, _)| distance < d) {
                            nearest = Some((distance, id));
                        }
                    }
                }
            }
            let found = prototypes.nearest(&query_embedding);
            prop_assert_eq!(found.is_some(), !shots.is_empty());
            if let (true, Some((distance, id)), Some(found)) = (all_apart, nearest, found) {
                prop_assert!((f64::from(found.distance) - distance).abs() < 1e-5);
                prop_assert_eq!(found.id, id);
            }
        }
    }

    fn item<'a>(id: u32, label: &'a str, embedding: &'a [f32]) -> Item<'a> {
        Item { id, label, embedding }
    }

    #[test]
    fn a_prototype_is_the_normalised_mean() {
        let mut prototypes = Prototypes::<2, 2>::new();
        for (id, label, values) in
            [(4, "cup", [1.0, 0.0]), (2, "cup", [0.0, 1.0]), (3, "pen", [-1.0, 0.0])]
        {
            prototypes.add(&item(id, label, &values)).unwrap();
        }
        let half = core::f32::consts::FRAC_1_SQRT_2;
        let query = [half, half];
        let nearest = prototypes.nearest(&Embedding::<F32>::from_slice(&query).unwrap()).unwrap();
        assert_eq!((nearest.id, prototypes.label(nearest.id)), (2, Some("cup")));
        assert!(nearest.distance < 1e-6);
        assert_eq!(prototypes.label(4), None);
    }

    #[test]
    fn equal_prototypes_give_the_lower_id() {
        let mut prototypes = Prototypes::<2, 2>::new();
        prototypes.add(&item(8, "b", &[1.0, 0.0])).unwrap();
        prototypes.add(&item(5, "a", &[1.0, 0.0])).unwrap();
        let query = Embedding::<F32>::from_slice(&[0.6, 0.8]).unwrap();
        assert_eq!(prototypes.nearest(&query).map(|nearest| nearest.id), Some(5));
    }

    #[test]
    fn shots_that_cancel_out_give_a_finite_distance() {
        let mut prototypes = Prototypes::<1, 2>::new();
        prototypes.add(&item(0, "a", &[1.0, 0.0])).unwrap();
        prototypes.add(&item(1, "a", &[-1.0, 0.0])).unwrap();
        let query = Embedding::<F32>::from_slice(&[1.0, 0.0]).unwrap();
        assert_eq!(prototypes.nearest(&query), Some(Match { id: 0, distance: 2.0 }));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let mut prototypes = Prototypes::<1, 2>::new();
        let query = Embedding::<F32>::from_slice(&[1.0, 0.0]).unwrap();
        assert_eq!(prototypes.nearest(&query), None);
        let long = "x".repeat(33);
        assert_eq!(prototypes.add(&item(0, &long, &[1.0, 0.0])), Err(PrototypeError::Label));
        assert!(prototypes.is_empty());
        prototypes.add(&item(0, "a", &[1.0, 0.0])).unwrap();
        assert_eq!(prototypes.add(&item(1, "b", &[1.0, 0.0])), Err(PrototypeError::Full));
        let dimension = PrototypeError::Dimension { expected: 2, found: 1 };
        assert_eq!(prototypes.add(&item(1, "a", &[1.0])), Err(dimension));
        prototypes.add(&item(1, "a", &[1.0, 0.0])).unwrap();
        assert_eq!((prototypes.len(), prototypes.label(0)), (1, Some("a")));
        assert_eq!(prototypes.nearest(&Embedding::<F32>::from_slice(&[1.0]).unwrap()), None);
        prototypes.clear();
        assert!(prototypes.is_empty());
    }

    #[test]
    fn the_threshold_is_inclusive() {
        let at = |distance| Some(Match { id: 1, distance });
        assert_eq!(Recognition::new(at(0.5), 0.5).known(), at(0.5));
        assert_eq!(Recognition::new(at(0.500_1), 0.5), Recognition::Unknown(at(0.500_1)));
        assert_eq!(Recognition::new(None, 4.0), Recognition::Unknown(None));
        assert_eq!(Recognition::new(at(0.0), f32::NAN).known(), None);
        assert_eq!(Recognition::new(at(f32::NAN), 4.0).known(), None);
    }

    #[test]
    fn items_of_another_dimension_are_left_out() {
        let items = [item(0, "a", &[1.0]), item(1, "b", &[0.0, 1.0])];
        let query = Embedding::<F32>::from_slice(&[1.0, 0.0]).unwrap();
        assert_eq!(nearest_item(items, &query), Some(Match { id: 1, distance: 2.0 }));
    }
}
