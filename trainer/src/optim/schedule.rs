//! How the learning rate changes over a run.

use std::f64::consts::PI;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A factor on the learning rate for each step of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// 1 throughout.
    Constant,
    /// From 1 to 0 along half a cosine (Loshchilov and Hutter, ICLR 2017).
    Cosine,
    /// From 1/25 up to 1 over the first 30 % of the steps, then down to
    /// 1/250,000, both along half a cosine (Smith and Topin, 2018; the numbers
    /// are PyTorch's `OneCycleLR`).
    OneCycle,
}

impl Schedule {
    /// The factor for step `step` of `steps`, counted from 0.
    pub fn factor(self, step: u64, steps: u64) -> f64 {
        let cosine = |from: f64, to: f64, t: f64| to + (from - to) * (1.0 + (PI * t).cos()) / 2.0;
        match self {
            Schedule::Constant => 1.0,
            Schedule::Cosine => cosine(1.0, 0.0, step as f64 / steps.max(1) as f64),
            Schedule::OneCycle => {
                let last = steps.saturating_sub(1) as f64;
                let peak = (0.3 * steps as f64 - 1.0).max(0.0);
                let step = step as f64;
                if step < peak {
                    cosine(1.0 / 25.0, 1.0, step / peak)
                } else {
                    cosine(1.0, 1.0 / 250_000.0, (step - peak) / (last - peak).max(1.0))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_peak() {
        assert_eq!(Schedule::Constant.factor(7, 10), 1.0);
        assert_eq!(Schedule::Cosine.factor(0, 10), 1.0);
        assert!((Schedule::Cosine.factor(5, 10) - 0.5).abs() < 1e-12);
        let one_cycle: Vec<f64> = (0..100).map(|s| Schedule::OneCycle.factor(s, 100)).collect();
        assert!((one_cycle[0] - 0.04).abs() < 1e-12);
        assert_eq!(one_cycle[29], 1.0);
        assert!((one_cycle[99] - 4e-6).abs() < 1e-12);
        assert!(one_cycle[..30].is_sorted());
        assert!(one_cycle[29..].is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn a_run_of_one_step_is_defined() {
        for schedule in [Schedule::Constant, Schedule::Cosine, Schedule::OneCycle] {
            assert!(schedule.factor(0, 1).is_finite());
        }
    }
}
