//! When a thing counts as recognised.

use serde::{Deserialize, Serialize};

/// What a query is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Rule {
    /// Every enrolled item.
    NearestItem,
    /// The mean of each label's items.
    NearestPrototype,
}

/// A threshold on the squared distance to the nearest item or prototype, with
/// what it was calibrated for. A query farther than the threshold is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Acceptance {
    /// Largest squared Euclidean distance that is accepted, 0 to 4.
    pub threshold: f32,
    /// The share of impostors that it was calibrated to accept, 0 to 1.
    pub false_accept_rate: f32,
    /// What the distance is measured to.
    pub rule: Rule,
}

impl Acceptance {
    /// Whether both numbers are in their range.
    pub(super) fn is_valid(&self) -> bool {
        (0.0..=4.0).contains(&self.threshold) && (0.0..=1.0).contains(&self.false_accept_rate)
    }
}
