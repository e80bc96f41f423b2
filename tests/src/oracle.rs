//! The network as its definition reads: plain loops in `f64`, PyTorch's
//! layouts, nothing shared with the implementations that it judges.

use lookalike::Network;

/// An activation map `[channels][height][width]`.
#[derive(Clone, Debug)]
pub struct Map {
    /// Number of channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// The values.
    pub values: Vec<f64>,
}

impl Map {
    fn new(channels: usize, height: usize, width: usize) -> Map {
        Map { channels, height, width, values: vec![0.0; channels * height * width] }
    }

    fn at(&self, c: usize, y: usize, x: usize) -> f64 {
        self.values[(c * self.height + y) * self.width + x]
    }

    fn set(&mut self, c: usize, y: usize, x: usize, value: f64) {
        self.values[(c * self.height + y) * self.width + x] = value;
    }

    /// As `f32`.
    pub fn to_f32(&self) -> Vec<f32> {
        self.values.iter().map(|&v| v as f32).collect()
    }
}

/// Everything that one image becomes.
#[derive(Clone, Debug)]
pub struct Activations {
    /// First convolution, before ReLU.
    pub conv1: Map,
    /// After the first ReLU and pooling.
    pub pool1: Map,
    /// After the second ReLU and pooling.
    pub pool2: Map,
    /// After the third ReLU and the average-pooling; its values are the features.
    pub features: Map,
    /// The classifier's output; empty without classes.
    pub logits: Vec<f64>,
    /// The features divided by their norm.
    pub embedding: Vec<f64>,
}

/// Takes one image, pixels channels-last, through the network. `parameters` is
/// the flat vector that [`Network::tensors`] describes.
pub fn forward(network: &Network, parameters: &[f32], pixels: &[u8]) -> Activations {
    let t = network.tensors();
    let tensor = |i: usize| &parameters[t[i].range()];
    let shape = network.input();
    let mut input = Map::new(shape.channels, shape.height, shape.width);
    for (i, &pixel) in pixels.iter().enumerate() {
        let (c, yx) = (i % shape.channels, i / shape.channels);
        input.set(c, yx / shape.width, yx % shape.width, (f64::from(pixel) / 255.0 - 0.5) / 0.5);
    }
    let conv1 = conv(&input, tensor(0), tensor(1));
    let pool1 = pool(&relu(&conv1));
    let pool2 = pool(&relu(&conv(&pool1, tensor(2), tensor(3))));
    let features = average(&relu(&conv(&pool2, tensor(4), tensor(5))), network.grid());
    let logits = (tensor(6).chunks_exact(features.values.len()).zip(tensor(7)))
        .map(|(w, &b)| {
            f64::from(b)
                + w.iter().zip(&features.values).map(|(&w, f)| f64::from(w) * f).sum::<f64>()
        })
        .collect();
    let norm = features.values.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
    let embedding = features.values.iter().map(|v| v / norm).collect();
    Activations { conv1, pool1, pool2, features, logits, embedding }
}

fn conv(input: &Map, weights: &[f32], bias: &[f32]) -> Map {
    let mut output = Map::new(bias.len(), input.height - 2, input.width - 2);
    for o in 0..bias.len() {
        for y in 0..output.height {
            for x in 0..output.width {
                let mut sum = f64::from(bias[o]);
                for i in 0..input.channels {
                    for ky in 0..3 {
                        for kx in 0..3 {
                            let w = weights[((o * input.channels + i) * 3 + ky) * 3 + kx];
                            sum += f64::from(w) * input.at(i, y + ky, x + kx);
                        }
                    }
                }
                output.set(o, y, x, sum);
            }
        }
    }
    output
}

fn relu(map: &Map) -> Map {
    let mut map = map.clone();
    for v in &mut map.values {
        *v = v.max(0.0);
    }
    map
}

fn pool(input: &Map) -> Map {
    let mut output = Map::new(input.channels, input.height / 2, input.width / 2);
    for c in 0..output.channels {
        for y in 0..output.height {
            for x in 0..output.width {
                let window = [(0, 0), (0, 1), (1, 0), (1, 1)];
                let values = window.map(|(dy, dx)| input.at(c, 2 * y + dy, 2 * x + dx));
                output.set(c, y, x, values.into_iter().fold(f64::NEG_INFINITY, f64::max));
            }
        }
    }
    output
}

fn average(input: &Map, grid: usize) -> Map {
    let mut output = Map::new(input.channels, grid, grid);
    let window = |i: usize, size: usize| i * size / grid..((i + 1) * size).div_ceil(grid);
    for c in 0..output.channels {
        for gy in 0..grid {
            for gx in 0..grid {
                let (rows, columns) = (window(gy, input.height), window(gx, input.width));
                let count = (rows.len() * columns.len()) as f64;
                let sum: f64 = rows
                    .flat_map(|y| columns.clone().map(move |x| (y, x)))
                    .map(|(y, x)| input.at(c, y, x))
                    .sum();
                output.set(c, gy, gx, sum / count);
            }
        }
    }
    output
}
