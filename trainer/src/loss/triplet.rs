//! The triplet loss on squared Euclidean distances,
//! `l(a) = sum over positives p and negatives n of max(d(a,p) - d(a,n) + margin, 0)`
//! (Weinberger and Saul, JMLR 2009; Schroff et al., FaceNet, CVPR 2015), or with
//! a soft margin.

use clap::ValueEnum;
use ndarray::parallel::prelude::*;
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};
use serde::{Deserialize, Serialize};

use super::{Margin, Pairs};

/// Which triplets of an anchor count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mining {
    /// All of them.
    All,
    /// One: its farthest positive and its nearest negative (Hermans et al., 2017).
    Hard,
    /// One for each positive: the nearest negative that is farther than the
    /// positive, as long as it is within the margin (FaceNet, section 3.2); a
    /// soft margin has no end, so there at any distance. A positive that is
    /// farther than all negatives has none, as in pytorch-metric-learning.
    SemiHard,
}

/// What the sum over triplets is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// Nothing.
    Sum,
    /// The number of anchors: all images that may be one; with hard mining,
    /// those that have both a positive and a negative.
    MeanAnchor,
    /// The number of terms above zero; with a soft margin all mined ones are.
    MeanActive,
}

/// The loss's settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Triplet {
    /// How much farther a negative must be than a positive.
    pub margin: Margin,
    /// Which triplets count.
    pub mining: Mining,
    /// What the sum is divided by.
    pub reduction: Reduction,
    /// Only the first so many images of a batch are anchors.
    pub anchors: Option<usize>,
}

impl Default for Triplet {
    fn default() -> Self {
        Triplet {
            margin: Margin::Hinge(0.5),
            mining: Mining::All,
            reduction: Reduction::MeanActive,
            anchors: None,
        }
    }
}

/// What the loss saw in a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TripletStats {
    /// The loss.
    pub loss: f64,
    /// Triplets of the batch: anchor, positive, negative.
    pub triplets: u64,
    /// Triplets looked at: all, or those that mining chose.
    pub mined: u64,
    /// Of those, the ones whose term is above zero: with a soft margin, all.
    pub active: u64,
}

impl Triplet {
    /// The loss of the embeddings `f` `[B, E]`, L2-normalised, and its gradient
    /// `df`. A batch without any triplet has loss 0, `triplets` 0 and no
    /// gradient. Anchors run on rayon's current pool; the result does not
    /// depend on its size.
    pub fn evaluate(
        &self,
        f: ArrayView2<'_, f32>,
        labels: &[u16],
        df: ArrayViewMut2<'_, f32>,
        pairs: &mut Pairs,
    ) -> TripletStats {
        let (similarity, mut gradient) = pairs.compute(f);
        let anchors = self.anchors.unwrap_or(labels.len()).min(labels.len());
        let of_anchors: Vec<Sums> = gradient
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .take(anchors)
            .zip(similarity.axis_iter(Axis(0)).into_par_iter())
            .enumerate()
            .map_init(Others::default, |others, (anchor, (row, similarity))| {
                others.of(anchor, similarity, labels);
                self.anchor(others, row)
            })
            .collect();
        let mut sums = Sums::default();
        of_anchors.iter().for_each(|anchor| sums.add(anchor));
        let divisor = match (self.reduction, self.mining) {
            (Reduction::Sum, _) => 1,
            (Reduction::MeanAnchor, Mining::Hard) => sums.anchors_with_triplet,
            (Reduction::MeanAnchor, _) => anchors as u64,
            (Reduction::MeanActive, _) => sums.active,
        };
        let scale = 1.0 / divisor.max(1) as f64;
        // So far of d = 2 - 2 s; what is wanted is the gradient of s.
        gradient.map_inplace(|g| *g *= (-2.0 * scale) as f32);
        pairs.backward(f, df);
        sums.stats(scale)
    }

    /// The terms of one anchor. Its `row` gets, for each image, the derivative
    /// of their sum by the image's distance: for a hinge the number of active
    /// terms that the distance is in, with the sign it has there.
    fn anchor(&self, others: &mut Others, row: ArrayViewMut1<'_, f32>) -> Sums {
        let mut sums = Sums::of(others);
        if others.positives.is_empty() || others.negatives.is_empty() {
            return sums;
        }
        sums.anchors_with_triplet = 1;
        match (self.mining, self.margin) {
            (Mining::All, Margin::Hinge(margin)) => sums.all(others, margin, row),
            (Mining::All, Margin::Soft) => sums.all_soft(others, row),
            (Mining::Hard, margin) => sums.hard(others, margin, row),
            (Mining::SemiHard, margin) => sums.semi_hard(others, margin, row),
        }
        sums
    }
}

/// The other images of a batch as one anchor sees them.
#[derive(Default)]
struct Others {
    /// Distance and index, ascending.
    positives: Vec<(f32, usize)>,
    negatives: Vec<(f32, usize)>,
    /// For each negative `exp(-distance)`, and a sum of weights; for the soft margin.
    soft: Vec<(f64, f64)>,
}

impl Others {
    fn of(&mut self, anchor: usize, similarity: ArrayView1<'_, f32>, labels: &[u16]) {
        self.positives.clear();
        self.negatives.clear();
        for (i, &label) in labels.iter().enumerate() {
            let distance = 2.0 - 2.0 * similarity[i];
            if label != labels[anchor] {
                self.negatives.push((distance, i));
            } else if i != anchor {
                self.positives.push((distance, i));
            }
        }
        for list in [&mut self.positives, &mut self.negatives] {
            list.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        }
    }
}

/// Sums over an anchor's terms, or over a batch.
#[derive(Default)]
struct Sums {
    loss: f64,
    triplets: u64,
    mined: u64,
    active: u64,
    anchors_with_triplet: u64,
}

impl Sums {
    fn of(others: &Others) -> Sums {
        let triplets = (others.positives.len() * others.negatives.len()) as u64;
        Sums { triplets, ..Sums::default() }
    }

    fn add(&mut self, other: &Sums) {
        self.loss += other.loss;
        self.triplets += other.triplets;
        self.mined += other.mined;
        self.active += other.active;
        self.anchors_with_triplet += other.anchors_with_triplet;
    }

    /// Adds one term, if it is above zero.
    fn term(
        &mut self,
        (positive, p): (f32, usize),
        (negative, n): (f32, usize),
        margin: Margin,
        row: &mut ArrayViewMut1<'_, f32>,
    ) {
        self.mined += 1;
        if let Some((term, weight)) = margin.term(positive, negative) {
            self.loss += term;
            self.active += 1;
            row[p] += weight;
            row[n] -= weight;
        }
    }

    /// Negatives are sorted, so those that are active for a positive come
    /// first: their number and the sum of their distances are enough, and both
    /// grow as the positive gets farther. O(B log B) for an anchor.
    fn all(&mut self, others: &Others, margin: f32, mut row: ArrayViewMut1<'_, f32>) {
        let Others { positives, negatives, .. } = others;
        let mut near = 0;
        let mut near_sum = 0.0;
        for (i, &(positive, p)) in positives.iter().enumerate() {
            let before = near;
            while near < negatives.len() {
                let (negative, _) = negatives[near];
                if positive - negative + margin <= 0.0 {
                    break;
                }
                near_sum += f64::from(negative);
                near += 1;
            }
            // These negatives are active for this positive and all farther ones.
            for &(_, n) in &negatives[before..near] {
                row[n] = -((positives.len() - i) as f32);
            }
            row[p] = near as f32;
            self.loss += near as f64 * (f64::from(positive) + f64::from(margin)) - near_sum;
            self.active += near as u64;
        }
        self.mined += (positives.len() * negatives.len()) as u64;
    }

    /// One exponential for each image: `exp(d_p - d_n)` is the product of
    /// `exp(d_p)` and `exp(-d_n)`, for distances in 0..=4 far from overflowing.
    /// The sum of `ln(1 + exp(d_p - d_n))` is the logarithm of a product, taken
    /// when that could grow too large.
    fn all_soft(&mut self, others: &mut Others, mut row: ArrayViewMut1<'_, f32>) {
        // (1 + exp(4))^64 is below 1e112.
        const FACTORS: usize = 64;
        let Others { positives, negatives, soft } = others;
        soft.clear();
        soft.extend(negatives.iter().map(|&(negative, _)| ((-f64::from(negative)).exp(), 0.0)));
        for &(positive, p) in positives.iter() {
            let of_positive = f64::from(positive).exp();
            let mut weights = 0.0;
            for block in soft.chunks_mut(FACTORS) {
                let mut product = 1.0;
                for (of_negative, sum) in block {
                    let ratio = of_positive * *of_negative;
                    let weight = ratio / (1.0 + ratio);
                    product *= 1.0 + ratio;
                    *sum += weight;
                    weights += weight;
                }
                self.loss += product.ln();
            }
            row[p] = weights as f32;
        }
        for (&(_, n), &(_, sum)) in negatives.iter().zip(soft.iter()) {
            row[n] = -sum as f32;
        }
        let triplets = (positives.len() * negatives.len()) as u64;
        self.mined += triplets;
        self.active += triplets;
    }

    fn hard(&mut self, others: &Others, margin: Margin, mut row: ArrayViewMut1<'_, f32>) {
        if let (Some(&positive), Some(&negative)) =
            (others.positives.last(), others.negatives.first())
        {
            self.term(positive, negative, margin, &mut row);
        }
    }

    fn semi_hard(&mut self, others: &Others, margin: Margin, mut row: ArrayViewMut1<'_, f32>) {
        for &positive in &others.positives {
            let farther = others.negatives.partition_point(|&(n, _)| n <= positive.0);
            let Some(&negative) = others.negatives.get(farther) else { continue };
            if margin.term(positive.0, negative.0).is_some() {
                self.term(positive, negative, margin, &mut row);
            }
        }
    }

    fn stats(&self, scale: f64) -> TripletStats {
        TripletStats {
            loss: self.loss * scale,
            triplets: self.triplets,
            mined: self.mined,
            active: self.active,
        }
    }
}
