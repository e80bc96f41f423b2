//! Batch normalisation against its definition: forward, backward by finite
//! differences, and folded into the convolutions.

use lookalike::Network;
use lookalike_tests::oracle::{self, Statistics};
use lookalike_tests::random::{Case, SplitMix};
use lookalike_trainer::data::Dataset;
use lookalike_trainer::nn::{self, ConvNet, Packed, Parameters, Population, State, fill_input};
use ndarray::Array2;

/// Two full chunks and a smaller one.
const IMAGES: usize = 65;

struct Run {
    case: Case,
    net: ConvNet,
    packed: Packed,
    state: State,
    features: Array2<f32>,
}

impl Run {
    fn new(input: [u16; 3], widths: [u16; 3], grid: u16) -> Run {
        let network = Network::new(input, widths, grid, 0).unwrap();
        let case = Case::new(network, IMAGES, 5);
        let net = ConvNet::normalized(&network, IMAGES);
        let mut packed = Packed::new(&network);
        packed.pack(&case.parameters);
        let mut state = net.state(IMAGES, true);
        let mut features = Array2::zeros((IMAGES, network.embedding_len()));
        net.forward(&packed, &mut state, features.view_mut(), |i, input| {
            fill_input(case.image(i), input);
        });
        Run { case, net, packed, state, features }
    }
}

fn runs() -> [Run; 2] {
    [Run::new([1, 18, 19], [5, 7, 9], 2), Run::new([3, 20, 18], [17, 4, 20], 1)]
}

/// The chunks that a batch of `images` is cut into: equal, of up to 32.
fn chunks(images: usize) -> impl Iterator<Item = Vec<usize>> {
    let len = images.div_ceil(images.div_ceil(32));
    (0..images).step_by(len).map(move |from| (from..images.min(from + len)).collect())
}

fn of_chunk(case: &Case, parameters: &[f32], chunk: &[usize]) -> (Vec<Vec<f64>>, Statistics) {
    let images: Vec<&[u8]> = chunk.iter().map(|&i| case.image(i)).collect();
    oracle::normalized(&case.network, parameters, &images, None)
}

#[test]
fn forward_is_the_definition_over_each_chunk() {
    for Run { case, features, .. } in runs() {
        let mut seen = 0;
        for chunk in chunks(IMAGES) {
            let (expected, _) = of_chunk(&case, &case.parameters, &chunk);
            for (&i, expected) in chunk.iter().zip(&expected) {
                for (&a, &e) in features.row(i).iter().zip(expected) {
                    assert!((f64::from(a) - e).abs() < 1e-4, "{a} instead of {e}");
                }
                seen += 1;
            }
        }
        assert_eq!(seen, IMAGES);
    }
}

#[test]
fn backward_is_the_slope_of_the_definition() {
    for Run { case, net, packed, mut state, features } in runs() {
        let mut random = SplitMix(9);
        let dfeatures = features.mapv(|_| random.unit() - 0.5);
        let mut gradient = vec![0.0; case.parameters.len()];
        net.backward(&packed, &mut state, dfeatures.view(), &mut gradient);
        // The sum of features times their gradient, as a function of the parameters.
        let objective = |parameters: &[f32]| -> f64 {
            chunks(IMAGES)
                .map(|chunk| {
                    let (features, _) = of_chunk(&case, parameters, &chunk);
                    let rows = chunk.iter().zip(&features);
                    rows.map(|(&i, f)| {
                        let d = dfeatures.row(i);
                        d.iter().zip(f).map(|(&d, f)| f64::from(d) * f).sum::<f64>()
                    })
                    .sum::<f64>()
                })
                .sum()
        };
        for tensor in &case.network.tensors()[..6] {
            let largest = gradient[tensor.range()].iter().fold(0f32, |m, g| m.max(g.abs()));
            assert!(largest > 1e-2, "{}: a gradient to compare", tensor.name);
            for _ in 0..6 {
                let at = tensor.offset + random.next() as usize % tensor.len();
                let mut moved = case.parameters.clone();
                let [low, high] = [-2e-6, 2e-6].map(|step| {
                    moved[at] = case.parameters[at] + step;
                    (f64::from(moved[at]), objective(&moved))
                });
                let slope = (high.1 - low.1) / (high.0 - low.0);
                let error = (slope - f64::from(gradient[at])).abs();
                assert!(
                    error < 5e-3 * f64::from(largest),
                    "{}[{at}]: {} instead of {slope}",
                    tensor.name,
                    gradient[at]
                );
            }
        }
    }
}

#[test]
fn folded_equals_unfolded() {
    for Run { case, net, state, .. } in runs() {
        let mut population = Population::new(&net);
        population.add(&state, IMAGES);
        let parameters = Parameters { network: case.network, values: case.parameters.clone() };
        let folded = population.fold(&parameters);

        // The same average over chunks, from the definition's statistics.
        let all: Vec<Statistics> =
            chunks(IMAGES).map(|chunk| of_chunk(&case, &case.parameters, &chunk).1).collect();
        let mut expected = Statistics::default();
        for layer in 0..3 {
            for channel in 0..all[0][layer].len() {
                let mean = |value: &dyn Fn([f64; 2]) -> f64| {
                    all.iter().map(|s| value(s[layer][channel])).sum::<f64>() / all.len() as f64
                };
                let center = mean(&|[mean, _]| mean);
                let square = mean(&|[mean, variance]| variance + mean * mean);
                expected[layer].push([center, square - center * center]);
            }
        }
        let data = Dataset {
            shape: case.network.input(),
            pixels: case.pixels.clone(),
            labels: vec![0; IMAGES],
            class_names: vec![String::new()],
        };
        let embeddings = nn::embed(&folded, &data);
        let images: Vec<&[u8]> = (0..IMAGES).map(|i| case.image(i)).collect();
        let (features, _) =
            oracle::normalized(&case.network, &case.parameters, &images, Some(&expected));
        for (embedding, features) in embeddings.rows().into_iter().zip(features) {
            let norm = features.iter().map(|f| f * f).sum::<f64>().sqrt().max(1e-12);
            for (&a, e) in embedding.iter().zip(features) {
                assert!((f64::from(a) - e / norm).abs() < 1e-5, "{a} instead of {}", e / norm);
            }
        }
    }
}

#[test]
fn one_more_thread_changes_no_bit() {
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let [Run { net, packed, mut state, features, case }, _] = runs();
            let mut gradient = vec![0.0; case.parameters.len()];
            net.backward(&packed, &mut state, features.view(), &mut gradient);
            features.iter().chain(&gradient).map(|x| x.to_bits()).collect::<Vec<u32>>()
        })
    };
    let one = bits(1);
    assert_eq!(one, bits(2));
    assert_eq!(one, bits(3));
}
