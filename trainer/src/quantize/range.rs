//! From the values that a layer's output takes to its scale.

use serde::Serialize;

/// How the range that 0 to 255 stands for is found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Calibration {
    /// The largest value seen.
    Max,
    /// The value that 99.99 % of those above 0 do not exceed.
    #[value(name = "p99.99")]
    #[serde(rename = "p99.99")]
    P9999,
    /// The value that 99.9 % of those above 0 do not exceed.
    #[value(name = "p99.9")]
    #[serde(rename = "p99.9")]
    P999,
    /// The range with the least mean squared error of rounding and clipping.
    Mse,
}

impl Calibration {
    /// All of them.
    pub const ALL: [Calibration; 4] =
        [Calibration::Max, Calibration::P9999, Calibration::P999, Calibration::Mse];

    /// As the command line spells it.
    pub fn name(self) -> &'static str {
        match self {
            Calibration::Max => "max",
            Calibration::P9999 => "p99.99",
            Calibration::P999 => "p99.9",
            Calibration::Mse => "mse",
        }
    }

    /// The value that a step of one stands for. `values` are those above 0, in
    /// any order, at least one.
    pub fn scale(self, values: &mut [f32]) -> f64 {
        let largest = f64::from(values.iter().fold(0.0f32, |m, &v| m.max(v)));
        let range = match self {
            Calibration::Max => largest,
            Calibration::P9999 => quantile(values, 0.9999),
            Calibration::P999 => quantile(values, 0.999),
            Calibration::Mse => least_error(values, largest),
        };
        range / 255.0
    }
}

fn quantile(values: &mut [f32], share: f64) -> f64 {
    let at = ((values.len() - 1) as f64 * share).ceil() as usize;
    f64::from(*values.select_nth_unstable_by(at, f32::total_cmp).1)
}

/// Values that the search for the least error looks at.
const SAMPLE: usize = 100_000;

/// Tries ranges from the largest value down, each 3 % below the one before.
fn least_error(values: &[f32], largest: f64) -> f64 {
    let sample: Vec<f32> = values.iter().step_by(values.len().div_ceil(SAMPLE)).copied().collect();
    let error = |range: f64| -> f64 {
        let (scale, inverse) = ((range / 255.0) as f32, (255.0 / range) as f32);
        let errors = sample.iter().map(|&value| {
            let error = value - (value * inverse).round_ties_even().min(255.0) * scale;
            f64::from(error * error)
        });
        errors.sum()
    };
    let (mut best, mut least) = (largest, error(largest));
    let mut range = largest;
    for _ in 0..150 {
        range *= 0.97;
        let error = error(range);
        if error < least {
            (best, least) = (range, error);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_widen_only_the_maximum() {
        let mut values: Vec<f32> = (1..=100_000).map(|i| i as f32 / 100_000.0).collect();
        values.push(50.0);
        let ranges = Calibration::ALL.map(|c| 255.0 * c.scale(&mut values.clone()));
        assert_eq!(ranges[0], 50.0);
        assert!((ranges[1] - 0.9999).abs() < 1e-4 && (ranges[2] - 0.999).abs() < 1e-4);
        assert!(ranges[3] < 50.0 && ranges[3] > 0.5, "{ranges:?}");
    }

    #[test]
    fn without_outliers_nothing_is_clipped_for_the_least_error() {
        let mut values: Vec<f32> = (1..=1000).map(|i| i as f32).collect();
        let range = 255.0 * Calibration::Mse.scale(&mut values);
        assert!((960.0..=1000.0).contains(&range), "{range}");
    }

    #[test]
    fn tiny_and_equal_values_have_a_scale() {
        for calibration in Calibration::ALL {
            for value in [f32::MIN_POSITIVE / 1024.0, 1.0, f32::MAX] {
                let scale = calibration.scale(&mut [value; 7]);
                assert!(scale > 0.0 && scale.is_finite(), "{calibration:?} {value}: {scale}");
            }
        }
    }
}
