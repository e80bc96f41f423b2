//! F(3x3, 3x3).

use super::products::{Sums, blocks, exact, lane, pairs, products};
use super::{NINTH, PLAIN_ELEMENTS};
use crate::forward::int8::requantize;

/// V of 5x5 pixels of activations: five rows, for each of `v.len() / 50` words
/// of a pixel. Pixels that the rows do not hold are 0.
#[inline(never)]
pub(crate) fn tile(rows: [&[u32]; 5], v: &mut [u32]) {
    let quads = v.len() / (2 * PLAIN_ELEMENTS);
    for quad in 0..quads {
        let columns = [0, 1, 2, 3, 4].map(|x| {
            let column = rows.map(|row| row.get(x * quads + quad).copied().unwrap_or_default());
            let [even, odd] = [0, 1].map(|i| {
                column.map(|word| {
                    let [even, odd] = pairs(word);
                    if i == 0 { even } else { odd }
                })
            });
            [filter(even), filter(odd)]
        });
        for y in 0..5 {
            for i in 0..2 {
                let row = columns.map(|column| {
                    let column = column.get(i).copied().unwrap_or_default();
                    column.get(y).copied().unwrap_or_default()
                });
                for (x, value) in filter(row).into_iter().enumerate() {
                    if let Some(v) = v.get_mut(((y * 5 + x) * quads + quad) * 2 + i) {
                        *v = exact(value);
                    }
                }
            }
        }
    }
}

/// B^T times a vector.
#[inline(always)]
fn filter([a, b, c, d, e]: [u32; 5]) -> [u32; 5] {
    let twice = |x: u32| x.wrapping_add(x);
    // d - b and d - c.
    let (p, q) = (d.wrapping_sub(b), d.wrapping_sub(c));
    [
        twice(a.wrapping_sub(c)).wrapping_add(p),
        q.wrapping_sub(twice(b)),
        q.wrapping_add(twice(b.wrapping_sub(c))),
        p,
        e.wrapping_sub(c).wrapping_sub(twice(p)),
    ]
}

/// Activations of 3x3 pixels, row by row; for each a word for each block of
/// packed parameters.
#[inline(never)]
pub(crate) fn outputs(packed: &[u32], v: &[u32], out: &mut [u32]) {
    let pairs = v.len() / PLAIN_ELEMENTS;
    let count = out.len() / 9;
    for (index, block) in blocks(packed, v).enumerate().take(count) {
        let mut sums = [Sums::default(); PLAIN_ELEMENTS];
        products(v, block.elements, pairs, &mut sums);
        // Each output's byte comes in at the top of a word.
        for (output, (bias, multiplier)) in block.parameters().enumerate() {
            let convolved = convolution(&sums, output);
            let words = out.get_mut(index..).unwrap_or_default().iter_mut().step_by(count.max(1));
            for (word, sum) in words.zip(convolved.as_flattened()) {
                let sum = bias.wrapping_add(sum.wrapping_mul(NINTH.cast_signed()));
                *word = *word >> 8 | requantize(sum, multiplier) << 24;
            }
        }
    }
}

/// A^T M A for M the sums of an output.
#[inline(always)]
fn convolution(sums: &[Sums; PLAIN_ELEMENTS], output: usize) -> [[i32; 3]; 3] {
    let mut columns = [[0; 3]; 5];
    for (x, column) in columns.iter_mut().enumerate() {
        let sum = |y: usize| sums.get(5 * y + x).map(|s| lane(s, output)).unwrap_or_default();
        *column = combine([sum(0), sum(1), sum(2), sum(3), sum(4)]);
    }
    let row = |y: usize| combine(columns.each_ref().map(|c| c.get(y).copied().unwrap_or_default()));
    [row(0), row(1), row(2)]
}

/// A^T times a vector.
#[inline(always)]
fn combine([a, b, c, d, e]: [i32; 5]) -> [i32; 3] {
    let sum = b.wrapping_add(c);
    [
        a.wrapping_add(sum).wrapping_add(d),
        b.wrapping_sub(c).wrapping_add(d.wrapping_mul(2)),
        sum.wrapping_add(d.wrapping_mul(4)).wrapping_add(e),
    ]
}
