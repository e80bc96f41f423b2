//! What teaches a network which images are alike.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, linalg::general_mat_mul, s};
use rayon::prelude::*;

use crate::data::Dataset;
use crate::hog::{Hog, Whitening};
use crate::nn::{ConvNet, Packed, Parameters, State};

/// Teachers, and the similarities of a batch's images that they agree on: the
/// sum of each one's.
pub(super) struct Teachers {
    hog: Option<Describer>,
    models: Vec<Model>,
    /// `[B, B]`.
    similarity: Array2<f32>,
}

/// Histograms of gradients, which have learned nothing.
struct Describer {
    hog: Hog,
    whitening: Whitening,
    /// `[B, Hog::LEN]`.
    descriptors: Array2<f32>,
    whitened: Array2<f32>,
}

/// A network that was trained before.
struct Model {
    net: ConvNet,
    packed: Packed,
    state: State,
    /// `[B, E]`.
    features: Array2<f32>,
}

impl Teachers {
    /// Histograms of gradients, whitened for `data`, if `hog`, and `models`, for
    /// batches of up to `images` like those of `data`.
    pub fn new(hog: bool, models: &[Parameters], images: usize, data: &Dataset) -> Teachers {
        let descriptors = || Array2::zeros((images, Hog::LEN));
        Teachers {
            hog: hog.then(|| Describer {
                hog: Hog::new(data.shape),
                whitening: Whitening::of(data),
                descriptors: descriptors(),
                whitened: descriptors(),
            }),
            models: models.iter().map(|model| Model::new(model, images)).collect(),
            similarity: Array2::zeros((images, images)),
        }
    }

    /// How alike the first images of a batch are, `[count, count]`; `image(i)`
    /// gives each as the network gets it, height x width x channels.
    pub fn similarity<'i>(
        &mut self,
        count: usize,
        image: impl Fn(usize) -> &'i [f32] + Sync,
    ) -> ArrayView2<'_, f32> {
        let mut similarity = self.similarity.slice_mut(s![..count, ..count]);
        similarity.fill(0.0);
        if let Some(Describer { hog, whitening, descriptors, whitened }) = &mut self.hog {
            let mut rows = descriptors.slice_mut(s![..count, ..]);
            rows.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut row)| {
                hog.describe(image(i), row.as_slice_mut().expect("rows lie whole in memory"));
            });
            let mut whitened = whitened.slice_mut(s![..count, ..]);
            whitening.apply(rows, whitened.view_mut());
            add_cosines(whitened, similarity.view_mut());
        }
        for Model { net, packed, state, features } in &mut self.models {
            let mut rows = features.slice_mut(s![..count, ..]);
            net.forward(packed, state, rows.view_mut(), |i, to| to.copy_from_slice(image(i)));
            normalize(rows.view_mut());
            add_cosines(rows, similarity.view_mut());
        }
        self.similarity.slice(s![..count, ..count])
    }
}

impl Model {
    fn new(parameters: &Parameters, images: usize) -> Model {
        let net = ConvNet::new(&parameters.network);
        let mut packed = Packed::new(&parameters.network);
        packed.pack(&parameters.values);
        Model {
            state: net.state(images, false),
            features: Array2::zeros((images, parameters.network.embedding_len())),
            net,
            packed,
        }
    }
}

/// Adds the cosines between `rows` from which their mean is taken: what all
/// images of a batch have in common sets none apart.
fn add_cosines(mut rows: ArrayViewMut2<'_, f32>, mut to: ArrayViewMut2<'_, f32>) {
    if let Some(mean) = rows.mean_axis(Axis(0)) {
        rows -= &mean;
    }
    normalize(rows.view_mut());
    general_mat_mul(1.0, &rows, &rows.t(), 1.0, &mut to);
}

fn normalize(mut rows: ArrayViewMut2<'_, f32>) {
    for mut row in rows.rows_mut() {
        let norm = row.dot(&row).sqrt().max(1e-12);
        row /= norm;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{embed, fill_input};
    use crate::rng::{Purpose, stream};
    use lookalike::{Network, Shape};
    use rand::RngExt;

    const SHAPE: Shape = Shape { height: 18, width: 20, channels: 1 };

    /// Cosines of centred rows, in f64.
    fn naive(rows: &Array2<f32>) -> Array2<f64> {
        let rows = rows.mapv(f64::from);
        let rows = &rows - &rows.mean_axis(Axis(0)).unwrap();
        Array2::from_shape_fn((rows.nrows(), rows.nrows()), |(i, j)| {
            let (a, b) = (rows.row(i), rows.row(j));
            a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt()
        })
    }

    #[test]
    fn similarities_are_the_sum_of_each_teacher_s() {
        let mut rng = stream(5, Purpose::Selection, 0);
        let count = 7;
        let data = Dataset {
            shape: SHAPE,
            pixels: (0..count * SHAPE.len()).map(|_| rng.random()).collect(),
            labels: vec![0; count],
            class_names: vec!["a".into()],
        };
        let inputs: Vec<Vec<f32>> = (0..count)
            .map(|i| {
                let mut input = vec![0.0; SHAPE.len()];
                fill_input(data.image(i), &mut input);
                input
            })
            .collect();
        let network = |widths| Network::new([1, 18, 20], widths, 2, 0).unwrap();
        let models =
            [[2, 3, 5], [4, 2, 3]].map(|widths| Parameters::random(&network(widths), &mut rng));

        let mut expected = Array2::zeros((count, count));
        let mut descriptors = Array2::zeros((count, Hog::LEN));
        for (input, mut row) in inputs.iter().zip(descriptors.rows_mut()) {
            Hog::new(SHAPE).describe(input, row.as_slice_mut().unwrap());
        }
        let mut whitened = descriptors.clone();
        Whitening::of(&data).apply(descriptors.view_mut(), whitened.view_mut());
        expected += &naive(&whitened);
        for model in &models {
            expected += &naive(&embed(model, &data));
        }
        let mut teachers = Teachers::new(true, &models, count + 3, &data);
        // A second batch finds nothing of the first.
        for _ in 0..2 {
            let found = teachers.similarity(count, |i| &inputs[i]);
            for (at, &value) in found.indexed_iter() {
                let expected = expected[at];
                assert!((f64::from(value) - expected).abs() < 1e-4, "{value}, not {expected}");
            }
        }
    }
}
