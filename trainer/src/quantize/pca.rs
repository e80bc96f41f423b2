//! The directions along which vectors vary most, without their covariance
//! matrix: it would grow with the square of the dimension.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::RngExt;

use crate::rng::{Purpose, stream};

/// Rounds of orthogonal iteration: directions whose eigenvalues differ by 10 %
/// are told apart by a factor of 0.9^60 < 0.002.
const ROUNDS: usize = 60;

/// The `count` leading eigenvectors, as rows, of the matrix X^T X / N of the
/// rows X `[N, D]`, and their eigenvalues, descending. Fewer than `count` if N
/// or D are.
///
/// By orthogonal iteration and a final Rayleigh-Ritz step (Golub and Van Loan,
/// Matrix Computations, 8.2): the result depends on `rows` and `seed` alone.
pub fn leading(rows: ArrayView2<'_, f32>, count: usize, seed: u64) -> (Array2<f64>, Array1<f64>) {
    let (n, d) = rows.dim();
    let count = count.min(n).min(d);
    // A few more directions make the wanted ones converge faster.
    let wide = (count + count / 4 + 4).min(n).min(d);
    let mut rng = stream(seed, Purpose::Selection, 1);
    let mut basis = Array2::from_shape_simple_fn((d, wide), || rng.random_range(-1.0f32..1.0));
    orthonormalize(&mut basis);
    for _ in 0..ROUNDS {
        basis = rows.t().dot(&rows.dot(&basis));
        orthonormalize(&mut basis);
    }
    let images = rows.dot(&basis).mapv(f64::from);
    let small = images.t().dot(&images) / n as f64;
    let (values, vectors) = jacobi(small);
    let mut order: Vec<usize> = (0..wide).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order.truncate(count);
    let directions = basis.mapv(f64::from).dot(&vectors.select(Axis(1), &order));
    (directions.reversed_axes(), values.select(Axis(0), &order))
}

/// Gram-Schmidt, twice, on the columns. A column that depends on the others
/// becomes zero.
fn orthonormalize(basis: &mut Array2<f32>) {
    for c in 0..basis.ncols() {
        let (before, mut rest) = basis.view_mut().split_at(Axis(1), c);
        let mut column = rest.column_mut(0);
        let scale = column.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        if scale > 0.0 {
            column /= scale;
        }
        for _ in 0..2 {
            for other in before.columns() {
                let along = other.dot(&column);
                column.scaled_add(-along, &other);
            }
        }
        let norm = column.dot(&column).sqrt();
        column.mapv_inplace(|x| if norm > 1e-6 { x / norm } else { 0.0 });
    }
}

/// Eigenvalues and eigenvectors (columns) of a symmetric matrix, by Jacobi's
/// cyclic rotations.
fn jacobi(mut a: Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    let n = a.nrows();
    let mut vectors = Array2::eye(n);
    let total: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..30 {
        let mut off = 0.0;
        for p in 0..n {
            for q in 0..p {
                off += a[[p, q]] * a[[p, q]];
                rotate(&mut a, &mut vectors, q, p);
            }
        }
        if off <= 1e-24 * total {
            break;
        }
    }
    (a.diag().to_owned(), vectors)
}

/// Makes a[p, q] zero.
fn rotate(a: &mut Array2<f64>, vectors: &mut Array2<f64>, p: usize, q: usize) {
    if a[[p, q]] == 0.0 {
        return;
    }
    let theta = (a[[q, q]] - a[[p, p]]) / (2.0 * a[[p, q]]);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..a.nrows() {
        let (x, y) = (a[[k, p]], a[[k, q]]);
        (a[[k, p]], a[[k, q]]) = (c * x - s * y, s * x + c * y);
    }
    for k in 0..a.nrows() {
        let (x, y) = (a[[p, k]], a[[q, k]]);
        (a[[p, k]], a[[q, k]]) = (c * x - s * y, s * x + c * y);
        let (x, y) = (vectors[[k, p]], vectors[[k, q]]);
        (vectors[[k, p]], vectors[[k, q]]) = (c * x - s * y, s * x + c * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows in a random orthonormal frame, with standard deviations 4, 2, 1 and
    /// then 0.1.
    fn rows() -> (Array2<f32>, Array2<f32>) {
        let mut rng = stream(3, Purpose::Selection, 0);
        let mut frame = Array2::from_shape_simple_fn((20, 20), || rng.random_range(-1.0f32..1.0));
        orthonormalize(&mut frame);
        let mut values = Array2::from_shape_simple_fn((500, 20), || rng.random_range(-1.0f32..1.0));
        for (i, mut column) in values.columns_mut().into_iter().enumerate() {
            column *= 3f32.sqrt() * [4.0, 2.0, 1.0].get(i).copied().unwrap_or(0.1);
        }
        (values.dot(&frame.t()), frame)
    }

    #[test]
    fn finds_the_directions_of_most_variance() {
        let (rows, frame) = rows();
        let (directions, values) = leading(rows.view(), 3, 0);
        assert_eq!(directions.dim(), (3, 20));
        for (i, variance) in [16.0, 4.0, 1.0].into_iter().enumerate() {
            assert!((values[i] / variance - 1.0).abs() < 0.1, "{values}");
            let along = directions.row(i).dot(&frame.column(i).mapv(f64::from));
            assert!(along.abs() > 0.99, "{i}: {along}");
        }
        let again = directions.dot(&directions.t());
        assert!((again - Array2::<f64>::eye(3)).iter().all(|x| x.abs() < 1e-5));
    }

    #[test]
    fn no_more_directions_than_there_are() {
        let (rows, _) = rows();
        let few = rows.slice(ndarray::s![..2, ..]);
        assert_eq!(leading(few, 5, 0).0.dim(), (2, 20));
        let (directions, values) = leading(Array2::zeros((4, 6)).view(), 2, 0);
        assert!(directions.iter().chain(&values).all(|x| *x == 0.0));
    }
}
