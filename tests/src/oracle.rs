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
    /// The image, in -1..=1.
    pub input: Map,
    /// First convolution, before ReLU.
    pub conv1: Map,
    /// After the first ReLU and pooling.
    pub pool1: Map,
    /// Second convolution, before ReLU.
    pub conv2: Map,
    /// After the second ReLU and pooling.
    pub pool2: Map,
    /// Third convolution, before ReLU.
    pub conv3: Map,
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
    let conv2 = conv(&pool1, tensor(2), tensor(3));
    let pool2 = pool(&relu(&conv2));
    let conv3 = conv(&pool2, tensor(4), tensor(5));
    let features = average(&relu(&conv3), network.grid());
    let logits = (tensor(6).chunks_exact(features.values.len()).zip(tensor(7)))
        .map(|(w, &b)| {
            f64::from(b)
                + w.iter().zip(&features.values).map(|(&w, f)| f64::from(w) * f).sum::<f64>()
        })
        .collect();
    let norm = features.values.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
    let embedding = features.values.iter().map(|v| v / norm).collect();
    Activations { input, conv1, pool1, conv2, pool2, conv3, features, logits, embedding }
}

/// The gradient of the trunk's parameters, added to the flat vector
/// `gradient`, from that of the features.
pub fn backward(
    network: &Network,
    parameters: &[f32],
    activations: &Activations,
    dfeatures: &[f64],
    gradient: &mut [f64],
) {
    let t = network.tensors();
    let a = activations;
    let mut layer = |i: usize, input: &Map, doutput: &Map| {
        let [weights, bias] = [t[2 * i].range(), t[2 * i + 1].range()];
        for (db, d) in gradient[bias].iter_mut().zip(channel_sums(doutput)) {
            *db += d;
        }
        let dweights = &mut gradient[weights.clone()];
        conv_backward(input, doutput, &parameters[weights], dweights)
    };
    let dconv3 = relu_backward(&a.conv3, &average_backward(&a.conv3, network.grid(), dfeatures));
    let dpool2 = layer(2, &a.pool2, &dconv3);
    let dconv2 = relu_backward(&a.conv2, &pool_backward(&relu(&a.conv2), &dpool2));
    let dpool1 = layer(1, &a.pool1, &dconv2);
    let dconv1 = relu_backward(&a.conv1, &pool_backward(&relu(&a.conv1), &dpool1));
    layer(0, &a.input, &dconv1);
}

fn channel_sums(map: &Map) -> Vec<f64> {
    map.values.chunks_exact(map.height * map.width).map(|c| c.iter().sum()).collect()
}

/// Adds to `dweights` and returns the gradient of the input.
fn conv_backward(input: &Map, doutput: &Map, weights: &[f32], dweights: &mut [f64]) -> Map {
    let mut dinput = Map::new(input.channels, input.height, input.width);
    for o in 0..doutput.channels {
        for y in 0..doutput.height {
            for x in 0..doutput.width {
                for i in 0..input.channels {
                    for tap in 0..9 {
                        let (iy, ix) = (y + tap / 3, x + tap % 3);
                        let w = (o * input.channels + i) * 9 + tap;
                        let d = doutput.at(o, y, x);
                        dweights[w] += d * input.at(i, iy, ix);
                        let sum = dinput.at(i, iy, ix) + d * f64::from(weights[w]);
                        dinput.set(i, iy, ix, sum);
                    }
                }
            }
        }
    }
    dinput
}

fn relu_backward(before: &Map, d: &Map) -> Map {
    let mut d = d.clone();
    for (d, &x) in d.values.iter_mut().zip(&before.values) {
        *d = if x > 0.0 { *d } else { 0.0 };
    }
    d
}

/// The first of equal maxima gets the gradient.
fn pool_backward(input: &Map, doutput: &Map) -> Map {
    let mut dinput = Map::new(input.channels, input.height, input.width);
    for c in 0..doutput.channels {
        for y in 0..doutput.height {
            for x in 0..doutput.width {
                let mut best = (2 * y, 2 * x);
                for (dy, dx) in [(0, 1), (1, 0), (1, 1)] {
                    if input.at(c, 2 * y + dy, 2 * x + dx) > input.at(c, best.0, best.1) {
                        best = (2 * y + dy, 2 * x + dx);
                    }
                }
                dinput.set(c, best.0, best.1, doutput.at(c, y, x));
            }
        }
    }
    dinput
}

fn average_backward(input: &Map, grid: usize, doutput: &[f64]) -> Map {
    let mut dinput = Map::new(input.channels, input.height, input.width);
    let window = |i: usize, size: usize| i * size / grid..((i + 1) * size).div_ceil(grid);
    for c in 0..input.channels {
        for cell in 0..grid * grid {
            let rows = window(cell / grid, input.height);
            let columns = window(cell % grid, input.width);
            let share = doutput[c * grid * grid + cell] / (rows.len() * columns.len()) as f64;
            for y in rows {
                for x in columns.clone() {
                    dinput.set(c, y, x, dinput.at(c, y, x) + share);
                }
            }
        }
    }
    dinput
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

/// Mean and variance of every channel of the three convolutions, where
/// normalisation sees them: after pooling, where the layer pools.
pub type Statistics = [Vec<[f64; 2]>; 3];

/// Features of `images` through the network with batch normalisation: by
/// `population`, else by the statistics of these images, which are returned.
/// What is a bias without normalisation is added after it.
pub fn normalized(
    network: &Network,
    parameters: &[f32],
    images: &[&[u8]],
    population: Option<&Statistics>,
) -> (Vec<Vec<f64>>, Statistics) {
    let tensors = network.tensors();
    let mut maps: Vec<Map> =
        images.iter().map(|pixels| forward(network, parameters, pixels).input).collect();
    let mut statistics = Statistics::default();
    for layer in 0..3 {
        let [weights, shift] = [0, 1].map(|i| &parameters[tensors[2 * layer + i].range()]);
        let no_bias = vec![0.0; shift.len()];
        for map in &mut maps {
            *map = conv(map, weights, &no_bias);
            if layer < 2 {
                *map = pool(map);
            }
        }
        for channel in 0..shift.len() {
            let area = maps[0].height * maps[0].width;
            let of_channel = channel * area..(channel + 1) * area;
            let count = (maps.len() * area) as f64;
            let mean = maps.iter().flat_map(|m| &m.values[of_channel.clone()]).sum::<f64>() / count;
            let squares = maps.iter().flat_map(|m| &m.values[of_channel.clone()]);
            let variance = squares.map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
            statistics[layer].push([mean, variance]);
            let [mean, variance] = population.map_or([mean, variance], |p| p[layer][channel]);
            for map in &mut maps {
                for x in &mut map.values[of_channel.clone()] {
                    let z = (*x - mean) / (variance + 1e-5).sqrt();
                    *x = (z + f64::from(shift[channel])).max(0.0);
                }
            }
        }
    }
    (maps.iter().map(|map| average(map, network.grid()).values).collect(), statistics)
}
