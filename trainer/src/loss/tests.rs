//! What all losses on pairs have in common.

use ndarray::{Array2, ArrayView2};
use rand::RngExt;

use super::*;
use crate::nn::normalize_forward;
use crate::rng::{Purpose, stream};

const IMAGES: usize = 97;

fn embeddings() -> (Array2<f32>, Vec<u16>) {
    let mut rng = stream(4, Purpose::Selection, 0);
    let z = Array2::from_shape_simple_fn((IMAGES, 10), || rng.random_range(0.0..1.0));
    let mut f = z.clone();
    normalize_forward(z.view(), f.view_mut());
    (f, (0..IMAGES).map(|_| rng.random_range(0..5)).collect())
}

type Loss = (&'static str, fn(ArrayView2<'_, f32>, &[u16], &mut Array2<f32>) -> f64);

fn triplet(mining: Mining, margin: Margin) -> Triplet {
    Triplet { mining, margin, ..Triplet::default() }
}

const LOSSES: [Loss; 8] = [
    ("all", |f, labels, d| on_triplets(triplet(Mining::All, Margin::Hinge(0.5)), f, labels, d)),
    ("hard", |f, labels, d| on_triplets(triplet(Mining::Hard, Margin::Hinge(0.5)), f, labels, d)),
    ("semi-hard", |f, labels, d| {
        on_triplets(triplet(Mining::SemiHard, Margin::Hinge(0.5)), f, labels, d)
    }),
    ("all, soft", |f, labels, d| on_triplets(triplet(Mining::All, Margin::Soft), f, labels, d)),
    ("hard, soft", |f, labels, d| on_triplets(triplet(Mining::Hard, Margin::Soft), f, labels, d)),
    ("semi-hard, soft", |f, labels, d| {
        on_triplets(triplet(Mining::SemiHard, Margin::Soft), f, labels, d)
    }),
    ("smooth-ap", |f, labels, d| {
        let pairs = &mut Pairs::new(labels.len());
        SmoothAp::default().evaluate(f, labels, d.view_mut(), pairs).unwrap()
    }),
    ("supervised-contrastive", |f, labels, d| {
        let pairs = &mut Pairs::new(labels.len());
        SupervisedContrastive::default().evaluate(f, labels, d.view_mut(), pairs).unwrap()
    }),
];

fn on_triplets(loss: Triplet, f: ArrayView2<'_, f32>, labels: &[u16], d: &mut Array2<f32>) -> f64 {
    loss.evaluate(f, labels, d.view_mut(), &mut Pairs::new(labels.len())).loss
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let (f, labels) = embeddings();
    for (name, loss) in LOSSES {
        let [one, many] = [1, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut d = f.clone();
            let loss = pool.install(|| loss(f.view(), &labels, &mut d));
            (loss.to_bits(), d.mapv(f32::to_bits))
        });
        assert_eq!(one, many, "{name}");
    }
}

#[test]
fn a_number_that_is_none_is_seen() {
    let (mut f, labels) = embeddings();
    f[[3, 2]] = f32::NAN;
    for (name, loss) in LOSSES {
        assert!(loss(f.view(), &labels, &mut f.clone()).is_nan(), "{name}");
    }
}
