//! Packed parameters, in the order that the [module](super) tells.

use super::{Conv, PLAIN_ELEMENTS, POOLED_ELEMENTS, QUAD, Stage};
use crate::quantized::{MAX_BIAS, MAX_MULTIPLIER, QuantizedConv};

/// The weights of one input and one output channel.
type Kernel = [[i32; 3]; 3];

/// U of a kernel, row by row; zeros after the elements of F(2x2, 3x3).
type Elements = [i32; PLAIN_ELEMENTS];

/// Words of the packed parameters.
pub(crate) const fn packed_len(stage: Stage, inputs: usize, outputs: usize) -> usize {
    Layout::new(stage, inputs).block_len() * outputs.div_ceil(QUAD)
}

/// Where a convolution's parameters lie.
#[derive(Clone, Copy)]
enum Layout {
    /// One input channel: elements of U in pairs.
    Image,
    /// Input channels in pairs.
    Pairs { plain: bool, pairs: usize },
}

/// Words of an output channel: elements, bias, multiplier.
const IMAGE_RECORD: usize = 10;
/// Words of a block before its elements: biases, multipliers.
const BLOCK_HEAD: usize = 2 * QUAD;

/// For each element of U the half-word of a record of [`Layout::Image`]: two
/// times the word's index, and 1 if it is the high half.
const IMAGE_HALVES: [usize; POOLED_ELEMENTS] =
    [10, 7, 6, 12, 8, 14, 0, 4, 9, 1, 15, 5, 13, 3, 2, 11];

impl Layout {
    const fn new(stage: Stage, inputs: usize) -> Layout {
        match stage {
            Stage::First if inputs == 1 => Layout::Image,
            Stage::First | Stage::Second => Layout::pairs(false, inputs),
            Stage::Third => Layout::pairs(true, inputs),
        }
    }

    const fn pairs(plain: bool, inputs: usize) -> Layout {
        Layout::Pairs { plain, pairs: 2 * inputs.div_ceil(QUAD) }
    }

    /// Elements of U.
    const fn elements(self) -> usize {
        match self {
            Layout::Pairs { plain: true, .. } => PLAIN_ELEMENTS,
            _ => POOLED_ELEMENTS,
        }
    }

    /// Words of a block of output channels.
    const fn block_len(self) -> usize {
        match self {
            Layout::Image => QUAD * IMAGE_RECORD,
            Layout::Pairs { pairs, .. } => BLOCK_HEAD + self.elements() * pairs * QUAD,
        }
    }

    /// Input channels with those that fill up a word.
    const fn inputs(self) -> usize {
        match self {
            Layout::Image => 1,
            Layout::Pairs { pairs, .. } => 2 * pairs,
        }
    }

    /// The word of an output channel's bias.
    const fn bias(self, output: usize) -> usize {
        match self {
            Layout::Image => output * IMAGE_RECORD + IMAGE_RECORD - 2,
            Layout::Pairs { .. } => output / QUAD * self.block_len() + output % QUAD,
        }
    }

    /// The word of an output channel's multiplier.
    const fn multiplier(self, output: usize) -> usize {
        match self {
            Layout::Image => self.bias(output) + 1,
            Layout::Pairs { .. } => self.bias(output) + QUAD,
        }
    }

    /// The word of an element of U, and by how much it is shifted there.
    fn element(self, [output, input]: [usize; 2], element: usize) -> (usize, u32) {
        match self {
            Layout::Image => {
                let half = IMAGE_HALVES.get(element).copied().unwrap_or_default();
                (output * IMAGE_RECORD + half / 2, 16 * (half % 2) as u32)
            }
            Layout::Pairs { pairs, .. } => {
                let (pair, half) = (input / QUAD * 2 + input % 2, input % QUAD / 2);
                let row = element * pairs + pair;
                let start = output / QUAD * self.block_len() + BLOCK_HEAD;
                (start + row * QUAD + output % QUAD, 16 * half as u32)
            }
        }
    }

    /// U of a kernel.
    fn transform(self, kernel: &Kernel) -> Elements {
        match self {
            Layout::Pairs { plain: true, .. } => transform(kernel, plain_elements),
            _ => transform(kernel, pooled_elements),
        }
    }

    /// The kernel of a U, if it has one.
    fn restore(self, u: &Elements) -> Kernel {
        match self {
            Layout::Pairs { plain: true, .. } => restore(u, plain_weights, 36),
            _ => restore(u, pooled_weights, 4),
        }
    }

    /// U of an output and an input channel.
    fn read(self, packed: &[u32], channels: [usize; 2]) -> Elements {
        let mut u = [0; PLAIN_ELEMENTS];
        for (element, u) in u.iter_mut().enumerate().take(self.elements()) {
            let (index, shift) = self.element(channels, element);
            *u = i32::from((word(packed, index) >> shift) as i16);
        }
        u
    }
}

fn word(packed: &[u32], index: usize) -> u32 {
    packed.get(index).copied().unwrap_or_default()
}

/// G of F(2x2, 3x3) times a vector.
fn pooled_elements([a, b, c]: [i32; 3]) -> [i32; 4] {
    [2 * a, a + b + c, a - b + c, 2 * c]
}

/// Undoes [`pooled_elements`], but for a factor of 2.
fn pooled_weights([a, b, c, d]: [i32; 4]) -> [i32; 3] {
    [a, b - c, d]
}

/// G of F(3x3, 3x3) times a vector.
fn plain_elements([a, b, c]: [i32; 3]) -> [i32; 5] {
    [3 * a, -3 * (a + b + c), b - a - c, a + 2 * b + 4 * c, 6 * c]
}

/// Undoes [`plain_elements`], but for a factor of 6.
fn plain_weights([a, b, c, _, e]: [i32; 5]) -> [i32; 3] {
    [2 * a, 3 * c - b, e]
}

/// Applies a transform to the rows, then to the columns.
fn transform<const N: usize>(kernel: &Kernel, vector: fn([i32; 3]) -> [i32; N]) -> Elements {
    let elements = transpose(transpose(kernel.map(vector)).map(vector));
    let mut u = [0; PLAIN_ELEMENTS];
    u.iter_mut().zip(elements.as_flattened()).for_each(|(u, element)| *u = *element);
    u
}

/// Undoes [`transform`] with the vector's inverse, whose factor is the root of
/// `scale`.
fn restore<const N: usize>(u: &Elements, vector: fn([i32; N]) -> [i32; 3], scale: i32) -> Kernel {
    let mut rows = [[0; N]; N];
    rows.iter_mut().zip(u.as_chunks().0).for_each(|(row, elements)| *row = *elements);
    let scaled = transpose(transpose(rows.map(vector)).map(vector));
    scaled.map(|row| row.map(|weight| weight.checked_div(scale).unwrap_or_default()))
}

fn transpose<const R: usize, const C: usize>(rows: [[i32; C]; R]) -> [[i32; R]; C] {
    core::array::from_fn(|c| rows.each_ref().map(|row| row.get(c).copied().unwrap_or_default()))
}

/// Packs valid parameters into [`packed_len`] words.
pub(crate) fn pack(stage: Stage, conv: &QuantizedConv<'_>, out: &mut [u32]) {
    let layout = Layout::new(stage, conv.inputs);
    out.fill(0);
    let mut set = |index: usize, bits: u32| {
        if let Some(word) = out.get_mut(index) {
            *word |= bits;
        }
    };
    for (output, (bias, multiplier)) in conv.biases.iter().zip(conv.multipliers).enumerate() {
        set(layout.bias(output), bias.cast_unsigned());
        set(layout.multiplier(output), *multiplier);
    }
    for (index, weights) in conv.weights.as_chunks::<9>().0.iter().enumerate() {
        let mut kernel = Kernel::default();
        kernel.as_flattened_mut().iter_mut().zip(weights).for_each(|(k, w)| *k = i32::from(*w));
        let inputs = conv.inputs.max(1);
        let channels = [index / inputs, index % inputs];
        let u = layout.transform(&kernel);
        for (element, u) in u.iter().enumerate().take(layout.elements()) {
            let (index, shift) = layout.element(channels, element);
            set(index, u32::from(*u as u16) << shift);
        }
    }
}

/// Whether the words are what [`pack`] makes of valid parameters.
pub(crate) fn check(stage: Stage, conv: &Conv<'_>) -> bool {
    let Conv { packed, inputs, outputs } = *conv;
    if packed.len() != packed_len(stage, inputs, outputs) {
        return false;
    }
    let layout = Layout::new(stage, inputs);
    (0..outputs.next_multiple_of(QUAD)).all(|output| {
        let bias = word(packed, layout.bias(output)).cast_signed();
        let multiplier = word(packed, layout.multiplier(output));
        let [max_bias, max_multiplier, max_output_weight] = match output < outputs {
            true => [MAX_BIAS.unsigned_abs(), MAX_MULTIPLIER, 127],
            false => [0; 3],
        };
        bias.unsigned_abs() <= max_bias
            && multiplier <= max_multiplier
            && (0..layout.inputs()).all(|input| {
                let max_weight = if input < inputs { max_output_weight } else { 0 };
                let u = layout.read(packed, [output, input]);
                let kernel = layout.restore(&u);
                let weights = kernel.as_flattened();
                weights.iter().all(|weight| weight.unsigned_abs() <= max_weight)
                    && layout.transform(&kernel) == u
            })
    })
}

/// The inverse of [`pack`], into slices of the lengths that `conv` tells.
pub(crate) fn unpack(
    stage: Stage,
    conv: &Conv<'_>,
    weights: &mut [i8],
    biases: &mut [i32],
    multipliers: &mut [u32],
) {
    let layout = Layout::new(stage, conv.inputs);
    for (output, (bias, multiplier)) in biases.iter_mut().zip(multipliers).enumerate() {
        *bias = word(conv.packed, layout.bias(output)).cast_signed();
        *multiplier = word(conv.packed, layout.multiplier(output));
    }
    for (index, weights) in weights.as_chunks_mut::<9>().0.iter_mut().enumerate() {
        let inputs = conv.inputs.max(1);
        let kernel = layout.restore(&layout.read(conv.packed, [index / inputs, index % inputs]));
        weights.iter_mut().zip(kernel.as_flattened()).for_each(|(w, k)| *w = *k as i8);
    }
}
