//! Which training images settings are chosen by.

use super::{DataError, Dataset, Split};

/// One in so many training images of a class is for validation.
const ONE_IN: usize = 6;

/// Runs for validation in a class that is large enough.
const RUNS: usize = 4;

/// The part of the training images that is `split`, [`Split::Fit`] or
/// [`Split::Validation`].
pub(super) fn part(train: &Dataset, split: Split) -> Result<Dataset, DataError> {
    let wanted = split == Split::Validation;
    let marks = marks(&train.labels, train.class_count());
    if !marks.contains(&true) {
        let largest = (0..train.class_count() as u16)
            .map(|class| train.labels.iter().filter(|&&label| label == class).count())
            .max();
        let largest = largest.unwrap_or(0);
        return Err(DataError::TooFewToDivide { largest, least: ONE_IN });
    }
    let indices = (0u32..).zip(marks).filter(|(_, mark)| *mark == wanted).map(|(i, _)| i);
    Ok(train.subset(&indices.collect::<Vec<_>>()))
}

/// Whether each image is for validation. A class's images, in their order, are
/// cut into runs of equal length and every sixth run is taken: images that lie
/// together are alike (one writer's digits, one camera's series), and would be
/// on both sides if they were taken one by one.
fn marks(labels: &[u16], classes: usize) -> Vec<bool> {
    let mut sizes = vec![0; classes];
    for &label in labels {
        sizes[label as usize] += 1;
    }
    let mut seen = vec![0; classes];
    let mark = |&label: &u16| {
        let (size, i) = (sizes[label as usize], seen[label as usize]);
        seen[label as usize] += 1;
        let runs = ONE_IN * (size / ONE_IN).clamp(1, RUNS);
        i * runs / size % ONE_IN == ONE_IN - 1
    };
    labels.iter().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places in its class of the validation images of a class of `size`.
    fn marked(size: usize) -> Vec<usize> {
        // Another class in between changes nothing.
        let labels: Vec<u16> = (0..2 * size).map(|i| (i % 2) as u16).collect();
        let marks = marks(&labels, 2);
        (0..size).filter(|&i| marks[2 * i]).inspect(|&i| assert!(marks[2 * i + 1])).collect()
    }

    #[test]
    fn validation_images_are_runs_of_each_class() {
        assert_eq!(marked(5), [0; 0]);
        assert_eq!(marked(6), [5]);
        assert_eq!(marked(12), [5, 11]);
        assert_eq!(marked(24), [5, 11, 17, 23]);
        assert_eq!(marked(72), [15, 16, 17, 33, 34, 35, 51, 52, 53, 69, 70, 71]);
        for size in 24..500 {
            let share = marked(size).len() as f64 / size as f64;
            assert!((share - 1.0 / 6.0).abs() < 4.0 / size as f64, "{size}: {share}");
        }
    }

    #[test]
    fn a_sixth_of_mnist_is_for_validation() {
        let train = crate::data::mnist::train();
        let [fit, validation] = [Split::Fit, Split::Validation].map(|s| part(&train, s).unwrap());
        assert_eq!((fit.len(), validation.len()), (50_007, 9_993));
        assert_eq!(validation.class_count(), 10);
    }
}
