//! Batches: which images each training step sees.
//!
//! The order depends on the seed and the epoch alone, so a run can resume at
//! any epoch. All memory is taken when [`Batches`] is made.

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::rng::{Purpose, Xoshiro256PlusPlus, stream};

/// How batches are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// A random permutation of all images, cut into batches; the last one may
    /// be smaller. Every image appears exactly once in an epoch.
    Shuffled {
        /// Images in a batch, 1 to [`Sampler::MAX_BATCH`].
        batch_size: usize,
    },
    /// P x K batches (Hermans, Beyer and Leibe, "In Defense of the Triplet
    /// Loss", 2017): each has `classes` random classes and `images` images of
    /// each, one class after another.
    ///
    /// A class's images are dealt from a shuffled list that starts over at its
    /// end. So within a batch they are distinct unless the class has fewer than
    /// `images`, and over an epoch no image of a class appears more than once
    /// more often than another. An epoch has as many batches as it takes to
    /// draw as many images as there are.
    #[serde(rename = "pk")]
    PK {
        /// P: distinct classes in a batch.
        classes: usize,
        /// K: images of each.
        images: usize,
    },
}

/// Why batches cannot be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SamplerError {
    /// There is no image to draw.
    #[error("there is no image to train on; check the data set and the chosen classes")]
    NoImages,
    /// The batch would be empty.
    #[error(
        "a batch must have at least one image; raise the batch size (or the classes and images per class) above 0"
    )]
    EmptyBatch,
    /// The batch is larger than [`Sampler::MAX_BATCH`].
    #[error("a batch can have at most {} images; lower the batch size", Sampler::MAX_BATCH)]
    BatchTooLarge,
    /// P is larger than the number of classes that have images.
    #[error(
        "a batch needs {wanted} classes, but only {available} have images; lower the classes per batch"
    )]
    TooFewClasses {
        /// P.
        wanted: usize,
        /// Classes with at least one image.
        available: usize,
    },
}

impl Sampler {
    /// The most images in a batch.
    pub const MAX_BATCH: usize = 1 << 16;

    /// The number of images in a full batch.
    ///
    /// # Errors
    /// [`SamplerError::EmptyBatch`] or [`SamplerError::BatchTooLarge`].
    pub fn batch_size(&self) -> Result<usize, SamplerError> {
        let size = match *self {
            Sampler::Shuffled { batch_size } => batch_size,
            Sampler::PK { classes, images } => {
                classes.checked_mul(images).ok_or(SamplerError::BatchTooLarge)?
            }
        };
        match size {
            0 => Err(SamplerError::EmptyBatch),
            _ if size > Self::MAX_BATCH => Err(SamplerError::BatchTooLarge),
            _ => Ok(size),
        }
    }

    /// The batches over images with these labels, at the start of epoch 0.
    ///
    /// # Errors
    /// No image, a batch of 0 or more than [`Sampler::MAX_BATCH`] images, more
    /// classes in a batch than there are.
    ///
    /// # Panics
    /// With `u32::MAX` labels or more.
    pub fn batches(self, labels: &[u16], seed: u64) -> Result<Batches, SamplerError> {
        let batch_size = self.batch_size()?;
        if labels.is_empty() {
            return Err(SamplerError::NoImages);
        }
        let count = u32::try_from(labels.len()).expect("more images than a u32 can count");
        let mut sorted: Vec<u32> = (0..count).collect();
        let plan = match self {
            Sampler::Shuffled { .. } => Plan::Shuffled { position: 0 },
            Sampler::PK { classes, images } => {
                sorted.sort_by_key(|&image| labels[image as usize]);
                let decks = decks(&sorted, labels);
                if classes > decks.len() {
                    let available = decks.len();
                    return Err(SamplerError::TooFewClasses { wanted: classes, available });
                }
                let deck_order = (0..decks.len()).collect();
                let batch = Vec::with_capacity(batch_size);
                Plan::PK { classes, images, decks, deck_order, batch, given: 0 }
            }
        };
        let mut batches = Batches {
            batch_size,
            seed,
            rng: stream(seed, Purpose::Batches, 0),
            order: sorted.clone(),
            sorted,
            plan,
        };
        batches.start_epoch(0);
        Ok(batches)
    }
}

/// Draws the batches of one epoch after another; made by [`Sampler::batches`].
///
/// ```
/// use lookalike_trainer::data::Sampler;
/// let mut batches = Sampler::Shuffled { batch_size: 2 }.batches(&[0, 1, 1, 0, 2], 42)?;
/// assert_eq!(batches.per_epoch(), 3);
/// for epoch in 0..2 {
///     batches.start_epoch(epoch);
///     let mut seen = 0;
///     while let Some(batch) = batches.next_batch() {
///         seen += batch.len();
///     }
///     assert_eq!(seen, 5);
/// }
/// # Ok::<(), lookalike_trainer::data::SamplerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batches {
    batch_size: usize,
    seed: u64,
    rng: Xoshiro256PlusPlus,
    /// All images in the order from which every epoch's shuffling starts.
    sorted: Vec<u32>,
    /// All images in this epoch's order.
    order: Vec<u32>,
    plan: Plan,
}

#[derive(Clone, Debug)]
enum Plan {
    Shuffled {
        position: usize,
    },
    PK {
        classes: usize,
        images: usize,
        decks: Vec<Deck>,
        /// Indices of decks; the classes of a batch are drawn by shuffling it.
        deck_order: Vec<usize>,
        batch: Vec<u32>,
        given: usize,
    },
}

/// The images of one class: a range of `Batches::order`, and the next to deal.
#[derive(Clone, Debug)]
struct Deck {
    start: usize,
    end: usize,
    next: usize,
}

/// One deck for each class that has images.
fn decks(sorted: &[u32], labels: &[u16]) -> Vec<Deck> {
    let mut start = 0;
    let same_class = |a: &u32, b: &u32| labels[*a as usize] == labels[*b as usize];
    sorted
        .chunk_by(same_class)
        .map(|class| {
            let deck = Deck { start, end: start + class.len(), next: start };
            start = deck.end;
            deck
        })
        .collect()
}

impl Batches {
    /// Number of batches in each epoch.
    pub fn per_epoch(&self) -> usize {
        self.sorted.len().div_ceil(self.batch_size)
    }

    /// Goes to the start of `epoch`, wherever this was.
    pub fn start_epoch(&mut self, epoch: u64) {
        self.rng = stream(self.seed, Purpose::Batches, epoch);
        self.order.copy_from_slice(&self.sorted);
        match &mut self.plan {
            Plan::Shuffled { position } => {
                *position = 0;
                self.order.shuffle(&mut self.rng);
            }
            Plan::PK { decks, deck_order, given, .. } => {
                *given = 0;
                for (place, index) in deck_order.iter_mut().enumerate() {
                    *index = place;
                }
                for deck in decks {
                    deck.next = deck.start;
                    self.order[deck.start..deck.end].shuffle(&mut self.rng);
                }
            }
        }
    }

    /// The images of the next batch, as indices into the labels, or `None`
    /// after the last one of the epoch.
    pub fn next_batch(&mut self) -> Option<&[u32]> {
        let per_epoch = self.per_epoch();
        match &mut self.plan {
            Plan::Shuffled { position } => {
                let rest = &self.order[*position..];
                let batch = &rest[..self.batch_size.min(rest.len())];
                *position += batch.len();
                (!batch.is_empty()).then_some(batch)
            }
            Plan::PK { classes, images, decks, deck_order, batch, given } => {
                if *given == per_epoch {
                    return None;
                }
                *given += 1;
                batch.clear();
                let (drawn, _) = deck_order.partial_shuffle(&mut self.rng, *classes);
                for &mut index in drawn {
                    let deck = &mut decks[index];
                    for _ in 0..*images {
                        batch.push(self.order[deck.next]);
                        deck.next += 1;
                        if deck.next == deck.end {
                            deck.next = deck.start;
                        }
                    }
                }
                Some(batch)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn epoch(batches: &mut Batches, epoch: u64) -> Vec<Vec<u32>> {
        batches.start_epoch(epoch);
        let mut all = Vec::new();
        while let Some(batch) = batches.next_batch() {
            all.push(batch.to_vec());
        }
        assert_eq!(batches.next_batch(), None);
        all
    }

    fn labels() -> impl Strategy<Value = Vec<u16>> {
        prop::collection::vec(prop::sample::select(vec![0u16, 1, 2, 5, 9, 4095]), 1..120)
    }

    proptest! {
        #[test]
        fn a_shuffled_epoch_has_every_image_once(labels in labels(), batch_size in 1usize..50, seed: u64) {
            let sampler = Sampler::Shuffled { batch_size };
            let mut batches = sampler.batches(&labels, seed).unwrap();
            let drawn = epoch(&mut batches, 3);
            prop_assert_eq!(drawn.len(), batches.per_epoch());
            let (last, full) = drawn.split_last().unwrap();
            prop_assert!(full.iter().all(|batch| batch.len() == batch_size));
            prop_assert!((1..=batch_size).contains(&last.len()));
            let mut images = drawn.concat();
            images.sort_unstable();
            prop_assert!(images.into_iter().eq(0..labels.len() as u32));
        }

        #[test]
        fn pk_batches_keep_their_promises(
            labels in labels(), classes in 1usize..7, images in 1usize..9, seed: u64, number in 0u64..9,
        ) {
            let sizes: Vec<usize> =
                (0..4096).map(|c| labels.iter().filter(|&&l| l == c).count()).collect();
            let available = sizes.iter().filter(|&&n| n > 0).count();
            let sampler = Sampler::PK { classes, images };
            let mut batches = match sampler.batches(&labels, seed) {
                Ok(batches) => batches,
                Err(error) => {
                    prop_assert!(classes > available);
                    prop_assert_eq!(error, SamplerError::TooFewClasses { wanted: classes, available });
                    return Ok(());
                }
            };
            let drawn = epoch(&mut batches, number);
            prop_assert_eq!(drawn.len(), labels.len().div_ceil(classes * images));
            let mut uses = vec![0; labels.len()];
            for batch in &drawn {
                prop_assert_eq!(batch.len(), classes * images);
                let mut seen = HashSet::new();
                for group in batch.chunks(images) {
                    let class = labels[group[0] as usize];
                    prop_assert!(seen.insert(class), "a class came twice");
                    prop_assert!(group.iter().all(|&i| labels[i as usize] == class));
                    let distinct: HashSet<_> = group.iter().collect();
                    prop_assert_eq!(distinct.len(), images.min(sizes[usize::from(class)]));
                }
                batch.iter().for_each(|&i| uses[i as usize] += 1);
            }
            for class in labels.iter().collect::<HashSet<_>>() {
                let of_class = || labels.iter().zip(&uses).filter(|(l, _)| *l == class).map(|(_, u)| u);
                prop_assert!(of_class().max().unwrap() - of_class().min().unwrap() <= 1);
            }
        }

        #[test]
        fn an_epoch_depends_on_seed_and_number_only(labels in labels(), seed: u64, pk: bool) {
            let sampler = if pk {
                Sampler::PK { classes: 1, images: 3 }
            } else {
                Sampler::Shuffled { batch_size: 7 }
            };
            let mut batches = sampler.batches(&labels, seed).unwrap();
            let wanted = epoch(&mut batches, 5);
            // From a stopped epoch, and from a fresh start.
            batches.start_epoch(2);
            batches.next_batch();
            prop_assert_eq!(&epoch(&mut batches, 5), &wanted);
            let mut fresh = sampler.batches(&labels, seed).unwrap();
            prop_assert_eq!(&epoch(&mut fresh, 5), &wanted);
        }
    }

    #[test]
    fn seeds_and_epochs_differ() {
        let labels: Vec<u16> = (0..200).map(|i| i % 10).collect();
        for sampler in [Sampler::Shuffled { batch_size: 32 }, Sampler::PK { classes: 4, images: 8 }]
        {
            let mut batches = sampler.batches(&labels, 1).unwrap();
            let first = epoch(&mut batches, 0);
            assert_ne!(first, epoch(&mut batches, 1));
            assert_ne!(first, epoch(&mut sampler.batches(&labels, 2).unwrap(), 0));
        }
    }

    #[test]
    fn all_classes_get_their_turn() {
        let labels: Vec<u16> = (0..1000).map(|i| i % 10).collect();
        let mut batches = Sampler::PK { classes: 2, images: 5 }.batches(&labels, 7).unwrap();
        let mut turns = [0; 10];
        for batch in epoch(&mut batches, 0) {
            batch.chunks(5).for_each(|group| turns[usize::from(labels[group[0] as usize])] += 1);
        }
        // 200 draws, 20 expected a class; 6 to 34 is 3.5 standard deviations.
        assert!(turns.iter().all(|turns| (6..=34).contains(turns)), "{turns:?}");
    }

    #[test]
    fn impossible_batches_are_errors() {
        let error = |sampler: Sampler, labels: &[u16]| sampler.batches(labels, 0).unwrap_err();
        let pk = |classes, images| Sampler::PK { classes, images };
        let shuffled = |batch_size| Sampler::Shuffled { batch_size };
        assert_eq!(error(shuffled(1), &[]), SamplerError::NoImages);
        assert_eq!(error(shuffled(0), &[1]), SamplerError::EmptyBatch);
        assert_eq!(error(pk(0, 4), &[1]), SamplerError::EmptyBatch);
        assert_eq!(error(pk(4, 0), &[1]), SamplerError::EmptyBatch);
        assert_eq!(error(shuffled(Sampler::MAX_BATCH + 1), &[1]), SamplerError::BatchTooLarge);
        assert_eq!(error(pk(2, usize::MAX), &[1, 2]), SamplerError::BatchTooLarge);
        let wanted = SamplerError::TooFewClasses { wanted: 3, available: 2 };
        assert_eq!(error(pk(3, 1), &[7, 1, 7]), wanted);
    }

    /// Runs must stay reproducible from version to version.
    #[test]
    fn the_order_is_pinned() {
        let labels: Vec<u16> = (0..12).map(|i| i % 4).collect();
        let mut shuffled = Sampler::Shuffled { batch_size: 12 }.batches(&labels, 42).unwrap();
        assert_eq!(shuffled.next_batch().unwrap(), [10, 0, 6, 7, 4, 1, 2, 5, 11, 3, 9, 8]);
        let mut pk = Sampler::PK { classes: 2, images: 2 }.batches(&labels, 42).unwrap();
        assert_eq!(epoch(&mut pk, 1), [[11, 3, 4, 8], [6, 2, 1, 5], [7, 11, 10, 6]]);
    }
}
