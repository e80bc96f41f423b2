//! Searches galleries of integer codes of many lengths, and compares every
//! distance with plain loops over the bytes and bits.
#![no_std]
#![no_main]

use lookalike::{Binary, Code, Embedding, Gallery, Matches, Projected, U8};
use lookalike_firmware::board;
use semihosting::println;

/// Items of a gallery: an odd number, as kernels take two at a time.
const ITEMS: usize = 5;

/// splitmix32
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9);
        let mut z = self.0;
        z = (z ^ (z >> 16)).wrapping_mul(0x21F0_AAAD);
        z = (z ^ (z >> 15)).wrapping_mul(0x735A_2D97);
        z ^ (z >> 15)
    }
}

/// floor(2^bits / sqrt(squares)), bit by bit.
fn inverse_root(squares: u32, bits: u32) -> u32 {
    (0..32).rev().map(|bit| 1u32 << bit).fold(0, |root, bit| {
        let candidate = u128::from(root | bit);
        let fits = candidate * candidate * u128::from(squares) <= 1 << (2 * bits);
        if fits { root | bit } else { root }
    })
}

/// A code, its random words, and a distance in units of 2^-22.
trait Sample: Code<Word = u32> {
    fn fill(random: &mut Random, words: &mut [u32]);

    fn units(x: &[u32], y: &[u32]) -> i64;
}

fn dot(x: &[u32], y: &[u32], value: fn(u8) -> i64) -> i64 {
    let [x, y] = [x, y].map(bytemuck::cast_slice::<u32, u8>);
    x.iter().zip(y).map(|(x, y)| value(*x) * value(*y)).sum()
}

fn signed(byte: u8) -> i64 {
    i64::from(byte.cast_signed())
}

/// Cosine 0, less the cosine.
fn cosine_units(dot: i64, x: u32, y: u32, shift: u32) -> i64 {
    let product = i128::from(dot.abs()) * i128::from(x) * i128::from(y);
    let cosine = (product + (1 << (shift - 1))) >> shift;
    (1 << 23) - dot.signum() * cosine as i64
}

impl Sample for U8 {
    fn fill(random: &mut Random, words: &mut [u32]) {
        let Some((inverse_norm, values)) = words.split_first_mut() else { return };
        values.iter_mut().for_each(|word| *word = random.next());
        if let Some(word) = values.first_mut() {
            *word |= 0xFF00;
        }
        let squares = dot(values, values, i64::from) as u32;
        *inverse_norm = if squares == 0 { 0 } else { inverse_root(squares, 39) };
    }

    fn units(x: &[u32], y: &[u32]) -> i64 {
        let ([r, x @ ..], [s, y @ ..]) = (x, y) else { return -1 };
        cosine_units(dot(x, y, i64::from), *r, *s, 55)
    }
}

impl Sample for Projected {
    fn fill(random: &mut Random, words: &mut [u32]) {
        let Some((inverse_norm, values)) = words.split_first_mut() else { return };
        for byte in bytemuck::cast_slice_mut::<u32, u8>(values) {
            // -128 is no value.
            *byte = match random.next() as u8 {
                0x80 => 0x81,
                value => value,
            };
        }
        if let Some(word) = values.first_mut() {
            *word = *word & !0xFF | 0x81;
        }
        let squares = dot(values, values, signed) as u32;
        *inverse_norm = if squares == 0 { 0 } else { inverse_root(squares, 38) };
    }

    fn units(x: &[u32], y: &[u32]) -> i64 {
        let ([r, x @ ..], [s, y @ ..]) = (x, y) else { return -1 };
        cosine_units(dot(x, y, signed), *r, *s, 53)
    }
}

impl Sample for Binary {
    fn fill(random: &mut Random, words: &mut [u32]) {
        words.iter_mut().for_each(|word| *word = random.next());
    }

    fn units(x: &[u32], y: &[u32]) -> i64 {
        let bits = |word: u32| (0..32).filter(|bit| word >> bit & 1 == 1).count();
        let different: usize = x.iter().zip(y).map(|(x, y)| bits(x ^ y)).sum();
        different as i64 * ((1 << 19) / x.len() as i64)
    }
}

/// Distances compared, and those that differ.
#[derive(Default)]
struct Counts {
    compared: u32,
    wrong: u32,
}

fn check<C: Sample, const D: usize>(random: &mut Random, counts: &mut Counts) {
    let mut gallery = Gallery::<'_, ITEMS, D, C>::empty();
    let mut items = [[0; D]; ITEMS];
    for words in &mut items {
        C::fill(random, words);
        let enrolled = Embedding::from_slice(words)
            .ok()
            .and_then(|embedding| gallery.enrol("", &embedding).ok());
        counts.wrong += u32::from(enrolled.is_none());
    }
    let mut query = [0; D];
    C::fill(random, &mut query);
    let Ok(embedding) = Embedding::<C>::from_slice(&query) else {
        counts.wrong += 1;
        return;
    };
    let matches: Matches<ITEMS> = gallery.search(&embedding);
    counts.wrong += u32::from(matches.len() != ITEMS);
    for found in &matches {
        let units = items.get(found.id as usize).map_or(-1, |words| C::units(&query, words));
        counts.compared += 1;
        counts.wrong += u32::from((found.distance * 4_194_304.0) as i64 != units);
    }
}

/// Embeddings of these numbers of words, in every code.
macro_rules! check_lengths {
    ($random:expr, $counts:expr, $($words:literal)*) => {
        $(
            check::<U8, $words>($random, $counts);
            check::<Projected, $words>($random, $counts);
            check::<Binary, $words>($random, $counts);
        )*
    };
}

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    let (mut random, mut counts) = (Random(1), Counts::default());
    for _ in 0..20 {
        check_lengths!(&mut random, &mut counts, 1 2 3 4 5 6 7 8 9 10 13 16 17 18 19 33 65);
    }
    let Counts { compared, wrong } = counts;
    println!("{}: {compared} distances, {wrong} are not those of plain loops", board::NAME);
    board::exit(i32::from(wrong != 0 || compared == 0))
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    board::exit(101)
}
