//! F(3x3, 3x3).

use super::products::{self, Sums, dot, exact, pairs};
use super::{NINTH, PLAIN_ELEMENTS};
use crate::chunks::chunks;

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
    let blocks = out.len() / 9;
    for (index, block) in products::blocks(packed, v).enumerate().take(blocks) {
        let mut sums = [[Sums::default(); 3]; 3];
        let rows = chunks(block.elements, 5 * pairs).zip(chunks(v, 5 * pairs));
        for (y, (u, v)) in rows.enumerate() {
            let mut products = chunks(u, pairs).zip(chunks(v, pairs)).map(|(u, v)| dot(v, u));
            let mut next = || products.next().unwrap_or_default();
            let row = combine([next(), next(), next(), next(), next()]);
            accumulate(&mut sums, row, y);
        }
        let pixels = out.get_mut(index..).unwrap_or_default().iter_mut().step_by(blocks.max(1));
        for (out, sums) in pixels.zip(sums.as_flattened()) {
            let mut quarters = block.biases;
            for (a, sum) in quarters.iter_mut().zip(sums) {
                *a = a.wrapping_add(sum.wrapping_mul(NINTH.cast_signed()));
            }
            *out = products::activations(quarters, &block.multipliers);
        }
    }
}

/// A^T times a vector.
#[inline(always)]
fn combine([a, b, c, d, e]: [Sums; 5]) -> [Sums; 3] {
    let lane = |sums: &Sums, i: usize| sums.get(i).copied().unwrap_or_default();
    let mut out = [Sums::default(); 3];
    let [p, q, r] = &mut out;
    for (i, ((p, q), r)) in p.iter_mut().zip(q).zip(r).enumerate() {
        let [a, b, c, d, e] = [&a, &b, &c, &d, &e].map(|sums| lane(sums, i));
        let sum = b.wrapping_add(c);
        *p = a.wrapping_add(sum).wrapping_add(d);
        *q = b.wrapping_sub(c).wrapping_add(d.wrapping_mul(2));
        *r = sum.wrapping_add(d.wrapping_mul(4)).wrapping_add(e);
    }
    out
}

/// Adds a row of products, already combined along the row, to each row of
/// outputs with its factor in A^T.
#[inline(always)]
fn accumulate(sums: &mut [[Sums; 3]; 3], row: [Sums; 3], y: usize) {
    const FACTORS: [[i32; 3]; 5] = [[1, 0, 0], [1, 1, 1], [1, -1, 1], [1, 2, 4], [0, 0, 1]];
    let factors = FACTORS.get(y).copied().unwrap_or_default();
    for (sums, factor) in sums.iter_mut().zip(factors) {
        for (sum, value) in sums.as_flattened_mut().iter_mut().zip(row.as_flattened()) {
            *sum = sum.wrapping_add(value.wrapping_mul(factor));
        }
    }
}
