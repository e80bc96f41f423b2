//! The golden rankings, tensor by tensor, and the properties that hold the fast
//! implementation to the naive one.

use lookalike_tests::Fixture;
use lookalike_trainer::retrieval::{
    Metrics, Ranker, Ties, average_precision, naive, precision_recall,
};
use proptest::prelude::*;

/// The scalar was computed in f64 and stored as f32: the value must round to
/// it, give or take 1e-9.
fn check_scalar(golden: &Fixture, name: &str, value: f64) {
    let stored: f32 = golden.scalar(name);
    let half_ulp = f64::from(stored.next_up() - stored) / 2.0;
    let error = (value - f64::from(stored)).abs();
    assert!(error <= half_ulp + 1e-9, "{name}: {value} against {stored}");
}

fn check_all(name: &str, values: &[f64], expected: &[f64]) {
    assert_eq!(values.len(), expected.len(), "{name}");
    for (i, (value, expected)) in values.iter().zip(expected).enumerate() {
        assert!((value - expected).abs() <= 1e-9, "{name}[{i}]: {value} against {expected}");
    }
}

/// Everything that is known of one ranking.
#[derive(Debug)]
struct Results {
    precision: Vec<f64>,
    recall: Vec<f64>,
    metrics: Option<Metrics>,
    tie_aware: Option<f64>,
}

fn ids_of(relevant: &[bool]) -> Vec<u32> {
    (0..).zip(relevant).filter(|(_, relevant)| **relevant).map(|(id, _)| id).collect()
}

fn fast(distances: &[f32], relevant: &[bool], query: Option<u32>) -> Results {
    let ids = ids_of(relevant);
    let mut ranker = Ranker::new();
    let tie_aware = average_precision(ranker.ranks(distances, &ids, query, Ties::Shared));
    let ranks = ranker.ranks(distances, &ids, query, Ties::ById);
    let items = distances.len() - usize::from(query.is_some());
    let (precision, recall) = precision_recall(ranks, items);
    Results { precision, recall, metrics: Metrics::of(ranks), tie_aware }
}

fn by_definition(distances: &[f32], relevant: &[bool], query: Option<u32>) -> Results {
    let ranking = naive::ranking(distances, relevant, query);
    let (precision, recall) = naive::precision_recall(&ranking);
    let tie_aware = naive::tie_aware_average_precision(distances, relevant, query);
    Results { precision, recall, metrics: naive::metrics(&ranking), tie_aware }
}

#[test]
fn both_implementations_reproduce_every_golden_tensor() {
    let golden = Fixture::open("ranking.safetensors");
    for case in 0..6 {
        let distances: Vec<f32> = golden.get(&format!("{case}.dist"));
        let relevant: Vec<u8> = golden.get(&format!("{case}.relevant"));
        let relevant: Vec<bool> = relevant.iter().map(|&r| r != 0).collect();
        let precision: Vec<f64> = golden.get(&format!("{case}.stable.precision"));
        let recall: Vec<f64> = golden.get(&format!("{case}.stable.recall"));

        // The stored average precision has f32's precision only; from the
        // stored precisions it is known to f64's. A relevant item is where
        // recall grows.
        let found = |i: usize| recall[i] > if i == 0 { 0.0 } else { recall[i - 1] };
        let hits = (0..recall.len()).filter(|&i| found(i));
        let total = relevant.iter().filter(|&&r| r).count();
        let exact_ap = hits.map(|i| precision[i]).sum::<f64>() / total as f64;

        for results in [fast, by_definition].map(|f| f(&distances, &relevant, None)) {
            check_all(&format!("{case}.stable.precision"), &results.precision, &precision);
            check_all(&format!("{case}.stable.recall"), &results.recall, &recall);
            let metrics = results.metrics.unwrap();
            check_all("average precision", &[metrics.average_precision], &[exact_ap]);
            check_scalar(&golden, &format!("{case}.stable.ap"), metrics.average_precision);
            check_scalar(&golden, &format!("{case}.stable.r_precision"), metrics.r_precision);
            check_scalar(&golden, &format!("{case}.stable.map_at_r"), metrics.map_at_r);
            check_scalar(&golden, &format!("{case}.tie_aware.ap"), results.tie_aware.unwrap());
        }
    }
    golden.finish();
}

/// Distances of all kinds: smooth, with many ties, around duplicates, of any
/// magnitude, and values that no distance should have.
fn distance() -> impl Strategy<Value = f32> {
    let special =
        vec![f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, -0.0, 0.0];
    prop_oneof![
        6 => 0.0_f32..4.0,
        6 => (0_u8..8).prop_map(|level| f32::from(level) / 4.0),
        2 => (-3_i8..3).prop_map(|ulps| f32::from(ulps) * f32::EPSILON),
        1 => proptest::num::f32::ANY,
        1 => prop::sample::select(special),
    ]
}

/// Up to 200 items; the share of relevant ones runs from none to all.
fn case() -> impl Strategy<Value = (Vec<f32>, Vec<bool>, Option<u32>)> {
    let ordinary = prop::collection::vec(prop_oneof![0.0_f32..4.0, Just(1.5), Just(2.0)], 1..200);
    let any = prop::collection::vec(distance(), 1..200);
    prop_oneof![ordinary, any].prop_flat_map(|distances| {
        let len = distances.len();
        let share = prop::sample::select(vec![0.0, 0.02, 0.1, 0.5, 0.95, 1.0]);
        let relevant = share
            .prop_flat_map(move |share| prop::collection::vec(prop::bool::weighted(share), len));
        (Just(distances), relevant, prop::option::of(0..len as u32))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn ranks_without_a_sort_are_those_of_the_sort((distances, relevant, query) in case()) {
        let fast = fast(&distances, &relevant, query);
        let naive = by_definition(&distances, &relevant, query);
        prop_assert_eq!(&fast.precision, &naive.precision);
        prop_assert_eq!(&fast.recall, &naive.recall);
        prop_assert_eq!(&fast.metrics, &naive.metrics);
        prop_assert_eq!(fast.tie_aware.is_some(), naive.tie_aware.is_some());
        let (a, b) = (fast.tie_aware.unwrap_or(0.0), naive.tie_aware.unwrap_or(0.0));
        prop_assert!((a - b).abs() < 1e-12, "{} {}", a, b);
    }

    #[test]
    fn a_used_ranker_gives_what_a_new_one_does(cases in prop::collection::vec(case(), 2..5)) {
        let mut used = Ranker::new();
        for (distances, relevant, query) in cases {
            let ids = ids_of(&relevant);
            for ties in [Ties::ById, Ties::Shared] {
                let expected = Ranker::new().ranks(&distances, &ids, query, ties).to_vec();
                prop_assert_eq!(used.ranks(&distances, &ids, query, ties), &expected);
            }
        }
    }
}
