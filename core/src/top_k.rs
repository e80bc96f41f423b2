//! The k nearest of a stream of candidates, by insertion into a sorted slice.

use core::cmp::Ordering;
use core::ops::Deref;

/// One candidate of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Match {
    /// The item's id.
    pub id: u32,
    /// Its distance to the query; less is nearer.
    pub distance: f32,
}

impl Match {
    pub(crate) const NONE: Match = Match { id: u32::MAX, distance: f32::INFINITY };

    /// Orders by distance, then by id. The order is total: both zeros are
    /// equal, and a distance that is not a number comes last.
    pub fn rank(&self, other: &Match) -> Ordering {
        let by_distance = match (self.distance.is_nan(), other.distance.is_nan()) {
            // Adding 0 turns -0 into 0.
            (false, false) => (self.distance + 0.0).total_cmp(&(other.distance + 0.0)),
            (x, y) => x.cmp(&y),
        };
        by_distance.then(self.id.cmp(&other.id))
    }
}

/// Inserts into the first `len` of `slots`, which are in order, and gives the
/// new number; the last falls out of full slots.
fn insert(slots: &mut [Match], len: usize, candidate: Match) -> usize {
    let full = len >= slots.len();
    if full && slots.last().is_none_or(|last| candidate.rank(last).is_ge()) {
        return len;
    }
    let mut carried = candidate;
    for slot in slots.iter_mut().take(len) {
        if carried.rank(slot).is_lt() {
            core::mem::swap(slot, &mut carried);
        }
    }
    match slots.get_mut(len) {
        Some(slot) => {
            *slot = carried;
            len + 1
        }
        None => len,
    }
}

/// The nearest items of a search that is under way, in the memory of its result.
///
/// Until [`Nearest::finish`], a match's id is the item's place, and the bits of
/// its distance are its key: all comparisons are of integers.
pub(crate) struct Nearest<'k> {
    slots: &'k mut [Match],
    len: usize,
    /// The farthest key that may have a place yet.
    limit: u32,
}

impl<'k> Nearest<'k> {
    /// Keeps as many items as there are slots; what they hold is overwritten.
    pub fn new(slots: &'k mut [Match]) -> Self {
        Nearest { slots, len: 0, limit: u32::MAX }
    }

    /// Most items.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The places of the items, nearest first.
    pub fn places(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().take(self.len).map(|slot| slot.id)
    }

    /// Takes an item if it is among the nearest so far, ties by lower place.
    #[inline(always)]
    pub fn insert(&mut self, place: u32, key: u32) {
        if key <= self.limit {
            self.insert_near(place, key);
        }
    }

    #[inline(never)]
    fn insert_near(&mut self, place: u32, key: u32) {
        let rank = (key, place);
        let nearer = |slot: &Match| (slot.distance.to_bits(), slot.id) < rank;
        let occupied = self.slots.get(..self.len).unwrap_or_default();
        let position = occupied.partition_point(nearer);
        let full = self.len >= self.slots.len();
        let len = if full { self.len } else { self.len.saturating_add(1) };
        let mut carried = Match { id: place, distance: f32::from_bits(key) };
        for slot in self.slots.get_mut(position..len).unwrap_or_default() {
            core::mem::swap(slot, &mut carried);
        }
        self.len = len;
        if len == self.slots.len() {
            self.limit = self.slots.last().map_or(0, |last| last.distance.to_bits());
        }
    }

    /// Turns places to ids and keys to distances, and gives the number of items.
    pub fn finish(self, id: impl Fn(u32) -> u32, distance: impl Fn(u32) -> f32) -> usize {
        for slot in self.slots.iter_mut().take(self.len) {
            *slot = Match { id: id(slot.id), distance: distance(slot.distance.to_bits()) };
        }
        self.len
    }
}

/// At most `K` matches, nearest first, ties by lower id.
#[derive(Clone, Copy, Debug)]
pub struct Matches<const K: usize> {
    slots: [Match; K],
    len: usize,
}

impl<const K: usize> Matches<K> {
    /// No match yet.
    pub const fn new() -> Self {
        Matches { slots: [Match::NONE; K], len: 0 }
    }

    /// What a search finds, which gives the number of matches.
    pub(crate) fn found_by(search: impl FnOnce(Nearest<'_>) -> usize) -> Self {
        let mut slots = [Match::NONE; K];
        let len = search(Nearest::new(&mut slots));
        Matches { slots, len }
    }

    /// Takes a candidate if it is among the `K` nearest so far.
    pub fn insert(&mut self, candidate: Match) {
        self.len = insert(&mut self.slots, self.len, candidate);
    }

    /// The matches, nearest first.
    pub fn as_slice(&self) -> &[Match] {
        self.slots.get(..self.len).unwrap_or_default()
    }
}

impl<const K: usize> Default for Matches<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const K: usize> Deref for Matches<K> {
    type Target = [Match];

    fn deref(&self) -> &[Match] {
        self.as_slice()
    }
}

impl<const K: usize> PartialEq for Matches<K> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<'a, const K: usize> IntoIterator for &'a Matches<K> {
    type Item = &'a Match;
    type IntoIter = core::slice::Iter<'a, Match>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter()
    }
}

/// [`Matches`] for a k that is known at run time, in the caller's memory.
#[derive(Debug)]
pub struct TopK<'a> {
    slots: &'a mut [Match],
    len: usize,
}

impl<'a> TopK<'a> {
    /// Keeps as many matches as there are slots; what they hold is overwritten.
    pub const fn new(slots: &'a mut [Match]) -> Self {
        TopK { slots, len: 0 }
    }

    /// What a search finds, which gives the number of matches.
    pub(crate) fn found_by(
        slots: &'a mut [Match],
        search: impl FnOnce(Nearest<'_>) -> usize,
    ) -> Self {
        let len = search(Nearest::new(slots));
        TopK { slots, len }
    }

    /// Takes a candidate if it is among the nearest so far.
    pub fn insert(&mut self, candidate: Match) {
        self.len = insert(self.slots, self.len, candidate);
    }

    /// The matches, nearest first.
    pub fn as_slice(&self) -> &[Match] {
        self.slots.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    extern crate std;
    use std::{vec, vec::Vec};

    fn distance() -> impl Strategy<Value = f32> {
        // Few values, so that ties are common.
        prop::sample::select(vec![
            0.0,
            -0.0,
            0.25,
            0.5,
            1.0,
            4.0,
            f32::INFINITY,
            f32::NAN,
            -f32::NAN,
            f32::NEG_INFINITY,
        ])
    }

    fn sorted(candidates: &[Match], k: usize) -> Vec<u32> {
        let mut all = candidates.to_vec();
        all.sort_by(|x, y| {
            let (a, b) = (x.distance, y.distance);
            let by_value =
                a.is_nan().cmp(&b.is_nan()).then(a.partial_cmp(&b).unwrap_or(Ordering::Equal));
            by_value.then(x.id.cmp(&y.id))
        });
        all.iter().take(k).map(|m| m.id).collect()
    }

    fn ids(matches: &[Match]) -> Vec<u32> {
        matches.iter().map(|m| m.id).collect()
    }

    proptest! {
        #[test]
        fn equals_sorting(
            distances in prop::collection::vec(distance(), 0..40),
            k in 0usize..12,
        ) {
            let mut candidates: Vec<Match> =
                (0..).zip(distances).map(|(id, distance)| Match { id, distance }).collect();
            // The order of arrival must not matter.
            let middle = k.min(candidates.len());
            candidates.rotate_left(middle);

            let mut slots = vec![Match::NONE; k];
            let mut top = TopK::new(&mut slots);
            let mut five = Matches::<5>::new();
            for &candidate in &candidates {
                top.insert(candidate);
                five.insert(candidate);
            }
            prop_assert_eq!(ids(top.as_slice()), sorted(&candidates, k));
            prop_assert_eq!(ids(&five), sorted(&candidates, 5));
        }

        #[test]
        fn keys_are_ranked_as_integers(
            keys in prop::collection::vec(prop_oneof![0u32..4, any::<u32>()], 0..40),
            k in 0usize..12,
        ) {
            let mut candidates: Vec<(u32, u32)> = keys.into_iter().zip(0..).collect();
            let middle = k.min(candidates.len());
            candidates.rotate_left(middle);
            let mut slots = vec![Match::NONE; k];
            let mut nearest = Nearest::new(&mut slots);
            for &(key, place) in &candidates {
                nearest.insert(place, key);
            }
            candidates.sort();
            candidates.truncate(k);
            prop_assert!(nearest.places().eq(candidates.iter().map(|candidate| candidate.1)));
            let len = nearest.finish(|place| place + 100, |key| (key >> 8) as f32);
            prop_assert_eq!(len, candidates.len());
            for (slot, (key, place)) in slots.iter().zip(candidates) {
                prop_assert_eq!((slot.id, slot.distance), (place + 100, (key >> 8) as f32));
            }
        }
    }

    #[test]
    fn not_a_number_comes_last() {
        let mut matches = Matches::<3>::new();
        for (id, distance) in [(0, -f32::NAN), (1, f32::INFINITY), (2, 1.0), (3, f32::NAN)] {
            matches.insert(Match { id, distance });
        }
        assert_eq!(ids(&matches), [2, 1, 0]);
    }
}
