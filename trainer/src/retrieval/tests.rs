//! Distances, evaluation and search against their definitions.

use lookalike::Match;
use ndarray::{Array2, ArrayView2, Axis, array};
use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::distances::{block_rows, map_blocks, squared_distances};
use super::key::key;
use super::{
    EvaluateError, Evaluation, Metrics, Options, evaluate, naive, per_class_table, search, table,
};

/// Random rows of length 1. Values of few levels make many equal distances.
fn embeddings(rows: usize, width: usize, levels: u64, seed: u64) -> Array2<f32> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut all = Array2::from_shape_simple_fn((rows, width), || {
        (random.next_u64() % levels) as f32 / levels as f32 + 0.01
    });
    for mut row in all.axis_iter_mut(Axis(0)) {
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row /= norm;
    }
    all
}

fn labels(rows: usize, classes: u16, seed: u64) -> Vec<u16> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..rows).map(|_| (random.next_u64() % u64::from(classes)) as u16).collect()
}

fn in_pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// All distances at once, as the blocks compute them.
fn all_distances(queries: ArrayView2<'_, f32>, gallery: ArrayView2<'_, f32>) -> Array2<f32> {
    let mut all = Array2::zeros((queries.nrows(), gallery.nrows()));
    squared_distances(queries, gallery, all.view_mut());
    all
}

/// The mean of each metric by the definitions, and how many queries have none.
fn naive_means(distances: &Array2<f32>, labels: &[u16], queries: &[u32]) -> (Metrics, usize) {
    let results: Vec<Option<Metrics>> = queries
        .iter()
        .map(|&query| {
            let relevant: Vec<bool> =
                labels.iter().map(|&label| label == labels[query as usize]).collect();
            let row = distances.row(query as usize).to_vec();
            naive::metrics(&naive::ranking(&row, &relevant, Some(query)))
        })
        .collect();
    let defined: Vec<[f64; 10]> = results.iter().flatten().map(|m| m.to_array()).collect();
    let mean = |i: usize| defined.iter().map(|m| m[i]).sum::<f64>() / defined.len() as f64;
    (Metrics::from_array(std::array::from_fn(mean)), results.len() - defined.len())
}

#[test]
fn distances_are_those_of_the_definition() {
    let (queries, gallery) = (embeddings(37, 300, 1 << 20, 1), embeddings(53, 300, 1 << 20, 2));
    let found = all_distances(queries.view(), gallery.view());
    for (q, x) in queries.outer_iter().enumerate() {
        for (g, y) in gallery.outer_iter().enumerate() {
            let exact: f64 =
                x.iter().zip(y).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum();
            assert!((f64::from(found[[q, g]]) - exact).abs() < 3e-6, "{q} {g}");
        }
    }
}

#[test]
fn blocks_hold_a_bounded_number_of_distances_and_cover_all_queries() {
    assert_eq!(block_rows(1), 256);
    assert_eq!(block_rows(usize::MAX), 1);
    assert!((1_000..100_000).step_by(999).all(|items| block_rows(items) * items <= 4 << 20));

    // A gallery large enough that the queries need several blocks.
    let (queries, gallery) = (embeddings(70, 3, 1 << 20, 3), embeddings(200_000, 3, 1 << 20, 4));
    assert_eq!(block_rows(gallery.nrows()), 16);
    let blocks = map_blocks(
        queries.view(),
        gallery.view(),
        || (),
        |(), rows, distances| {
            let expected =
                all_distances(queries.slice(ndarray::s![rows.clone(), ..]), gallery.view());
            assert_eq!(distances, expected);
            rows
        },
    );
    assert_eq!(blocks, [0..16, 16..32, 32..48, 48..64, 64..70]);
    let none =
        map_blocks(queries.slice(ndarray::s![..0, ..]), gallery.view(), || (), |(), _, _| ());
    assert!(none.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn evaluation_follows_the_definitions(
        rows in 2_usize..80, classes in 1_u16..30, levels in 1_u64..40, seed: u64,
        some in prop::option::of(prop::collection::vec(any::<u32>(), 1..100)),
    ) {
        let embeddings = embeddings(rows, 4, levels, seed);
        let labels = labels(rows, classes, seed);
        let some: Option<Vec<u32>> =
            some.map(|ids| ids.iter().map(|id| id % rows as u32).collect());
        let options = Options { queries: some.as_deref(), resamples: 3, ..Options::default() };
        let queries = some.clone().unwrap_or_else(|| (0..rows as u32).collect());
        let distances = all_distances(embeddings.view(), embeddings.view());
        let (expected, without) = naive_means(&distances, &labels, &queries);
        match evaluate(embeddings.view(), &labels, &options) {
            Ok(found) => {
                for (a, b) in found.mean.to_array().into_iter().zip(expected.to_array()) {
                    prop_assert!((a - b).abs() < 1e-12, "{:?} {:?}", found.mean, expected);
                }
                prop_assert_eq!(found.queries_without_relevant, without);
                prop_assert_eq!(found.queries.len(), queries.len() - without);
                for class in &found.per_class {
                    let of_class: Vec<u32> = found.queries.iter().copied()
                        .filter(|&query| labels[query as usize] == class.label).collect();
                    prop_assert_eq!(class.queries, of_class.len());
                    let (expected, _) = naive_means(&distances, &labels, &of_class);
                    let difference = class.mean.average_precision - expected.average_precision;
                    prop_assert!(difference.abs() < 1e-12);
                }
            }
            Err(error) => {
                prop_assert_eq!(error, EvaluateError::NothingRelevant(queries.len()));
                prop_assert_eq!(without, queries.len());
            }
        }
    }

    #[test]
    fn search_finds_what_a_sort_finds(
        rows in 1_usize..120, k in 0_usize..20, levels in 1_u64..40, seed: u64, own: bool,
        nan in prop::option::of(0_usize..120),
    ) {
        let mut gallery = embeddings(rows, 4, levels, seed);
        if let Some(row) = nan {
            gallery.row_mut(row % rows).fill(f32::NAN);
        }
        let ids: Vec<u32> = (0..rows as u32).collect();
        let found = search(gallery.view(), gallery.view(), k, own.then_some(&ids[..]));
        let distances = all_distances(gallery.view(), gallery.view());
        prop_assert_eq!(found.len(), rows);
        for (query, found) in found.iter().enumerate() {
            let mut expected: Vec<usize> = (0..rows).filter(|&id| !own || id != query).collect();
            expected.sort_by(|&a, &b| {
                let (x, y) = (distances[[query, a]], distances[[query, b]]);
                x.partial_cmp(&y).unwrap_or(x.is_nan().cmp(&y.is_nan())).then(a.cmp(&b))
            });
            expected.truncate(k);
            let found_ids: Vec<usize> = found.iter().map(|item| item.id as usize).collect();
            prop_assert_eq!(found_ids, expected);
            for &Match { id, distance } in found {
                let expected = distances[[query, id as usize]];
                prop_assert!(distance == expected || (distance.is_nan() && expected.is_nan()));
            }
        }
    }
}

/// `rows` vectors of length 1 that lie close to a few dimensions: `noise` is
/// what leads out of them.
fn near_a_subspace(rows: usize, width: usize, noise: f32, seed: u64) -> Array2<f32> {
    let (basis, coordinates) = (embeddings(9, width, 1 << 20, 1), embeddings(rows, 9, 40, seed));
    let mut near = coordinates.dot(&basis) + embeddings(rows, width, 1 << 20, seed + 1) * noise;
    for mut row in near.rows_mut() {
        let length = row.dot(&row).sqrt();
        row /= length;
    }
    near
}

#[test]
fn search_with_bounds_finds_what_a_sort_finds() {
    let (rows, width, k) = (4500, 100, 7);
    for (noise, nan) in [(0.0, false), (0.02, false), (0.1, true), (100.0, false)] {
        let mut gallery = near_a_subspace(rows, width, noise, 11);
        let mut queries = near_a_subspace(67, width, noise, 13);
        // Items that are equal, and near-duplicates of a query.
        let row = gallery.row(3).to_owned();
        gallery.row_mut(2000).assign(&row);
        gallery.row_mut(4000).assign(&row);
        queries.row_mut(5).assign(&row);
        if nan {
            gallery.row_mut(1500)[7] = f32::NAN;
            queries.row_mut(8)[70] = f32::NAN;
        }
        let own: Vec<u32> = (0..67).map(|query| query * 61 % 4500).collect();
        let found = search(queries.view(), gallery.view(), k, Some(&own));
        let distances = all_distances(queries.view(), gallery.view());
        for ((found, distances), own) in found.iter().zip(distances.outer_iter()).zip(&own) {
            let mut expected: Vec<u32> = (0..rows as u32).filter(|id| id != own).collect();
            expected.sort_by_key(|&id| key(distances[id as usize], id));
            let ids: Vec<u32> = found.iter().map(|item| item.id).collect();
            assert_eq!(ids, expected[..k]);
            for &Match { id, distance } in found {
                assert_eq!(distance.to_bits(), distances[id as usize].to_bits());
            }
        }
    }
}

/// Enough images for several blocks, with some levels of distance equal.
fn sample(threads: usize) -> Evaluation {
    let embeddings = embeddings(900, 8, 12, 5);
    let labels = labels(900, 7, 5);
    let options = Options { tie_aware: true, resamples: 50, seed: 3, ..Options::default() };
    in_pool(threads, || {
        let mut found = evaluate(embeddings.view(), &labels, &options).unwrap();
        let correct: Vec<bool> = labels.iter().map(|label| label % 3 != 0).collect();
        found.set_accuracy(&correct);
        found
    })
}

#[test]
fn the_result_is_the_same_for_any_number_of_threads() {
    assert!(block_rows(900) < 900, "more than one block");
    let [one, two, five] = [1, 2, 5].map(sample);
    assert_eq!(one, two);
    assert_eq!(one, five);
}

#[test]
fn tie_aware_means_and_pair_distances_follow_their_definitions() {
    let found = sample(2);
    let embeddings = embeddings(900, 8, 12, 5);
    let labels = labels(900, 7, 5);
    let distances = all_distances(embeddings.view(), embeddings.view());
    let (mut tie_aware, mut pairs) = (0.0, [(0.0, 0.0); 2]);
    for (query, row) in (0..).zip(distances.outer_iter()) {
        let relevant: Vec<bool> =
            labels.iter().map(|&label| label == labels[query as usize]).collect();
        let row = row.to_vec();
        tie_aware += naive::tie_aware_average_precision(&row, &relevant, Some(query)).unwrap();
        for (id, &distance) in (0..).zip(&row).filter(|&(id, _)| id != query) {
            let (sum, count) = &mut pairs[usize::from(relevant[id as usize])];
            *sum += f64::from(distance);
            *count += 1.0;
        }
    }
    let (mean, interval) = found.tie_aware.unwrap();
    assert!((mean - tie_aware / 900.0).abs() < 1e-12);
    assert_ne!(mean, found.mean.average_precision, "the sample has ties");
    let [low, high] = interval.unwrap();
    assert!(low < mean && mean < high);
    let [negative, positive] = pairs.map(|(sum, count)| sum / count);
    assert!((found.mean_positive_distance - positive).abs() < 1e-6);
    assert!((found.mean_negative_distance - negative).abs() < 1e-6);
}

#[test]
fn what_cannot_be_evaluated_is_an_error() {
    let embeddings = embeddings(3, 2, 5, 1);
    let evaluate = |labels: &[u16], queries: Option<&[u32]>| {
        let options = Options { queries, ..Options::default() };
        evaluate(embeddings.view(), labels, &options).unwrap_err()
    };
    assert_eq!(evaluate(&[0, 0], None), EvaluateError::Labels { embeddings: 3, labels: 2 });
    assert_eq!(evaluate(&[0, 0, 0], Some(&[3])), EvaluateError::Query { query: 3, images: 3 });
    assert_eq!(evaluate(&[0, 1, 2], None), EvaluateError::NothingRelevant(3));
    assert_eq!(evaluate(&[0, 0, 0], Some(&[])), EvaluateError::NothingRelevant(0));
}

#[test]
fn not_a_number_neither_panics_nor_counts_as_near() {
    let mut embeddings = array![[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.6, 0.8]];
    embeddings.row_mut(0).fill(f32::NAN);
    let queries = Some(&[1, 2][..]);
    let options = Options { queries, resamples: 0, ..Options::default() };
    let found = evaluate(embeddings.view(), &[0, 1, 0, 1], &options).unwrap();
    // Image 1 finds image 3 first; image 2's only fellow, image 0, comes last.
    assert_eq!(found.per_query[0].reciprocal_rank, 1.0);
    assert_eq!(found.per_query[1].reciprocal_rank, 1.0 / 3.0);
    assert_eq!(found.confidence_95, None);
}

#[test]
fn json_has_the_promised_keys() {
    let found = sample(1);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["images"], 900);
    assert_eq!(json["queries"], 900);
    assert_eq!(json["queries_without_relevant"], 0);
    assert_eq!(json["accuracy"], found.accuracy.unwrap().0);
    assert_eq!(json["mean_average_precision"], found.mean.average_precision);
    assert_eq!(json["map_at_r"], found.mean.map_at_r);
    assert_eq!(json["r_precision"], found.mean.r_precision);
    assert_eq!(json["mean_reciprocal_rank"], found.mean.reciprocal_rank);
    for (place, k) in ["1", "5", "10"].into_iter().enumerate() {
        assert_eq!(json["precision_at"][k], found.mean.precision_at[place]);
        assert_eq!(json["recall_at"][k], found.mean.recall_at[place]);
    }
    let intervals = found.confidence_95.unwrap();
    assert_eq!(json["confidence_95"]["mean_average_precision"][1], intervals.average_precision[1]);
    assert_eq!(json["confidence_95"]["precision_at_10"][0], intervals.precision_at[2][0]);
    assert_eq!(json["confidence_95"]["accuracy"][0], found.accuracy.unwrap().1.unwrap()[0]);
    assert_eq!(json["confidence_95"]["mean_reciprocal_rank"][0], intervals.reciprocal_rank[0]);
    assert_eq!(json["interpolated_precision"].as_array().unwrap().len(), 11);
    assert_eq!(json["per_class"].as_array().unwrap().len(), 7);
    assert_eq!(json["per_class"][6]["class"], "6");
    assert_eq!(json["per_class"][6]["r_precision"], found.per_class[6].mean.r_precision);

    let options = Options { resamples: 0, ..Options::default() };
    let embeddings = embeddings(4, 2, 9, 1);
    let found = evaluate(embeddings.view(), &[0, 0, 1, 2], &options).unwrap();
    let json = serde_json::to_value(&found).unwrap();
    assert!(json["accuracy"].is_null());
    assert_eq!(json["queries"], 2);
    assert_eq!(json["queries_without_relevant"], 2);
    assert_eq!(json["confidence_95"], serde_json::json!({}));
}

#[test]
fn the_table_compares_and_explains() {
    let embeddings = array![[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.6, 0.8]];
    let options = Options { resamples: 0, ..Options::default() };
    let plain = evaluate(embeddings.view(), &[0, 0, 1, 1, 2], &options).unwrap();
    let mut classified = plain.clone();
    classified.set_accuracy(&[true, true, true, true, false]);
    let text = table(&[("plain", &plain), ("classified", &classified)]);
    let expected = "
                   plain  classified
images                 5           5
queries                4           4
without relevant       1           1
accuracy               -      0.8000
mAP               1.0000      1.0000
MAP@R             1.0000      1.0000
R-precision       1.0000      1.0000
precision@1       1.0000      1.0000
precision@5       0.2000      0.2000
precision@10      0.1000      0.1000
recall@5          1.0000      1.0000
recall@10         1.0000      1.0000
MRR               1.0000      1.0000
";
    assert!(format!("\n{text}").starts_with(expected), "{text}");
    assert!(!text.contains("In brackets"), "{text}");
    assert!(text.contains("mAP               mean over queries of AP = (1/R) sum"), "{text}");
    assert!(!text.contains("tie-aware"), "{text}");
    let with_interval = table(&[("sample", &sample(1))]);
    let accuracy = with_interval.lines().find(|line| line.starts_with("accuracy")).unwrap();
    assert!(accuracy.contains(" [0."), "{accuracy}");
    assert!(with_interval.contains("tie-aware mAP"), "{with_interval}");
    assert!(with_interval.contains("In brackets"), "{with_interval}");
}

#[test]
fn classes_have_a_line_each() {
    let embeddings = array![[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.0, 1.0], [1.0, 0.0]];
    let names = ["cup".to_string(), "pen".to_string()];
    let options = Options { resamples: 0, class_names: &names, ..Options::default() };
    let both = evaluate(embeddings.view(), &[0, 0, 1, 1, 0], &options).unwrap();
    let one = evaluate(embeddings.view(), &[0, 0, 0, 0, 1], &options).unwrap();
    let expected = "
class  queries  a: mAP  a: R-precision  a: precision@1  b: mAP  b: R-precision  b: precision@1
cup          3  0.8611          0.8333          0.6667  0.8889          0.8333          0.7500
pen          2  0.7500          0.5000          0.5000       -               -               -
";
    let text = per_class_table(&[("a", &both), ("b", &one)]);
    assert_eq!(format!("\n{text}"), expected);
}
