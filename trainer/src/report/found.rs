//! Queries and what they find.

use ndarray::{ArrayView2, Axis};

use crate::data::Dataset;
use crate::figures::SheetRow;
use crate::retrieval::{Evaluation, search};
use lookalike::Match;

/// A query and the images found for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The image that searched.
    pub query: u32,
    /// Its average precision; `None` where no other image has its class.
    pub average_precision: Option<f64>,
    /// The images found, nearest first.
    pub neighbours: Vec<Match>,
}

impl From<&Found> for SheetRow {
    fn from(found: &Found) -> SheetRow {
        let neighbours = found.neighbours.iter().map(|neighbour| neighbour.id).collect();
        SheetRow { query: found.query, neighbours }
    }
}

/// The first image of each of the first `count` classes that have one.
pub fn first_of_each_class(data: &Dataset, count: usize) -> Vec<u32> {
    let position = |class| data.labels.iter().position(|&label| usize::from(label) == class);
    (0..data.class_count()).filter_map(position).take(count).map(|image| image as u32).collect()
}

/// The `count` nearest images of each query, itself aside.
pub fn find(
    queries: &[u32],
    embeddings: ArrayView2<'_, f32>,
    evaluation: &Evaluation,
    count: usize,
) -> Vec<Found> {
    let rows: Vec<usize> = queries.iter().map(|&query| query as usize).collect();
    let vectors = embeddings.select(Axis(0), &rows);
    let found = search(vectors.view(), embeddings, count, Some(queries));
    let average_precision = |query| {
        let place = evaluation.queries.iter().position(|&other| other == query)?;
        Some(evaluation.per_query[place].average_precision)
    };
    queries
        .iter()
        .zip(found)
        .map(|(&query, neighbours)| Found {
            query,
            average_precision: average_precision(query),
            neighbours,
        })
        .collect()
}

/// The `count` queries with the highest average precision, the highest first,
/// and those with the lowest, the lowest first; equal ones by index.
pub fn extremes(evaluation: &Evaluation, count: usize) -> (Vec<u32>, Vec<u32>) {
    let mut ranked: Vec<(f64, u32)> = evaluation
        .queries
        .iter()
        .zip(&evaluation.per_query)
        .map(|(&query, metrics)| (metrics.average_precision, query))
        .collect();
    let mut first = |descending: bool| {
        ranked.sort_by(|a, b| {
            let order = a.0.total_cmp(&b.0);
            (if descending { order.reverse() } else { order }).then(a.1.cmp(&b.1))
        });
        ranked.iter().take(count).map(|&(_, query)| query).collect()
    };
    (first(true), first(false))
}

#[cfg(test)]
mod tests {
    use lookalike::Shape;
    use ndarray::array;

    use super::*;
    use crate::retrieval::{Options, evaluate};

    /// Two images of class 0 close by, two of class 1 far apart, one of class 2.
    fn evaluation() -> (Evaluation, ndarray::Array2<f32>) {
        let embeddings =
            array![[1.0f32, 0.0], [0.6, 0.8], [0.96, 0.28], [0.0, 1.0], [-1.0, 0.0], [-0.6, 0.8]];
        let labels = [0, 1, 0, 2, 1, 2];
        (evaluate(embeddings.view(), &labels, &Options::default()).unwrap(), embeddings)
    }

    #[test]
    fn extremes_are_those_of_a_full_sort() {
        let (evaluation, _) = evaluation();
        let precision: Vec<f64> =
            evaluation.per_query.iter().map(|metrics| metrics.average_precision).collect();
        let (best, worst) = extremes(&evaluation, 3);
        // Image 0 and image 2 find each other first: equal ones by index.
        assert_eq!(best[..2], [0, 2]);
        assert_eq!(precision[0], 1.0);
        assert!(best.iter().map(|&q| precision[q as usize]).is_sorted_by(|a, b| a >= b));
        assert!(worst.iter().map(|&q| precision[q as usize]).is_sorted());
        let lowest = precision.iter().copied().fold(f64::MAX, f64::min);
        assert_eq!(precision[worst[0] as usize], lowest);
        assert_eq!(extremes(&evaluation, 100).0.len(), 6);
    }

    #[test]
    fn a_query_finds_others_nearest_first() {
        let (evaluation, embeddings) = evaluation();
        let found = find(&[2, 5], embeddings.view(), &evaluation, 2);
        let ids: Vec<u32> = found[0].neighbours.iter().map(|found| found.id).collect();
        assert_eq!((found[0].query, ids), (2, vec![0, 1]));
        assert_eq!(found[0].average_precision, Some(1.0));
        assert!(found[1].neighbours.iter().all(|found| found.id != 5));
        let row = SheetRow::from(&found[0]);
        assert_eq!((row.query, row.neighbours), (2, vec![0, 1]));
    }

    #[test]
    fn classes_without_an_image_are_passed_over() {
        let data = Dataset {
            shape: Shape { height: 1, width: 1, channels: 1 },
            pixels: vec![0; 4],
            labels: vec![2, 0, 2, 3],
            class_names: (0..5).map(|class| class.to_string()).collect(),
        };
        assert_eq!(first_of_each_class(&data, 10), [1, 0, 3]);
        assert_eq!(first_of_each_class(&data, 2), [1, 0]);
    }
}
