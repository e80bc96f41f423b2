//! Recognition from a few shots of classes that the model never saw, as a
//! device does it: shots of the new classes are enrolled beside items of the
//! known ones, and a query goes by its nearest item or by the nearest prototype.
//!
//! What is enrolled is drawn at random many times: with one shot a class, which
//! shot it is decides much. Distances and prototypes are those of the core
//! ([`lookalike::few_shot::nearest_item`], [`lookalike::Prototypes`]): the squared
//! Euclidean distance, at least 0; the mean of a class's shots, divided by its
//! norm; ties by lower id. Known classes come first, as in a gallery that a
//! device is shipped with, then the new ones in ascending order.

use ndarray::{Array2, ArrayView2, Axis};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::bootstrap::{self, Interval, percentile};
use super::distances::map_blocks;
use crate::rng::{Purpose, stream};

#[cfg(test)]
mod tests;

/// The norm of a mean is clamped below at this, as the core does.
const SMALLEST_NORM: f32 = 1e-12;

/// How many items each known class has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenItems {
    /// Always so many, as in a gallery that was made beforehand.
    Fixed(usize),
    /// As many as there are shots of each new class.
    AsShots,
}

/// What is enrolled.
#[derive(Clone, Debug)]
pub struct Options {
    /// The classes that are new.
    pub unseen: Vec<u16>,
    /// The numbers of shots to measure.
    pub shots: Vec<usize>,
    /// Items of each class that is known.
    pub seen_items: SeenItems,
    /// How often what is enrolled is drawn.
    pub draws: usize,
    /// Resamples of the bootstrap over draws.
    pub resamples: usize,
    /// Where the random numbers come from.
    pub seed: u64,
}

/// Why nothing can be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FewShotError {
    /// A class lacks images to enrol.
    #[error("class {class} has {images} images to enrol from, fewer than the {wanted} asked for")]
    TooFewImages {
        /// The class.
        class: u16,
        /// Images that it has.
        images: usize,
        /// Items that it should have.
        wanted: usize,
    },
    /// There is no number of shots, or one is 0.
    #[error("the numbers of shots must be above 0, and at least one must be given")]
    NoShots,
    /// There is nothing to tell apart.
    #[error("at least one class must be new, and at least two must be enrolled")]
    NoClasses,
    /// There is no draw to measure.
    #[error("there must be at least 1 draw")]
    NoDraws,
    /// No query is of a new class.
    #[error("no query is of an unseen class: the split has no image of them")]
    NoQueries,
}

/// The draws: which images are enrolled in each.
///
/// The images of a class in a draw depend on the seed and the images there are
/// to choose from, on nothing else: two shots are the one shot and another, and
/// every model meets the same draws.
#[derive(Clone, Debug)]
pub struct Draws {
    options: Options,
    /// The classes that are enrolled, known ones first, and which they are.
    classes: Vec<Class>,
    /// All images that are enrolled in any draw, ascending.
    images: Vec<u32>,
    /// For each draw the items of each class, as places in `images`.
    draws: Vec<Vec<Vec<u32>>>,
}

#[derive(Clone, Copy, Debug)]
struct Class {
    label: u16,
    unseen: bool,
}

impl Draws {
    /// Draws from images with these labels.
    ///
    /// # Errors
    /// See [`FewShotError`].
    pub fn new(labels: &[u16], mut options: Options) -> Result<Draws, FewShotError> {
        options.shots.sort_unstable();
        options.shots.dedup();
        options.unseen.sort_unstable();
        options.unseen.dedup();
        let most = *options.shots.last().ok_or(FewShotError::NoShots)?;
        if options.shots[0] == 0 || options.seen_items == SeenItems::Fixed(0) {
            return Err(FewShotError::NoShots);
        }
        if options.draws == 0 {
            return Err(FewShotError::NoDraws);
        }
        let members = super::evaluate::members_by_class(labels);
        let classes = classes(&members, &options.unseen)?;
        let wanted = |class: &Class| match options.seen_items {
            SeenItems::Fixed(items) if !class.unseen => items,
            _ => most,
        };
        for class in &classes {
            let images = members.get(usize::from(class.label)).map_or(0, Vec::len);
            if images < wanted(class) {
                let (class, wanted) = (class.label, wanted(class));
                return Err(FewShotError::TooFewImages { class, images, wanted });
            }
        }
        let mut draws: Vec<Vec<Vec<u32>>> = (0..options.draws as u64)
            .map(|draw| {
                let items = classes.iter().map(|class| {
                    let index = draw << 16 | u64::from(class.label);
                    let mut rng = stream(options.seed, Purpose::Enrolment, index);
                    let mut images = members[usize::from(class.label)].clone();
                    // Fisher and Yates from the front, so that a longer list
                    // begins with the shorter one.
                    for place in 0..wanted(class) {
                        let chosen = rng.random_range(place..images.len());
                        images.swap(place, chosen);
                    }
                    images.truncate(wanted(class));
                    images
                });
                items.collect()
            })
            .collect();
        let mut images: Vec<u32> = draws.iter().flatten().flatten().copied().collect();
        images.sort_unstable();
        images.dedup();
        for item in draws.iter_mut().flatten().flatten() {
            *item = images.partition_point(|image| image < item) as u32;
        }
        Ok(Draws { options, classes, images, draws })
    }

    /// The images that are enrolled in any draw, ascending: those whose
    /// embeddings [`Draws::measure`] takes.
    pub fn images(&self) -> &[u32] {
        &self.images
    }

    /// Lets `queries` `[Q, D]` with these labels look for their class in each
    /// draw. `embeddings` `[images, D]` are those of [`Draws::images`]; all rows
    /// have length 1. A distance that is not a number is the farthest.
    /// Queries of classes that are not enrolled are left out. Runs on rayon's
    /// current pool; the result does not depend on it.
    ///
    /// # Errors
    /// [`FewShotError::NoQueries`].
    ///
    /// # Panics
    /// When shapes do not fit.
    pub fn measure(
        &self,
        embeddings: ArrayView2<'_, f32>,
        queries: ArrayView2<'_, f32>,
        labels: &[u16],
    ) -> Result<FewShot, FewShotError> {
        assert_eq!(embeddings.nrows(), self.images.len());
        assert_eq!(queries.nrows(), labels.len());
        let place = |label: u16| self.classes.iter().position(|class| class.label == label);
        let (rows, truth): (Vec<usize>, Vec<usize>) = labels
            .iter()
            .enumerate()
            .filter_map(|(row, &label)| Some((row, place(label)?)))
            .unzip();
        let queries = queries.select(Axis(0), &rows);
        let unseen = truth.iter().filter(|&&class| self.classes[class].unseen).count();
        if unseen == 0 {
            return Err(FewShotError::NoQueries);
        }
        let right: Vec<Vec<[Right; 2]>> = (0..self.draws.len())
            .map(|draw| self.measure_draw(draw, embeddings, queries.view(), &truth))
            .collect();
        Ok(self.summarise(&right, [unseen, truth.len()]))
    }

    /// Of one draw: for each number of shots, by the nearest item and by the
    /// nearest prototype.
    fn measure_draw(
        &self,
        draw: usize,
        embeddings: ArrayView2<'_, f32>,
        queries: ArrayView2<'_, f32>,
        truth: &[usize],
    ) -> Vec<[Right; 2]> {
        let items = &self.draws[draw];
        let gallery = Gallery::new(items, embeddings, &self.counts());
        let shots = self.options.shots.len();
        let blocks = map_blocks(
            queries,
            gallery.rows.view(),
            || (),
            |(), rows, distances| {
                let mut right = vec![[Right::default(); 2]; shots];
                for (row, &truth) in distances.outer_iter().zip(&truth[rows]) {
                    let row = row.to_slice().expect("rows of a block are contiguous");
                    for (shots, right) in right.iter_mut().enumerate() {
                        let nearest = |class: &GalleryClass| class.nearest_item(row, shots);
                        right[0].add(self.decide(&gallery, nearest), truth, &self.classes);
                        let nearest = |class: &GalleryClass| class.nearest_prototype(row, shots);
                        right[1].add(self.decide(&gallery, nearest), truth, &self.classes);
                    }
                }
                right
            },
        );
        let mut sums = vec![[Right::default(); 2]; shots];
        for block in blocks {
            let pairs = sums.iter_mut().flatten().zip(block.iter().flatten());
            pairs.for_each(|(sum, right)| sum.merge(right));
        }
        sums
    }

    /// The items that each class has, by number of shots.
    fn counts(&self) -> Vec<Vec<usize>> {
        let count = |class: &Class| match self.options.seen_items {
            SeenItems::Fixed(items) if !class.unseen => vec![items; self.options.shots.len()],
            _ => self.options.shots.clone(),
        };
        self.classes.iter().map(count).collect()
    }

    /// The nearest class among the new ones and among all.
    fn decide(&self, gallery: &Gallery, distance: impl Fn(&GalleryClass) -> f32) -> [usize; 2] {
        let mut nearest = [(usize::MAX, f32::INFINITY); 2];
        for (place, (class, items)) in self.classes.iter().zip(&gallery.classes).enumerate() {
            let distance = distance(items);
            let among = if class.unseen { &mut nearest[..] } else { &mut nearest[1..] };
            for nearest in among {
                // Ids ascend with the classes: the first of equals stays.
                if distance < nearest.1 {
                    *nearest = (place, distance);
                }
            }
        }
        nearest.map(|(place, _)| place)
    }

    fn summarise(&self, draws: &[Vec<[Right; 2]>], queries: [usize; 2]) -> FewShot {
        let [unseen, all] = queries;
        let rule = |shots: usize, rule: usize| {
            let share = |count: fn(&Right) -> usize, of: usize| {
                let shares: Vec<f64> =
                    draws.iter().map(|d| count(&d[shots][rule]) as f64 / of as f64).collect();
                Accuracy::new(&shares, &self.options)
            };
            Rule {
                among_unseen: share(|right| right.among_unseen, unseen),
                among_all: share(|right| right.among_all, unseen),
                all_queries: share(|right| right.all_queries, all),
            }
        };
        let of_kind = |unseen: bool| {
            let labels = self.classes.iter().filter(|class| class.unseen == unseen);
            labels.map(|class| class.label).collect()
        };
        let shots = self.options.shots.iter().enumerate().map(|(place, &shots)| Shots {
            shots,
            seen_items: match self.options.seen_items {
                SeenItems::Fixed(items) => items,
                SeenItems::AsShots => shots,
            },
            nearest_item: rule(place, 0),
            nearest_prototype: rule(place, 1),
        });
        FewShot {
            unseen_classes: of_kind(true),
            seen_classes: of_kind(false),
            unseen_queries: unseen,
            queries: all,
            draws: self.options.draws,
            shots: shots.collect(),
        }
    }
}

/// The classes to enrol, known ones first.
fn classes(members: &[Vec<u32>], unseen: &[u16]) -> Result<Vec<Class>, FewShotError> {
    let with_images = (0..).zip(members).filter(|(_, images)| !images.is_empty());
    let seen = with_images.map(|(label, _)| label).filter(|label| !unseen.contains(label));
    let mut classes: Vec<Class> = seen.map(|label| Class { label, unseen: false }).collect();
    classes.extend(unseen.iter().map(|&label| Class { label, unseen: true }));
    if unseen.is_empty() || classes.len() < 2 { Err(FewShotError::NoClasses) } else { Ok(classes) }
}

/// What one draw enrols, as rows to compute distances to: the items of all
/// classes, then the sums that their prototypes are made of.
struct Gallery {
    rows: Array2<f32>,
    classes: Vec<GalleryClass>,
}

/// The rows of one class. Numbers of items are those for each number of shots.
struct GalleryClass {
    first: usize,
    items: Vec<usize>,
    /// The row of the sum, and the norm of the mean.
    sums: Vec<(usize, f32)>,
}

impl Gallery {
    fn new(items: &[Vec<u32>], embeddings: ArrayView2<'_, f32>, counts: &[Vec<usize>]) -> Gallery {
        let total: usize = items.iter().map(Vec::len).sum();
        let sums: usize = counts.iter().map(Vec::len).sum();
        let mut rows = Array2::zeros((total + sums, embeddings.ncols()));
        let (mut next, mut next_sum) = (0, total);
        let classes = items.iter().zip(counts).map(|(items, counts)| {
            let first = next;
            for &item in items {
                rows.row_mut(next).assign(&embeddings.row(item as usize));
                next += 1;
            }
            let sums = counts.iter().map(|&count| {
                let sum = rows.slice(ndarray::s![first..first + count, ..]).sum_axis(Axis(0));
                rows.row_mut(next_sum).assign(&sum);
                next_sum += 1;
                let norm = sum.dot(&sum).sqrt() / count as f32;
                (next_sum - 1, norm.max(SMALLEST_NORM))
            });
            GalleryClass { first, sums: sums.collect(), items: counts.clone() }
        });
        let classes = classes.collect();
        Gallery { rows, classes }
    }
}

impl GalleryClass {
    fn nearest_item(&self, distances: &[f32], shots: usize) -> f32 {
        let items = &distances[self.first..self.first + self.items[shots]];
        let nearest = |nearest, &d: &f32| if d < nearest { d } else { nearest };
        items.iter().fold(f32::INFINITY, nearest).max(0.0)
    }

    /// As the core: 2 - 2 (s.q / n) / norm for the sum s of n shots.
    fn nearest_prototype(&self, distances: &[f32], shots: usize) -> f32 {
        let (row, norm) = self.sums[shots];
        let dot = (2.0 - distances[row]) / 2.0;
        let distance = 2.0 - 2.0 * (dot / self.items[shots] as f32 / norm);
        if distance < 0.0 { 0.0 } else { distance }
    }
}

/// How many queries were recognised.
#[derive(Clone, Copy, Debug, Default)]
struct Right {
    among_unseen: usize,
    among_all: usize,
    all_queries: usize,
}

impl Right {
    fn add(&mut self, [among_unseen, among_all]: [usize; 2], truth: usize, classes: &[Class]) {
        self.all_queries += usize::from(among_all == truth);
        if classes[truth].unseen {
            self.among_unseen += usize::from(among_unseen == truth);
            self.among_all += usize::from(among_all == truth);
        }
    }

    fn merge(&mut self, other: &Right) {
        self.among_unseen += other.among_unseen;
        self.among_all += other.among_all;
        self.all_queries += other.all_queries;
    }
}

/// A share of queries whose class was found, over the draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// The mean over draws.
    pub mean: f64,
    /// Of that mean: percentile bootstrap over draws. The literature's interval.
    pub confidence_95: Option<Interval>,
    /// The 2.5th and the 97.5th percentile of the draws: what one enrolment can
    /// lead to.
    pub draws_95: Interval,
}

impl Accuracy {
    fn new(draws: &[f64], options: &Options) -> Accuracy {
        let rows: Vec<[f64; 1]> = draws.iter().map(|&share| [share]).collect();
        let interval = bootstrap::confidence_95(&rows, options.resamples, options.seed);
        let mut sorted = draws.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        Accuracy {
            mean: draws.iter().sum::<f64>() / draws.len() as f64,
            confidence_95: interval.map(|[interval]| interval),
            draws_95: [0.025, 0.975].map(|fraction| percentile(&sorted, fraction)),
        }
    }
}

/// What one way of deciding achieves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Queries of new classes, when only new classes are enrolled: the N-way
    /// accuracy of the literature.
    pub among_unseen: Accuracy,
    /// Queries of new classes, when all classes are enrolled: a device's.
    pub among_all: Accuracy,
    /// Queries of all classes, when all are enrolled.
    pub all_queries: Accuracy,
}

/// With one number of shots.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shots {
    /// Items of each new class.
    pub shots: usize,
    /// Items of each known class.
    pub seen_items: usize,
    /// By the nearest item.
    pub nearest_item: Rule,
    /// By the nearest prototype.
    pub nearest_prototype: Rule,
}

/// How well new classes are recognised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FewShot {
    /// The new classes.
    pub unseen_classes: Vec<u16>,
    /// The known classes that are enrolled beside them.
    pub seen_classes: Vec<u16>,
    /// Queries of new classes.
    pub unseen_queries: usize,
    /// All queries.
    pub queries: usize,
    /// How often what is enrolled was drawn.
    pub draws: usize,
    /// The figures by number of shots.
    pub shots: Vec<Shots>,
}
