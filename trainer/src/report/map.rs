//! Embeddings in two dimensions.

use ndarray::{Array2, ArrayView2, Axis};

use crate::quantize::pca::leading;

/// The most images that a map shows.
const SHOWN: usize = 1000;

/// Embeddings along the two directions in which they vary most.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Images that the directions were found with.
    pub images: usize,
    /// The share of the embeddings' variance along each direction.
    pub explained: [f64; 2],
    /// Some of the images, evenly spaced by index.
    pub points: Vec<Point>,
    /// The mean of all images of each class that has any, by label.
    pub centres: Vec<(u16, [f64; 2])>,
}

/// An image on the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The image.
    pub image: u32,
    /// Its class.
    pub label: u16,
    /// Where it is, in the embedding's units.
    pub at: [f64; 2],
    /// The nearest other image and its class.
    pub nearest: Option<(u32, u16)>,
}

impl Map {
    /// Of embeddings `[N, E]`, their labels, and the nearest other image of each.
    pub fn new(embeddings: ArrayView2<'_, f32>, labels: &[u16], nearest: &[Option<u32>]) -> Map {
        let images = embeddings.nrows();
        let (places, explained) = principal(embeddings);
        let at = |image: usize| [places[[image, 0]], places[[image, 1]]];
        let shown = images.min(SHOWN);
        let point = |place: usize| {
            let image = place * images / shown;
            let nearest = nearest[image].map(|id| (id, labels[id as usize]));
            Point { image: image as u32, label: labels[image], at: at(image), nearest }
        };
        let mut sums = vec![([0.0; 2], 0); labels.iter().max().map_or(0, |&l| usize::from(l) + 1)];
        for (image, &label) in labels.iter().enumerate() {
            let (sum, count) = &mut sums[usize::from(label)];
            sum.iter_mut().zip(at(image)).for_each(|(sum, x)| *sum += x);
            *count += 1;
        }
        let centres = (0..).zip(sums).filter(|(_, (_, count))| *count > 0);
        Map {
            images,
            explained,
            points: (0..shown).map(point).collect(),
            centres: centres
                .map(|(label, (sum, count))| (label, sum.map(|x| x / f64::from(count))))
                .collect(),
        }
    }
}

/// The first two principal components of rows `[N, E]`: the centred rows along
/// them, `[N, 2]`, and the share of the variance that each explains.
///
/// A component's sign is such that its largest weight is positive. Where there
/// is no second direction, or no variance, it is 0.
fn principal(rows: ArrayView2<'_, f32>) -> (Array2<f64>, [f64; 2]) {
    let mut places = Array2::zeros((rows.nrows(), 2));
    let mut explained = [0.0; 2];
    let wide = rows.mapv(f64::from);
    let Some(mean) = wide.mean_axis(Axis(0)) else { return (places, explained) };
    let centred = wide - mean;
    let variance: f64 = centred.iter().map(|x| x * x).sum::<f64>() / rows.nrows() as f64;
    let (mut directions, values) = leading(centred.mapv(|x| x as f32).view(), 2, 0);
    for (component, (mut direction, &value)) in directions.outer_iter_mut().zip(&values).enumerate()
    {
        let largest = direction.iter().copied().fold(0.0, |largest: f64, weight| {
            if weight.abs() > largest.abs() { weight } else { largest }
        });
        if largest < 0.0 {
            direction *= -1.0;
        }
        places.column_mut(component).assign(&centred.dot(&direction));
        explained[component] = if variance > 0.0 { value / variance } else { 0.0 };
    }
    (places, explained)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::rng::{Purpose, stream};

    /// By the definition: the covariance matrix, and its eigenvectors one after
    /// the other by power iteration, each taken out before the next.
    fn naive(rows: &Array2<f32>) -> (Vec<[f64; 2]>, [f64; 2]) {
        let (n, d) = rows.dim();
        let mean: Vec<f64> = (0..d)
            .map(|j| (0..n).map(|i| f64::from(rows[[i, j]])).sum::<f64>() / n as f64)
            .collect();
        let x = |i: usize, j: usize| f64::from(rows[[i, j]]) - mean[j];
        let mut covariance = vec![vec![0.0; d]; d];
        for (a, row) in covariance.iter_mut().enumerate() {
            for (b, value) in row.iter_mut().enumerate() {
                *value = (0..n).map(|i| x(i, a) * x(i, b)).sum::<f64>() / n as f64;
            }
        }
        let total: f64 = (0..d).map(|j| covariance[j][j]).sum();
        let mut found = (vec![[0.0; 2]; n], [0.0; 2]);
        for component in 0..2 {
            let mut v: Vec<f64> = (0..d).map(|j| 1.0 + 0.1 * j as f64).collect();
            let mut value = 0.0;
            for _ in 0..2000 {
                let w: Vec<f64> = covariance
                    .iter()
                    .map(|row| row.iter().zip(&v).map(|(a, b)| a * b).sum())
                    .collect();
                value = w.iter().map(|x: &f64| x * x).sum::<f64>().sqrt();
                v = w.iter().map(|x| x / value).collect();
            }
            let largest =
                v.iter().copied().fold(0.0, |m: f64, x| if x.abs() > m.abs() { x } else { m });
            v.iter_mut().for_each(|x| *x *= largest.signum());
            for i in 0..n {
                found.0[i][component] = (0..d).map(|j| x(i, j) * v[j]).sum();
            }
            found.1[component] = value / total;
            for (a, row) in covariance.iter_mut().enumerate() {
                row.iter_mut().zip(&v).for_each(|(c, vb)| *c -= value * v[a] * vb);
            }
        }
        found
    }

    fn rows(n: usize, d: usize) -> Array2<f32> {
        let mut rng = stream(11, Purpose::Selection, 0);
        Array2::from_shape_fn((n, d), |(_, j)| {
            3.0 + rng.random_range(-1.0f32..1.0) / (1.0 + j as f32)
        })
    }

    #[test]
    fn components_are_those_of_the_covariance_matrix() {
        let rows = rows(80, 7);
        let (places, explained) = principal(rows.view());
        let (naive_places, naive_explained) = naive(&rows);
        for (component, share) in explained.into_iter().enumerate() {
            assert!((share - naive_explained[component]).abs() < 1e-4, "{share}");
            for (i, naive) in naive_places.iter().enumerate() {
                let difference = places[[i, component]] - naive[component];
                assert!(difference.abs() < 1e-3, "{component} {i}: {difference}");
            }
        }
        assert!(explained[0] > explained[1] && explained[0] + explained[1] < 1.0);
    }

    #[test]
    fn what_does_not_vary_is_at_the_origin() {
        for (n, d) in [(0, 3), (1, 3), (5, 1), (5, 3)] {
            let (places, explained) = principal(Array2::ones((n, d)).view());
            assert!(places.iter().chain(&explained).all(|&x| x == 0.0), "{n}x{d}");
        }
    }

    #[test]
    fn points_are_spread_over_all_images_and_centres_are_means() {
        let rows = rows(2500, 3);
        let labels: Vec<u16> = (0..2500).map(|i| if i % 5 == 0 { 3 } else { 1 }).collect();
        let nearest: Vec<Option<u32>> = (0..2500).map(|i| (i > 0).then_some(i / 2)).collect();
        let map = Map::new(rows.view(), &labels, &nearest);
        assert_eq!((map.images, map.points.len()), (2500, 1000));
        assert!(map.points.is_sorted_by(|a, b| a.image < b.image));
        assert_eq!([map.points[0].image, map.points[999].image], [0, 2497]);
        assert_eq!(map.points[0].nearest, None);
        assert_eq!(map.points[2].nearest, Some((2, 1)));
        let (places, _) = principal(rows.view());
        let members: Vec<usize> = (0..2500).filter(|i| i % 5 == 0).collect();
        let mean = places.select(Axis(0), &members).mean_axis(Axis(0)).unwrap();
        assert_eq!(map.centres.iter().map(|centre| centre.0).collect::<Vec<_>>(), [1, 3]);
        assert!((map.centres[1].1[0] - mean[0]).abs() < 1e-9);
    }
}
