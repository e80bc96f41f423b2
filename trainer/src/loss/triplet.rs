//! The triplet loss on squared Euclidean distances,
//! `l(a) = sum over positives p and negatives n of max(d(a,p) - d(a,n) + margin, 0)`
//! (Weinberger and Saul, JMLR 2009; Schroff et al., FaceNet, CVPR 2015).

use clap::ValueEnum;
use ndarray::{ArrayView2, ArrayViewMut1, ArrayViewMut2};
use serde::{Deserialize, Serialize};

use super::Pairs;

/// Which triplets of an anchor count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mining {
    /// All of them.
    All,
    /// One: its farthest positive and its nearest negative (Hermans et al., 2017).
    Hard,
    /// One for each positive: the nearest negative that is farther than the
    /// positive, as long as it is within the margin (FaceNet, section 3.2).
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
    /// The number of terms above zero.
    MeanActive,
}

/// The loss's settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Triplet {
    /// How much farther a negative must be than a positive; useful in (0, 2).
    pub margin: f32,
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
            margin: 0.5,
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
    /// Of those, the ones whose term is above zero.
    pub active: u64,
    /// Mean distance of anchors to positives and to negatives.
    pub mean_positive: f64,
    /// See `mean_positive`.
    pub mean_negative: f64,
}

/// The other images of a batch as one anchor sees them.
#[derive(Default)]
struct Others {
    /// Distance and index, ascending.
    positives: Vec<(f32, usize)>,
    negatives: Vec<(f32, usize)>,
}

impl Triplet {
    /// The loss of the embeddings `f` `[B, E]`, L2-normalised, and its gradient
    /// `df`. A batch without any triplet has loss 0, `triplets` 0 and no
    /// gradient.
    pub fn evaluate(
        &self,
        f: ArrayView2<'_, f32>,
        labels: &[u16],
        df: ArrayViewMut2<'_, f32>,
        pairs: &mut Pairs,
    ) -> TripletStats {
        let (similarity, mut gradient) = pairs.compute(f);
        let mut others = Others::default();
        let mut sums = Sums::default();
        let anchors = self.anchors.unwrap_or(labels.len()).min(labels.len());
        for anchor in 0..anchors {
            others.of(anchor, similarity, labels);
            sums.see(&others);
            if others.positives.is_empty() || others.negatives.is_empty() {
                continue;
            }
            sums.anchors_with_triplet += 1;
            let row = gradient.row_mut(anchor);
            match self.mining {
                Mining::All => sums.all(&others, self.margin, row),
                Mining::Hard => sums.hard(&others, self.margin, row),
                Mining::SemiHard => sums.semi_hard(&others, self.margin, row),
            }
        }
        let divisor = match (self.reduction, self.mining) {
            (Reduction::Sum, _) => 1,
            (Reduction::MeanAnchor, Mining::Hard) => sums.anchors_with_triplet,
            (Reduction::MeanAnchor, _) => anchors as u64,
            (Reduction::MeanActive, _) => sums.active,
        };
        let scale = 1.0 / divisor.max(1) as f64;
        // Counts so far, of d = 2 - 2 s; what is wanted is the gradient of s.
        gradient.map_inplace(|g| *g *= (-2.0 * scale) as f32);
        pairs.backward(f, df);
        sums.stats(scale)
    }
}

impl Others {
    fn of(&mut self, anchor: usize, similarity: ArrayView2<'_, f32>, labels: &[u16]) {
        self.positives.clear();
        self.negatives.clear();
        for (i, &label) in labels.iter().enumerate() {
            let distance = 2.0 - 2.0 * similarity[[anchor, i]];
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

/// Sums over a batch. The gradient's rows hold, for each image, how many terms
/// its distance to the anchor is in, with the sign it has there.
#[derive(Default)]
struct Sums {
    loss: f64,
    triplets: u64,
    mined: u64,
    active: u64,
    anchors_with_triplet: u64,
    positive: (f64, u64),
    negative: (f64, u64),
}

impl Sums {
    fn see(&mut self, others: &Others) {
        self.triplets += (others.positives.len() * others.negatives.len()) as u64;
        for (sum, list) in
            [(&mut self.positive, &others.positives), (&mut self.negative, &others.negatives)]
        {
            sum.0 += list.iter().map(|&(d, _)| f64::from(d)).sum::<f64>();
            sum.1 += list.len() as u64;
        }
    }

    /// Adds one term; true if it is above zero.
    fn term(&mut self, positive: f32, negative: f32, margin: f32) -> bool {
        let term = positive - negative + margin;
        self.mined += 1;
        // Negated, so that a NaN counts and is seen.
        if term <= 0.0 {
            return false;
        }
        self.loss += f64::from(term);
        self.active += 1;
        true
    }

    /// Negatives are sorted, so those that are active for a positive come
    /// first: their number and the sum of their distances are enough, and both
    /// grow as the positive gets farther. O(B log B) for an anchor.
    fn all(&mut self, others: &Others, margin: f32, mut row: ArrayViewMut1<'_, f32>) {
        let Others { positives, negatives } = others;
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

    fn hard(&mut self, others: &Others, margin: f32, mut row: ArrayViewMut1<'_, f32>) {
        let (Some(&(positive, p)), Some(&(negative, n))) =
            (others.positives.last(), others.negatives.first())
        else {
            return;
        };
        if self.term(positive, negative, margin) {
            row[p] += 1.0;
            row[n] -= 1.0;
        }
    }

    fn semi_hard(&mut self, others: &Others, margin: f32, mut row: ArrayViewMut1<'_, f32>) {
        for &(positive, p) in &others.positives {
            let farther = others.negatives.partition_point(|&(n, _)| n <= positive);
            let Some(&(negative, n)) = others.negatives.get(farther) else { continue };
            if positive - negative + margin > 0.0 && self.term(positive, negative, margin) {
                row[p] += 1.0;
                row[n] -= 1.0;
            }
        }
    }

    fn stats(&self, scale: f64) -> TripletStats {
        let mean = |(sum, count): (f64, u64)| sum / count.max(1) as f64;
        TripletStats {
            loss: self.loss * scale,
            triplets: self.triplets,
            mined: self.mined,
            active: self.active,
            mean_positive: mean(self.positive),
            mean_negative: mean(self.negative),
        }
    }
}
