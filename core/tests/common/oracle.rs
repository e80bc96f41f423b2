//! The forward pass as its definition reads, in f64, with whole activation
//! maps: shares nothing with the library but the flat vector of parameters.

use lookalike::Network;

/// Channels of rows of values.
type Map = Vec<Vec<Vec<f64>>>;

pub struct Output {
    pub features: Vec<f64>,
    pub embedding: Vec<f64>,
    pub logits: Vec<f64>,
}

pub fn forward(network: &Network, parameters: &[f32], image: &[u8]) -> Output {
    let input = network.input();
    let mut rest = parameters;
    let mut map: Map = (0..input.channels)
        .map(|c| {
            let pixel = |y: usize, x: usize| image[(y * input.width + x) * input.channels + c];
            (0..input.height)
                .map(|y| {
                    (0..input.width).map(|x| (f64::from(pixel(y, x)) / 255.0 - 0.5) / 0.5).collect()
                })
                .collect()
        })
        .collect();
    for (layer, width) in network.widths().into_iter().enumerate() {
        let weights = take(&mut rest, width * map.len() * 9);
        let biases = take(&mut rest, width);
        map = relu(convolve(&map, weights, biases));
        if layer < 2 {
            map = max_pool(&map);
        }
    }
    let features = average_pool(&map, network.grid());
    let norm = features.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
    let embedding = features.iter().map(|v| v / norm).collect();
    let weights = take(&mut rest, network.classes() * features.len());
    let logits = rest
        .iter()
        .zip(weights.chunks(features.len()))
        .map(|(&bias, row)| {
            f64::from(bias) + row.iter().zip(&features).map(|(&w, f)| f64::from(w) * f).sum::<f64>()
        })
        .collect();
    Output { features, embedding, logits }
}

fn take<'a>(rest: &mut &'a [f32], len: usize) -> &'a [f32] {
    let (part, after) = rest.split_at(len);
    *rest = after;
    part
}

fn convolve(input: &Map, weights: &[f32], biases: &[f32]) -> Map {
    let (height, width) = (input[0].len(), input[0][0].len());
    let sum = |o: usize, y: usize, x: usize| {
        let mut sum = f64::from(biases[o]);
        for (i, channel) in input.iter().enumerate() {
            for ky in 0..3 {
                for kx in 0..3 {
                    let weight = weights[((o * input.len() + i) * 3 + ky) * 3 + kx];
                    sum += f64::from(weight) * channel[y + ky][x + kx];
                }
            }
        }
        sum
    };
    (0..biases.len())
        .map(|o| (0..height - 2).map(|y| (0..width - 2).map(|x| sum(o, y, x)).collect()).collect())
        .collect()
}

fn relu(mut map: Map) -> Map {
    for value in map.iter_mut().flatten().flatten() {
        *value = value.max(0.0);
    }
    map
}

fn max_pool(map: &Map) -> Map {
    let pool = |rows: &[Vec<f64>]| {
        (0..rows[0].len() / 2)
            .map(|x| {
                rows.iter().flat_map(|row| &row[2 * x..2 * x + 2]).copied().fold(f64::MIN, f64::max)
            })
            .collect()
    };
    map.iter().map(|channel| channel.chunks_exact(2).map(pool).collect()).collect()
}

fn average_pool(map: &Map, grid: usize) -> Vec<f64> {
    let window = |i: usize, size: usize| i * size / grid..((i + 1) * size).div_ceil(grid);
    let mut features = Vec::new();
    for channel in map {
        for gy in 0..grid {
            for gx in 0..grid {
                let rows = &channel[window(gy, channel.len())];
                let values: Vec<f64> =
                    rows.iter().flat_map(|row| &row[window(gx, row.len())]).copied().collect();
                features.push(values.iter().sum::<f64>() / values.len() as f64);
            }
        }
    }
    features
}
