//! Every code against its definition, in wide integers and in f64.

use lookalike::few_shot::nearest_item;
use lookalike::gallery::Item;
use lookalike::{Binary, Code, CodeError, Coder, Embedding, EmbeddingError, F32, Projected};
use lookalike::{Prototypes, TwoStage, U8};
use proptest::collection::vec;
use proptest::prelude::*;

/// Words of values, 4 a word.
fn pack(values: &[u8]) -> Vec<u32> {
    values
        .chunks(4)
        .map(|values| (0..).zip(values).map(|(i, &value)| u32::from(value) << (8 * i)).sum())
        .collect()
}

fn dot(x: &[i32], y: &[i32]) -> i64 {
    x.iter().zip(y).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum()
}

/// floor(2^bits / norm), found by trying.
fn inverse_norm(squares: i64, bits: u32) -> u32 {
    if squares == 0 {
        return 0;
    }
    let squares = u128::try_from(squares).unwrap();
    let mut root = (2f64.powi(bits as i32) / (squares as f64).sqrt()) as u128 + 2;
    while root * root * squares > 1 << (2 * bits) {
        root -= 1;
    }
    u32::try_from(root).unwrap()
}

fn code_u8(values: &[u8]) -> Vec<u32> {
    let wide: Vec<i32> = values.iter().map(|&value| i32::from(value)).collect();
    [vec![inverse_norm(dot(&wide, &wide), 39)], pack(values)].concat()
}

/// Values whose largest is 255, or all 0.
fn values() -> impl Strategy<Value = Vec<u8>> {
    let any = vec(any::<u8>(), 1..300);
    let few = vec(prop::sample::select(vec![0u8, 0, 0, 1, 254, 255]), 1..300);
    prop_oneof![any, few].prop_map(|mut values| {
        if values.iter().any(|&value| value != 0) {
            let largest = (0..values.len()).max_by_key(|&i| values[i]).unwrap();
            values[largest] = 255;
        }
        values
    })
}

/// Parameters of a coder, and values that it codes.
#[derive(Clone, Debug)]
struct Case {
    values: Vec<u8>,
    thresholds: Vec<u16>,
    weights: Vec<i8>,
    offsets: Vec<i32>,
}

fn case() -> impl Strategy<Value = Case> {
    (values(), 1..20usize).prop_flat_map(|(values, outputs)| {
        let n = values.len();
        let thresholds = vec(prop_oneof![any::<u16>(), 0..9000u16], n);
        let weights = vec(prop_oneof![-127..=127i8, Just(127i8)], n * outputs);
        let offset = prop_oneof![-(1 << 30)..=1 << 30, -40_000..40_000, Just(0)];
        let offsets = vec(offset, outputs);
        (Just(values), thresholds, weights, offsets).prop_map(
            |(values, thresholds, weights, offsets)| Case { values, thresholds, weights, offsets },
        )
    })
}

impl Case {
    fn coder(&self) -> Coder<'_> {
        Coder::new(self.values.len(), &self.thresholds, &self.weights, &self.offsets).unwrap()
    }

    fn wide(&self) -> Vec<i32> {
        self.values.iter().map(|&value| i32::from(value)).collect()
    }

    /// The projected values as the documentation defines them.
    fn projected(&self) -> Vec<i8> {
        let x = self.wide();
        let r = i128::from(inverse_norm(dot(&x, &x), 39));
        let y: Vec<i128> = self
            .weights
            .chunks(x.len())
            .zip(&self.offsets)
            .map(|(row, &offset)| {
                let row: Vec<i32> = row.iter().map(|&w| i32::from(w)).collect();
                (i128::from(dot(&row, &x)) * r).div_euclid(1 << 24) - i128::from(offset)
            })
            .collect();
        let largest = y.iter().map(|y| y.abs()).max().unwrap();
        assert!(largest < 1 << 31);
        if r == 0 || largest == 0 {
            return vec![0; y.len()];
        }
        let h = (0..).find(|h| largest >> h < 1 << 16).unwrap();
        let factor = (127 << 24) / (largest >> h);
        let value = |y: i128| y.signum() * (((y.abs() >> h) * factor + (1 << 23)) >> 24);
        y.into_iter().map(|y| i8::try_from(value(y)).unwrap()).collect()
    }
}

proptest! {
    #[test]
    fn projections_are_as_defined(case in case()) {
        let words = code_u8(&case.values);
        let embedding = Embedding::<U8>::from_slice(&words).unwrap();
        let expected = case.projected();
        let wide: Vec<i32> = expected.iter().map(|&value| i32::from(value)).collect();
        let bytes: Vec<u8> = expected.iter().map(|value| value.cast_unsigned()).collect();
        let norm = inverse_norm(dot(&wide, &wide), 38);

        let mut found = vec![u32::MAX; Projected::words(case.offsets.len())];
        let code = case.coder().project(&embedding, &mut found).unwrap();
        prop_assert_eq!(code.as_slice(), [vec![norm], pack(&bytes)].concat());
        prop_assert_eq!(Embedding::<Projected>::from_slice(code.as_slice()), Ok(code));
    }

    #[test]
    fn bits_are_as_defined(case in case()) {
        let words = code_u8(&case.values);
        let embedding = Embedding::<U8>::from_slice(&words).unwrap();
        let r = u64::from(words[0] >> 8);
        let bits: Vec<bool> = case
            .values
            .iter()
            .zip(&case.thresholds)
            .map(|(&x, &t)| u64::from(x) * r > u64::from(t) << 15)
            .collect();
        let expected: Vec<u32> = bits
            .chunks(32)
            .map(|bits| (0..).zip(bits).map(|(i, &bit)| u32::from(bit) << i).sum())
            .collect();
        // In f64, where the two sides are well apart.
        let norm = case.values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        for ((&x, &t), &bit) in case.values.iter().zip(&case.thresholds).zip(&bits) {
            let over = f64::from(x) / norm.max(1.0) - f64::from(t) / 65536.0;
            prop_assert!(bit == (over > 0.0) || over.abs() < 1e-5);
        }

        let mut found = vec![u32::MAX; Binary::words(case.values.len())];
        let code = case.coder().binarize(&embedding, &mut found).unwrap();
        prop_assert_eq!(code.as_slice(), &expected);

        let mut both = vec![u32::MAX; TwoStage::words(case.values.len())];
        let code = case.coder().two_stage(&embedding, &mut both).unwrap();
        prop_assert_eq!(code.as_slice(), [expected, words.clone()].concat());
        prop_assert_eq!(Embedding::<TwoStage>::from_slice(code.as_slice()), Ok(code));
    }

    #[test]
    fn bits_of_a_projection_are_as_defined(case in case()) {
        let words = code_u8(&case.values);
        let embedding = Embedding::<U8>::from_slice(&words).unwrap();
        let (values, bits) = (case.projected(), case.values.len());
        let size = values.len().next_power_of_two();
        let mut random = 1u64;
        let signs: Vec<i32> = (0..bits + size)
            .map(|_| {
                random = (random * 1_664_525 + 1_013_904_223) % (1 << 32);
                if random < 1 << 31 { 1 } else { -1 }
            })
            .collect();
        let mut expected = vec![0u32; Binary::words(bits)];
        for bit in 0..bits {
            let (block, i) = (bit / size, bit % size);
            let terms = values.iter().enumerate().map(|(j, &value)| {
                let parity = if (i & j).count_ones() % 2 == 0 { 1 } else { -1 };
                parity * signs[block * size + j] * i32::from(value)
            });
            expected[bit / 32] |= u32::from(terms.sum::<i32>() > 0) << (bit % 32);
        }

        let coder = Coder::new(bits, &[], &case.weights, &case.offsets).unwrap();
        let mut found = vec![u32::MAX; Binary::words(bits)];
        let code = coder.binarize(&embedding, &mut found).unwrap();
        prop_assert_eq!(code.as_slice(), &expected);
        let mut both = vec![u32::MAX; TwoStage::words(bits)];
        let code = coder.two_stage(&embedding, &mut both).unwrap();
        prop_assert_eq!(code.as_slice(), [expected, words.clone()].concat());
    }

    #[test]
    fn encoding_floats_keeps_their_direction(values in vec(0f32..1.0, 1..100)) {
        let mut floats = values.clone();
        let floats = Embedding::normalize(&mut floats).unwrap();
        let mut words = vec![u32::MAX; U8::words(values.len())];
        let code = U8::encode(&floats, &mut words).unwrap();
        prop_assert_eq!(Embedding::<U8>::from_slice(code.as_slice()), Ok(code));
        let largest = values.iter().copied().fold(0.0, f32::max);
        if largest > 0.0 {
            for (found, &value) in bytemuck::cast_slice::<u32, u8>(&code.as_slice()[1..]).iter().zip(&values) {
                prop_assert!((f32::from(*found) - value / largest * 255.0).abs() < 0.501);
            }
        }
        let back: Vec<f32> = code.values().collect();
        let cosine: f32 = back.iter().zip(floats.as_slice()).map(|(x, y)| x * y).sum();
        prop_assert!(largest == 0.0 || cosine > 0.9999);
    }
}

/// The distance of two embeddings, both ways round.
fn distance<C: Code<Word = u32>>(x: &[u32], y: &[u32]) -> f64 {
    let found = [(x, y), (y, x)].map(|(query, item)| {
        let query = Embedding::<C>::from_slice(query).unwrap();
        let item = Item { id: 1, label: "", embedding: item };
        f64::from(nearest_item([item], &query).unwrap().distance)
    });
    assert_eq!(found[0], found[1]);
    found[0]
}

/// 2 - 2 cos from values, with the code's inverse norms in integers and from
/// the values themselves in f64.
fn check_cosine<C: Code<Word = u32>>(x: [&[u32]; 2], values: [Vec<i32>; 2], bits: u32) {
    let [a, b] = &values;
    let product = i128::from(dot(a, b));
    let scaled = product.abs() * i128::from(x[0][0]) * i128::from(x[1][0]);
    let shift = 2 * bits - 23;
    let units = (1 << 23) - product.signum() * ((scaled + (1 << (shift - 1))) >> shift);
    let found = distance::<C>(x[0], x[1]);
    assert_eq!(found, units as f64 / f64::from(1 << 22));

    let norms = (dot(a, a) as f64 * dot(b, b) as f64).sqrt();
    let cosine = if norms == 0.0 { 0.0 } else { product as f64 / norms };
    assert!((found - (2.0 - 2.0 * cosine)).abs() < 4e-7, "{found}, cosine {cosine}");
    assert!((0.0..=4.0).contains(&found));
}

proptest! {
    #[test]
    fn u8_distances_are_as_defined(x in values(), y in values(), same: bool) {
        let len = x.len().min(y.len());
        let [mut x, mut y] = [x[..len].to_vec(), y[..len].to_vec()];
        for values in [&mut x, &mut y] {
            if values.iter().any(|&value| value != 0) {
                values[len / 2] = 255;
            }
        }
        let y = if same { x.clone() } else { y };
        let words = [&x, &y].map(|values| code_u8(values));
        let wide = [x, y].map(|values| values.into_iter().map(i32::from).collect());
        check_cosine::<U8>([&words[0], &words[1]], wide, 39);
    }

    #[test]
    fn projected_distances_are_as_defined(
        pairs in vec((-127..=127i8, prop_oneof![-127..=127i8, Just(-127i8)]), 1..257),
        zero in 0..8,
        same: bool,
    ) {
        let (mut x, mut y): (Vec<i8>, Vec<i8>) = pairs.into_iter().unzip();
        x[0] = 127;
        y[0] = -127;
        if zero == 0 {
            x.fill(0);
        }
        let y = if same { x.clone() } else { y };
        let wide = [x, y].map(|values| values.into_iter().map(i32::from).collect::<Vec<i32>>());
        let words = [&wide[0], &wide[1]].map(|values| {
            let bytes: Vec<u8> = values.iter().map(|&value| value as u8).collect();
            [vec![inverse_norm(dot(values, values), 38)], pack(&bytes)].concat()
        });
        check_cosine::<Projected>([&words[0], &words[1]], wide, 38);
    }

    #[test]
    fn binary_distances_are_those_of_signs(pairs in vec(any::<(u32, u32)>(), 1..40)) {
        let (x, y): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
        let found = distance::<Binary>(&x, &y);
        let values = [&x, &y].map(|words| {
            let embedding = Embedding::<Binary>::from_slice(words).unwrap();
            embedding.values().map(f64::from).collect::<Vec<f64>>()
        });
        let squared: f64 = values[0].iter().zip(&values[1]).map(|(x, y)| (x - y).powi(2)).sum();
        prop_assert!((found - squared).abs() < 8e-6 * x.len() as f64 + 1e-5);
        let bits: u32 = x.iter().zip(&y).map(|(x, y)| (x ^ y).count_ones()).sum();
        let unit = (1u32 << 19) / x.len() as u32;
        prop_assert_eq!(found, f64::from(bits * unit) / f64::from(1 << 22));
    }

    #[test]
    fn prototypes_take_the_values_of_any_code(
        shots in vec([0..=255u8, 0..=255u8, 0..=255u8], 1..6),
        query in [0..=255u8, 0..=255u8, 0..=255u8],
    ) {
        let code = |values: [u8; 3]| code_u8(&[values[0], values[1], values[2], 0, 255]);
        let (mut coded, mut plain) = (Prototypes::<2, 5>::new(), Prototypes::<2, 5>::new());
        for (id, shot) in (0..).zip(&shots) {
            let words = code(*shot);
            let label = if id % 2 == 0 { "even" } else { "odd" };
            coded.add(&Item::<U8> { id, label, embedding: &words }).unwrap();
            let values: Vec<f32> = Embedding::<U8>::from_slice(&words).unwrap().values().collect();
            plain.add(&Item::<F32> { id, label, embedding: &values[..5] }).unwrap();
        }
        let words = code(query);
        let query = Embedding::<U8>::from_slice(&words).unwrap();
        let values: Vec<f32> = query.values().collect();
        // The last word has room for 8 values.
        prop_assert_eq!(values.len(), 8);
        prop_assert!((values.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
        let values = Embedding::<F32>::from_slice(&values[..5]).unwrap();
        prop_assert_eq!(coded.nearest(&query), plain.nearest(&values));
        prop_assert!(coded.nearest(&values) == plain.nearest(&query));
    }
}

#[test]
fn extreme_embeddings_have_a_distance() {
    for len in [1, 2, 3, 4, 5, 31, 33, 255, 257, 512 * 8 * 8] {
        let full = vec![255; len];
        let mut one = vec![0; len];
        one[len - 1] = 255;
        let mut ramp: Vec<u8> = (0..len).map(|i| i as u8).collect();
        ramp[0] = 255;
        let zero = vec![0; len];
        for x in [&full, &one, &ramp, &zero] {
            for y in [&full, &one, &ramp, &zero] {
                let words = [x, y].map(|values| code_u8(values));
                let wide = [x, y].map(|values| values.iter().copied().map(i32::from).collect());
                check_cosine::<U8>([&words[0], &words[1]], wide, 39);
            }
        }
        let zero = code_u8(&zero);
        assert_eq!(distance::<U8>(&zero, &zero), 2.0);
        let full = code_u8(&full);
        let itself = distance::<U8>(&full, &full);
        assert!(itself == 0.0 || (len > 4000 && itself <= 2f64.powi(-22)));
    }
}

#[test]
fn floats_of_any_size_are_coded() {
    for (floats, bytes) in [
        ([0.0, 0.0], [0, 0]),
        ([1.0, -1e-3], [255, 0]),
        ([-1.0, 0.0], [0, 0]),
        ([1e-31, 1e-33], [0, 0]),
        ([1e-20, 1e-20], [255, 255]),
        ([0.5, 0.001], [255, 1]),
    ] {
        let mut words = [u32::MAX; 2];
        U8::encode(&Embedding::from_slice(&floats).unwrap(), &mut words).unwrap();
        assert_eq!(words.as_slice(), code_u8(&bytes), "{floats:?}");
    }
    let floats = [1.0, 0.0];
    let floats = Embedding::from_slice(&floats).unwrap();
    let error = U8::encode(&floats, &mut [0; 3]).unwrap_err();
    assert_eq!(error, CodeError::Words { needed: 2, found: 3 });
}

#[test]
fn a_zero_embedding_has_a_zero_projection() {
    let coder = Coder::new(2, &[0, 0], &[1, 2], &[-5]).unwrap();
    let words = [0; 2];
    let embedding = Embedding::<U8>::from_slice(&words).unwrap();
    let mut code = [u32::MAX; 2];
    assert_eq!(coder.project(&embedding, &mut code).unwrap().as_slice(), [0; 2]);
    let mut bits = [u32::MAX];
    assert_eq!(coder.binarize(&embedding, &mut bits).unwrap().as_slice(), [0]);
    assert!(embedding.values().all(|value| value == 0.0));
}

#[test]
fn the_largest_projection_does_not_overflow() {
    // As many values as the family's largest network has, all at their largest.
    let dimension = 512 * 8 * 8;
    let words = code_u8(&vec![255; dimension]);
    let embedding = Embedding::<U8>::from_slice(&words).unwrap();
    let weights = [vec![127; dimension], vec![-127; dimension]].concat();
    let offsets = [-(1 << 30), 1 << 30];
    let coder = Coder::new(dimension, &[], &weights, &offsets).unwrap();
    let mut code = [0; 2];
    coder.project(&embedding, &mut code).unwrap();
    // Equal but for the rounding down.
    assert_eq!(code[1].to_le_bytes(), [127, 0x81, 0, 0]);
}

#[test]
fn impossible_coders_are_refused() {
    let error = |thresholds: &[u16], weights: &[i8], offsets: &[i32]| {
        Coder::new(2, thresholds, weights, offsets).err()
    };
    assert_eq!(error(&[], &[], &[]), None);
    assert_eq!(error(&[1, 2], &[3, -127], &[1 << 30]), None);
    assert_eq!(error(&[1], &[], &[]), Some(CodeError::Thresholds));
    assert_eq!(error(&[1, 2, 3], &[], &[]), Some(CodeError::Thresholds));
    assert_eq!(error(&[], &[1], &[1]), Some(CodeError::Projection));
    assert_eq!(error(&[], &[1, 2], &[]), Some(CodeError::Projection));
    assert_eq!(error(&[], &[1, -128], &[1]), Some(CodeError::Projection));
    assert_eq!(error(&[], &[1, 2], &[(1 << 30) + 1]), Some(CodeError::Projection));
    assert_eq!(error(&[], &[1, 2], &[i32::MIN]), Some(CodeError::Projection));
    assert_eq!(error(&[], &[1; 514], &[0; 257]), Some(CodeError::Projection));
    assert_eq!(error(&[], &[1; 512], &[0; 256]), None);
}

#[test]
fn what_does_not_fit_a_coder_is_refused() {
    let words = code_u8(&[255; 8]);
    let embedding = Embedding::<U8>::from_slice(&words).unwrap();
    let empty = Coder::new(8, &[], &[], &[]).unwrap();
    assert_eq!(empty.binarize(&embedding, &mut [0]).unwrap_err(), CodeError::NoThresholds);
    assert_eq!(empty.project(&embedding, &mut [0]).unwrap_err(), CodeError::NoProjection);
    assert_eq!(empty.two_stage(&embedding, &mut [0; 4]).unwrap_err(), CodeError::NoThresholds);

    let shorter = Coder::new(4, &[0; 4], &[1; 4], &[0]).unwrap();
    let error = CodeError::Embedding { expected: 2, found: 3 };
    assert_eq!(shorter.binarize(&embedding, &mut [0]).unwrap_err(), error);
    assert_eq!(shorter.project(&embedding, &mut [0; 2]).unwrap_err(), error);
    assert_eq!(shorter.two_stage(&embedding, &mut [0; 3]).unwrap_err(), error);

    let coder = Coder::new(8, &[0; 8], &[1; 8], &[0]).unwrap();
    for (error, needed) in [
        (coder.binarize(&embedding, &mut [0; 9]).unwrap_err(), 1),
        (coder.project(&embedding, &mut [0; 9]).unwrap_err(), 2),
        (coder.two_stage(&embedding, &mut [0; 9]).unwrap_err(), 4),
    ] {
        assert_eq!(error, CodeError::Words { needed, found: 9 });
    }
}

fn refused<C: Code<Word = u32>>(words: &[u32]) -> bool {
    Embedding::<C>::from_slice(words) == Err(EmbeddingError::Code)
}

#[test]
fn words_that_no_coder_writes_are_refused() {
    let right = code_u8(&[255, 1, 2, 3, 4]);
    assert!(!refused::<U8>(&right));
    assert!(!refused::<U8>(&[0]) && !refused::<U8>(&[0, 0]) && refused::<U8>(&[]));
    for bit in 0..96 {
        let mut wrong = right.clone();
        wrong[bit / 32] ^= 1 << (bit % 32);
        // Another value may have the norm's inverse, but none here.
        assert!(refused::<U8>(&wrong), "bit {bit}");
    }
    // The inverse norm fits, but the largest value is not 255.
    assert!(refused::<U8>(&code_u8(&[254, 1])));
    assert!(refused::<U8>(&[0; 8194]) && !refused::<U8>(&[0; 8193]));
    assert!(refused::<U8>(&[1, 0]));

    let norm = inverse_norm(127 * 127 + 1, 38);
    assert!(!refused::<Projected>(&[norm, u32::from_le_bytes([0x81, 1, 0, 0])]));
    assert!(refused::<Projected>(&[norm + 1, u32::from_le_bytes([0x81, 1, 0, 0])]));
    assert!(refused::<Projected>(&[norm, u32::from_le_bytes([0x80, 1, 0, 0])]));
    assert!(refused::<Projected>(&[0; 66]) && !refused::<Projected>(&[0; 65]));
    assert!(refused::<Projected>(&[]));

    let two_stage = [vec![0], right.clone()].concat();
    assert!(!refused::<TwoStage>(&two_stage));
    assert!(refused::<TwoStage>(&right) && refused::<TwoStage>(&[]));
    let long = [vec![0; 2], code_u8(&[255; 36])].concat();
    assert!(!refused::<TwoStage>(&long) && refused::<TwoStage>(&long[1..]));
    // One word of bits for 8 of values: no embedding has 11 words.
    assert!(refused::<TwoStage>(&[0; 11]) && !refused::<TwoStage>(&[0; 10]));
    assert!(!refused::<Binary>(&[]) && !refused::<Binary>(&[7]));
    assert_eq!(Embedding::<F32>::from_slice(&[2.0]), Err(EmbeddingError::NotNormalized));
}
