//! Where the relevant items of a query stand in its ranking.

use super::key::{key, order};

/// How items at equal distance are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// By ascending id: every item has a rank of its own.
    ById,
    /// All share the last rank of the group, as if a threshold on the distance
    /// let all of them in at once. Average precision is then that of
    /// scikit-learn's `average_precision_score`.
    Shared,
}

/// Finds the ranks of relevant items without sorting the others.
///
/// Only the R relevant items are sorted. Each other item is counted at the
/// first relevant item that is not nearer than it, and a running sum of those
/// counts gives the ranks. The place of an item is looked up in a table that
/// divides the range of the relevant distances into equal buckets; since the
/// bucket is a monotone function of the distance, only relevant items of the
/// same bucket have to be compared. The result is exact: see
/// `docs/metrics.md`.
///
/// The buffers are reused from query to query.
#[derive(Debug, Default)]
pub struct Ranker {
    /// The relevant items' keys, ascending.
    keys: Vec<u64>,
    /// `first[b]`: how many relevant items lie in buckets below `b`.
    first: Vec<u32>,
    /// `counts[j]`: items that have exactly `j` relevant items before them.
    counts: Vec<u32>,
    ranks: Vec<u32>,
}

/// Buckets for each relevant item: few items share one, and the table still
/// fits the first- or second-level cache.
const BUCKETS_PER_ITEM: usize = 4;

/// Distances whose buckets are computed in one go, which the compiler turns
/// into vector instructions.
const LANES: usize = 64;

impl Ranker {
    /// A ranker with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The ranks, counted from 1 and ascending, of the `relevant` items among
    /// all items but the query.
    ///
    /// `distances[i]` is the distance of item `i`; NaN ranks behind everything.
    /// `relevant` holds distinct ids; the `query`'s own id is ignored there and
    /// not ranked. The result has one rank for each relevant item other than
    /// the query; with [`Ties::Shared`] relevant items at one distance have the
    /// same rank.
    ///
    /// # Panics
    /// When an id is not below `distances.len()`, or that exceeds `u32::MAX`.
    pub fn ranks(
        &mut self,
        distances: &[f32],
        relevant: &[u32],
        query: Option<u32>,
        ties: Ties,
    ) -> &[u32] {
        assert!(u32::try_from(distances.len()).is_ok(), "an item's id must fit 32 bits");
        let id_mask = match ties {
            Ties::ById => u32::MAX,
            Ties::Shared => 0,
        };
        let ids = relevant.iter().filter(|&&id| Some(id) != query);
        self.keys.clear();
        self.keys.extend(ids.map(|&id| key(distances[id as usize], id & id_mask)));
        self.keys.sort_unstable();
        self.counts.clear();
        self.counts.resize(self.keys.len() + 1, 0);

        let buckets = self.divide(distances, relevant, query);
        let query = query.map_or(distances.len(), |id| id as usize);
        self.count(&distances[..query], 0, id_mask, &buckets);
        if let Some(rest) = distances.get(query + 1..) {
            self.count(rest, query as u32 + 1, id_mask, &buckets);
        }

        // The relevant items were counted as well, each at its own place, so
        // the sum up to a place is the rank of the item there.
        self.ranks.clear();
        self.ranks.extend(self.counts[..self.keys.len()].iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }));
        &self.ranks
    }

    /// Divides the finite range of the relevant distances and fills `first`.
    fn divide(&mut self, distances: &[f32], relevant: &[u32], query: Option<u32>) -> Buckets {
        let values = relevant.iter().filter(|&&id| Some(id) != query);
        let finite = values.map(|&id| distances[id as usize]).filter(|d| d.is_finite());
        let (low, high) = finite
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), d| (low.min(d), high.max(d)));
        let len = (self.keys.len() * BUCKETS_PER_ITEM).next_power_of_two();
        let buckets = if low < high {
            Buckets { low, scale: (len - 1) as f32 / (high - low), last: len as f32 }
        } else {
            Buckets { low: 0.0, scale: 0.0, last: len as f32 }
        };
        self.first.clear();
        let nan = u64::from(u32::MAX) << 32;
        let numbers = self.keys.partition_point(|&key| key < nan);
        for (place, &key) in self.keys[..numbers].iter().enumerate() {
            let bucket = buckets.of(distance_of(key));
            while self.first.len() <= bucket as usize {
                self.first.push(place as u32);
            }
        }
        self.first.resize(len + 2, numbers as u32);
        self.first.push(self.keys.len() as u32);
        buckets
    }

    /// Counts each of `distances`, whose ids start at `base`, at its place.
    fn count(&mut self, distances: &[f32], base: u32, id_mask: u32, buckets: &Buckets) {
        let mut bucket = [0u32; LANES];
        for (chunk, distances) in distances.chunks(LANES).enumerate() {
            for (bucket, &distance) in bucket.iter_mut().zip(distances) {
                *bucket = buckets.of(distance);
            }
            for (lane, (&bucket, &distance)) in bucket.iter().zip(distances).enumerate() {
                let from = self.first[bucket as usize] as usize;
                let to = self.first[bucket as usize + 1] as usize;
                let place = if from == to {
                    from
                } else {
                    let id = base + (chunk * LANES + lane) as u32;
                    let item = key(distance, id & id_mask);
                    from + self.keys[from..to].partition_point(|&key| key < item)
                };
                self.counts[place] += 1;
            }
        }
    }
}

/// Equal divisions of a range of distances; what lies above the range has the
/// bucket `last`, NaN the one behind it.
struct Buckets {
    low: f32,
    scale: f32,
    last: f32,
}

impl Buckets {
    /// The bucket of a distance: monotone, because rounding is.
    ///
    /// With `scale` 0, or where the range's width overflows, all finite
    /// distances fall into bucket 0, and infinity times 0, a NaN, does too.
    fn of(&self, distance: f32) -> u32 {
        let bucket = ((distance - self.low) * self.scale).max(0.0).min(self.last);
        (if distance.is_nan() { self.last + 1.0 } else { bucket }) as i32 as u32
    }
}

/// The distance in a sort key, NaN excluded.
fn distance_of(key: u64) -> f32 {
    let order = (key >> 32) as u32;
    let sign = ((!order as i32) >> 31) as u32;
    let distance = f32::from_bits(order ^ (sign | 0x8000_0000));
    debug_assert_eq!(self::order(distance), order);
    distance
}
