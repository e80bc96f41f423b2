//! Few-shot figures against a device that is built of the core.

use std::collections::BTreeMap;

use lookalike::few_shot::nearest_item;
use lookalike::gallery::Item;
use lookalike::{Embedding, F32, Match, Prototypes};
use proptest::prelude::*;

use super::*;

const D: usize = 4;

/// Unit vectors whose products are exact in any order of summation, so that
/// equal distances are equal everywhere: +-1 on an axis, +-1/2 on all four.
fn vector() -> impl Strategy<Value = [f32; D]> {
    (any::<bool>(), 0..D, prop::array::uniform4(prop::sample::select(vec![-1.0f32, 1.0]))).prop_map(
        |(axis, which, signs)| {
            std::array::from_fn(|i| match axis {
                true => {
                    if i == which {
                        signs[i]
                    } else {
                        0.0
                    }
                }
                false => signs[i] / 2.0,
            })
        },
    )
}

fn set(most: usize) -> impl Strategy<Value = (Array2<f32>, Vec<u16>)> {
    prop::collection::vec((vector(), 0..5_u16), 1..most).prop_map(|rows| {
        let (vectors, labels): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        (Array2::from(vectors), labels)
    })
}

/// The device: everything enrolled in the core's own structures, one query
/// at a time.
struct Device {
    items: Vec<([f32; D], String)>,
    prototypes: Prototypes<8, D>,
}

impl Device {
    fn new(enrolled: &[(u16, [f32; D])]) -> Device {
        let items: Vec<_> = enrolled.iter().map(|(label, x)| (*x, label.to_string())).collect();
        let mut prototypes = Prototypes::new();
        for (id, (embedding, label)) in (0..).zip(&items) {
            prototypes.add(&Item::<F32> { id, label, embedding }).unwrap();
        }
        Device { items, prototypes }
    }

    /// By nearest item and by nearest prototype.
    fn decide(&self, query: &[f32]) -> [u16; 2] {
        let query = Embedding::<F32>::from_slice(query).unwrap();
        let items = (0..).zip(&self.items);
        let items = items.map(|(id, (embedding, label))| Item::<F32> { id, label, embedding });
        let label =
            |found: Option<Match>| self.items[found.unwrap().id as usize].1.parse().unwrap();
        [label(nearest_item(items, &query)), label(self.prototypes.nearest(&query))]
    }
}

/// The share of queries that a device recognises, for the two rules.
fn device_accuracy<'a>(
    device: &Device,
    queries: impl Iterator<Item = (&'a [f32], u16)>,
) -> [f64; 2] {
    let (mut right, mut count) = ([0.0; 2], 0.0);
    for (query, label) in queries {
        let decided = device.decide(query);
        right.iter_mut().zip(decided).for_each(|(r, d)| *r += f64::from(u8::from(d == label)));
        count += 1.0;
    }
    right.map(|right| right / count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn accuracies_are_those_of_a_device(
        (pool, pool_labels) in set(60), (queries, labels) in set(40),
        unseen in prop::collection::btree_set(0..5_u16, 1..4),
        shots in prop::collection::btree_set(1..4_usize, 1..3), fixed in prop::option::of(1..3_usize),
        seed: u64,
    ) {
        let options = Options {
            unseen: unseen.iter().copied().collect(),
            shots: shots.iter().copied().collect(),
            seen_items: fixed.map_or(SeenItems::AsShots, SeenItems::Fixed),
            draws: 2,
            resamples: 10,
            seed,
        };
        let Ok(draws) = Draws::new(&pool_labels, options) else { return Ok(()) };
        let rows: Vec<usize> = draws.images().iter().map(|&image| image as usize).collect();
        let found = draws.measure(pool.select(Axis(0), &rows).view(), queries.view(), &labels);
        let is_unseen = |label: u16| unseen.contains(&label);
        let enrolled: Vec<u16> = draws.classes.iter().map(|class| class.label).collect();
        let asked = || {
            let rows = queries.outer_iter().map(|row| row.to_slice().unwrap());
            rows.zip(labels.iter().copied()).filter(|(_, label)| enrolled.contains(label))
        };
        if !labels.iter().any(|&label| is_unseen(label)) {
            prop_assert_eq!(found, Err(FewShotError::NoQueries));
            return Ok(());
        }
        let found = found.unwrap();
        for (result, &shots) in found.shots.iter().zip(&shots) {
            let mut expected = BTreeMap::<_, [f64; 2]>::new();
            for items in &draws.draws {
                let of_class = |(class, items): (&Class, &Vec<u32>)| {
                    let count = if class.unseen { shots } else { fixed.unwrap_or(shots) };
                    let shot = |&item: &u32| pool.row(rows[item as usize]).to_vec();
                    let shots = items[..count].iter().map(shot);
                    let label = class.label;
                    shots.map(|x| (label, x.try_into().unwrap())).collect::<Vec<_>>()
                };
                let all: Vec<_> = draws.classes.iter().zip(items).flat_map(of_class).collect();
                let new: Vec<_> = all.iter().copied().filter(|(l, _)| is_unseen(*l)).collect();
                let of_unseen = || asked().filter(|(_, label)| is_unseen(*label));
                let (all, new) = (Device::new(&all), Device::new(&new));
                for (key, figures) in [
                    ("among unseen", device_accuracy(&new, of_unseen())),
                    ("among all", device_accuracy(&all, of_unseen())),
                    ("all queries", device_accuracy(&all, asked())),
                ] {
                    let sums = expected.entry(key).or_default();
                    sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure / 2.0);
                }
            }
            for (rule, figures) in [result.nearest_item, result.nearest_prototype].iter().enumerate() {
                for (key, figure) in [
                    ("among unseen", figures.among_unseen),
                    ("among all", figures.among_all),
                    ("all queries", figures.all_queries),
                ] {
                    let difference = figure.mean - expected[key][rule];
                    prop_assert!(difference.abs() < 1e-12, "{} {} {:?}", key, rule, figure);
                    let [low, high] = figure.draws_95;
                    prop_assert!(low <= figure.mean && figure.mean <= high);
                }
            }
        }
    }
}

fn options(shots: &[usize]) -> Options {
    Options {
        unseen: vec![1, 2],
        shots: shots.to_vec(),
        seen_items: SeenItems::AsShots,
        draws: 20,
        resamples: 100,
        seed: 4,
    }
}

/// Images of three classes around three axes, and their labels.
fn around_axes(count: usize) -> (Array2<f32>, Vec<u16>) {
    let mut rng = stream(1, Purpose::Selection, 0);
    let labels: Vec<u16> = (0..count).map(|i| (i % 3) as u16).collect();
    let mut rows = Array2::from_shape_fn((count, 3), |(i, d)| {
        f32::from(u8::from(i % 3 == d)) + rng.random_range(0.0..2.0)
    });
    for mut row in rows.rows_mut() {
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    (rows, labels)
}

fn measured(shots: &[usize], seen_items: SeenItems) -> FewShot {
    let (pool, pool_labels) = around_axes(300);
    let (queries, labels) = around_axes(900);
    let options = Options { seen_items, ..options(shots) };
    let draws = Draws::new(&pool_labels, options).unwrap();
    let rows: Vec<usize> = draws.images().iter().map(|&image| image as usize).collect();
    draws.measure(pool.select(Axis(0), &rows).view(), queries.view(), &labels).unwrap()
}

#[test]
fn figures_do_not_depend_on_threads_or_on_what_else_is_measured() {
    let in_pool = |threads: usize, shots: &[usize]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| measured(shots, SeenItems::Fixed(3)))
    };
    let one = in_pool(1, &[1, 2, 5]);
    assert_eq!(one, in_pool(3, &[5, 1, 2, 1]));
    assert_eq!(one.shots[1], in_pool(2, &[2]).shots[0]);
    let (_, labels) = around_axes(300);
    let images = |seed| Draws::new(&labels, Options { seed, ..options(&[2]) }).unwrap().draws;
    assert_ne!(images(1), images(2));
    assert_eq!((one.unseen_queries, one.queries, one.draws), (600, 900, 20));
}

#[test]
fn more_shots_help_and_more_classes_hinder() {
    let found = measured(&[1, 10], SeenItems::AsShots);
    let [one, ten] = [0, 1].map(|i| found.shots[i].nearest_prototype);
    assert!(ten.among_unseen.mean > one.among_unseen.mean + 0.05, "{found:?}");
    assert!(one.among_all.mean < one.among_unseen.mean - 0.05, "{found:?}");
    assert_eq!(found.shots[0].nearest_item.among_unseen, one.among_unseen);
    let [low, high] = one.among_unseen.confidence_95.unwrap();
    let [lowest, highest] = one.among_unseen.draws_95;
    assert!(lowest < low && low < high && high < highest, "{one:?}");
}

#[test]
fn more_items_of_known_classes_take_queries_from_the_new() {
    let [few, many] = [1, 50].map(|items| measured(&[1], SeenItems::Fixed(items)).shots[0]);
    assert_eq!(few.nearest_item.among_unseen, many.nearest_item.among_unseen);
    assert!(many.nearest_item.among_all.mean < few.nearest_item.among_all.mean - 0.05);
}

#[test]
fn what_cannot_be_drawn_is_an_error() {
    let labels = [0, 0, 1, 1, 2, 2, 2];
    let error = |options| Draws::new(&labels, options).unwrap_err();
    let too_few = |class, images, wanted| FewShotError::TooFewImages { class, images, wanted };
    assert_eq!(error(options(&[3])), too_few(0, 2, 3));
    let fixed = |items| Options { seen_items: SeenItems::Fixed(items), ..options(&[1]) };
    assert_eq!(error(fixed(4)), too_few(0, 2, 4));
    assert_eq!(error(Options { unseen: vec![7], ..options(&[1]) }), too_few(7, 0, 1));
    assert_eq!(error(options(&[])), FewShotError::NoShots);
    assert_eq!(error(options(&[0, 1])), FewShotError::NoShots);
    assert_eq!(error(fixed(0)), FewShotError::NoShots);
    assert_eq!(error(Options { unseen: vec![], ..options(&[1]) }), FewShotError::NoClasses);
    assert_eq!(error(Options { draws: 0, ..options(&[1]) }), FewShotError::NoDraws);
    let alone = Options { unseen: vec![0], ..options(&[1]) };
    assert_eq!(Draws::new(&[0, 0], alone).unwrap_err(), FewShotError::NoClasses);
}

#[test]
fn not_a_number_is_far_from_everything() {
    let (mut pool, labels) = around_axes(30);
    pool.row_mut(1).fill(f32::NAN);
    let draws = Draws::new(&labels, options(&[10])).unwrap();
    assert_eq!(draws.images().len(), 30);
    let found = draws.measure(pool.view(), pool.view(), &labels).unwrap();
    let [item, prototype] = [found.shots[0].nearest_item, found.shots[0].nearest_prototype];
    // All shots but that one find themselves.
    assert_eq!(item.among_all.draws_95, [19.0 / 20.0; 2]);
    // Its class has no prototype, and nothing is near that query.
    assert_eq!(prototype.among_unseen.draws_95, [0.5; 2]);
}
