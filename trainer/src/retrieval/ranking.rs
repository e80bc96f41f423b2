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
    /// The relevant items' keys, ascending, and one above them all.
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

/// [`Buckets::of`] needs numbers that leave a bit of an f32's fraction unused.
const MAX_BUCKETS: usize = 1 << 21;

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
        let found = self.keys.len();
        self.counts.clear();
        self.counts.resize(found + 1, 0);

        let buckets = self.divide();
        self.keys.push(u64::MAX);
        let query = query.map_or(distances.len(), |id| id as usize);
        self.count(&distances[..query], 0, id_mask, &buckets);
        if let Some(rest) = distances.get(query + 1..) {
            self.count(rest, query as u32 + 1, id_mask, &buckets);
        }

        // The relevant items were counted as well, each at its own place, so
        // the sum up to a place is the rank of the item there.
        self.ranks.clear();
        self.ranks.extend(self.counts[..found].iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }));
        &self.ranks
    }

    /// Divides the finite range of the relevant distances and fills `first`.
    fn divide(&mut self) -> Buckets {
        let nearer = |distance: f32| {
            let end = order(distance);
            self.keys.partition_point(|&key| ((key >> 32) as u32) < end)
        };
        let finite = &self.keys[nearer(f32::MIN)..nearer(f32::INFINITY)];
        let numbers = &self.keys[..nearer(f32::NAN)];
        let len = (self.keys.len() * BUCKETS_PER_ITEM).next_power_of_two().min(MAX_BUCKETS);
        let (low, high) = match finite {
            [] => (0.0, 0.0),
            [first, ..] => (distance_of(*first), distance_of(finite[finite.len() - 1])),
        };
        let scale = if low < high { (len - 1) as f32 / (high - low) } else { 0.0 };
        let buckets = Buckets { low, scale, last: len as f32 };

        self.first.clear();
        self.first.resize(len + 2, 0);
        for &key in numbers {
            self.first[buckets.of(distance_of(key)) as usize + 1] += 1;
        }
        let mut below = 0;
        for first in &mut self.first {
            below += *first;
            *first = below;
        }
        self.first.push(self.keys.len() as u32);
        buckets
    }

    /// Counts each of `distances`, whose ids start at `base`, at its place.
    /// `keys` must end with a key above all others.
    fn count(&mut self, distances: &[f32], base: u32, id_mask: u32, buckets: &Buckets) {
        let mut start = base;
        let (chunks, rest) = distances.as_chunks::<LANES>();
        for chunk in chunks {
            self.count_chunk(chunk, LANES, start, id_mask, buckets);
            start += LANES as u32;
        }
        let mut padded = [0.0; LANES];
        padded[..rest.len()].copy_from_slice(rest);
        self.count_chunk(&padded, rest.len(), start, id_mask, buckets);
    }

    /// Counts the first `len` of `distances`.
    #[inline]
    fn count_chunk(
        &mut self,
        distances: &[f32; LANES],
        len: usize,
        base: u32,
        id_mask: u32,
        buckets: &Buckets,
    ) {
        // Two loops without a branch, which become vector instructions.
        let bucket = distances.map(|distance| buckets.of(distance));
        let order = distances.map(order);
        for lane in 0..len {
            let id = base + lane as u32;
            let item = (u64::from(order[lane]) << 32) | u64::from(id & id_mask);
            let from = self.first[bucket[lane] as usize] as usize;
            let to = self.first[bucket[lane] as usize + 1] as usize;
            // An empty bucket needs no case of its own, which would be
            // hard to predict: the key at its end is above the item's.
            let place = if to <= from + 1 {
                from + usize::from(self.keys[from] < item)
            } else {
                from + self.keys[from..to].partition_point(|&key| key < item)
            };
            self.counts[place] += 1;
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
        /// Adding it to a smaller number leaves the nearest integer in the low
        /// bits, without the range checks of a conversion.
        const TWO_POW_23: f32 = 8_388_608.0;
        let bucket = ((distance - self.low) * self.scale).max(0.0).min(self.last);
        let bucket = (bucket + TWO_POW_23).to_bits() - TWO_POW_23.to_bits();
        if distance.is_nan() { self.last as u32 + 1 } else { bucket }
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
