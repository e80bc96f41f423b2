//! Writes what the host lends to the firmware on an emulator, more than a board
//! keeps in flash:
//!
//! ```text
//! cargo run --release -p lookalike-tests --example firmware_cases -- DIRECTORY
//! ```
//!
//! `identity.cases`: quantised models, images and the embeddings that the naive
//! oracle makes of them. 1,000 test images of MNIST through the reference network
//! of `firmware-example/assets/int8`, which the board has in both packings, and
//! noise through random networks, in both packings as well.
//! `firmware-example/src/cases.rs` describes the file.
//!
//! `two-stage.gallery`: the words of a gallery file of 10,000 images, before
//! them their number, after them the ids of the items nearest to the first image
//! of the model's self-test.
//!
//! `colour.model`, `colour.gallery`: a random network for colour images, packed
//! `fast`, with a self-test and an item in its gallery.

use std::path::Path;
use std::thread;

use anyhow::{Context, Result, ensure};
use lookalike::code::TwoStage;
use lookalike::gallery::{self, GalleryContents};
use lookalike::model::SelfTest;
use lookalike::{
    Code, Embedding, Gallery, GalleryFile, Int8, Matches, Model, Network, Packing, U8,
};
use lookalike_tests::int8_oracle;
use lookalike_tests::quantized::{Int8Case, PlainModel};
use lookalike_tests::random::SplitMix;
use lookalike_trainer::data::mnist;
use lookalike_trainer::files::AlignedBytes;

/// Images of the reference network.
const DIGITS: usize = 1000;
/// Random networks.
const NETWORKS: u64 = 40;
/// Images for each: all 0, all 255, one pixel, noise.
const IMAGES: usize = 5;
/// In the order in which the firmware has the reference network.
const PACKINGS: [Packing; 2] = [Packing::Compact, Packing::Fast];

/// Items of the large gallery.
const ITEMS: usize = 10_000;
/// Of them, those that are nearest to a query.
const NEAREST: usize = 5;

fn main() -> Result<()> {
    let directory = std::env::args().nth(1).context("usage: firmware_cases DIRECTORY")?;
    let write = |name: &str, words: &[u32]| {
        let path = Path::new(&directory).join(name);
        std::fs::write(&path, bytemuck::cast_slice(words))
            .with_context(|| format!("writing {}", path.display()))
    };
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-example/assets/int8");
    let bytes = AlignedBytes::read(assets.join("fast.model").as_path())?;
    let model = Model::<Int8>::from_bytes(&bytes)?;

    let mut words = digits(&model)?;
    for seed in 0..NETWORKS {
        words.extend(random(seed)?);
    }
    words.push(u32::from_le_bytes(*b"END."));
    write("identity.cases", &words)?;
    write("two-stage.gallery", &large_gallery(&model)?)?;
    let [model, gallery] = colour()?;
    write("colour.model", &model)?;
    write("colour.gallery", &gallery)
}

fn colour() -> Result<[Vec<u32>; 2]> {
    let network = Network::new([3, 32, 32], [8, 8, 8], 2, 0)?;
    let case = Int8Case::new(network, 4, 1);
    let image = &case.images[3];
    let embedding = int8_oracle::forward(&network, &case.convs(), image).code;
    let self_test = SelfTest { images: image, embeddings: &embedding };
    let words = case.file(Packing::Fast, self_test)?;
    let contents = GalleryContents::<U8> {
        fingerprint: Model::<Int8>::from_bytes(bytemuck::cast_slice(&words))?.fingerprint(),
        dimension: network.embedding_len(),
        names: "noise",
        labels: &[0],
        embeddings: &embedding,
    };
    Ok([words, gallery_words(&contents)?])
}

/// A gallery file.
fn gallery_words<C: Code>(contents: &GalleryContents<'_, C>) -> Result<Vec<u32>> {
    let mut file = vec![0u32; gallery::file_len(contents)?.div_ceil(4)];
    let len = gallery::write(contents, bytemuck::cast_slice_mut(&mut file))?;
    ensure!(len == 4 * file.len(), "a gallery of words is whole words");
    Ok(file)
}

fn large_gallery(model: &Model<'_, Int8>) -> Result<Vec<u32>> {
    const WORDS: usize = TwoStage::words(Network::REFERENCE.embedding_len());
    let coder = model.coder().context("the model has no coder")?;
    let mut workspace = vec![0; model.workspace_len()];
    let mut code = |image: &[u8]| -> Result<[u32; WORDS]> {
        let mut words = [0; WORDS];
        coder.two_stage(&model.embed(image, &mut workspace)?, &mut words)?;
        Ok(words)
    };
    let train = mnist::train();
    let mut embeddings = Vec::with_capacity(ITEMS * WORDS);
    for item in 0..ITEMS {
        embeddings.extend(code(train.image(item))?);
    }
    let names = train.class_names.join("\n");
    let contents = GalleryContents::<TwoStage> {
        fingerprint: model.fingerprint(),
        dimension: model.network().embedding_len(),
        names: &names,
        labels: &train.labels[..ITEMS],
        embeddings: &embeddings,
    };
    let file = gallery_words(&contents)?;
    let opened = GalleryFile::<TwoStage>::from_bytes(bytemuck::cast_slice(&file))?;
    let gallery: Gallery<'_, 0, WORDS, TwoStage> = Gallery::new(model, Some(opened))?;
    let images = model.self_test_contents().images;
    let query = code(images.get(..train.shape.len()).context("the model has no self-test")?)?;
    let found: Matches<NEAREST> = gallery.search(&Embedding::from_slice(&query)?);
    let ids = found.iter().map(|nearest| nearest.id);
    Ok([u32::try_from(file.len())?].into_iter().chain(file.iter().copied()).chain(ids).collect())
}

/// What stands before a case's images.
fn head(model_bytes: usize, index: usize, images: usize, pixels: usize, words: usize) -> Vec<u32> {
    let sizes = [model_bytes, index, images, pixels, words];
    let start = u32::from_le_bytes(*b"CASE");
    [start].into_iter().chain(sizes.map(|size| u32::try_from(size).expect("is small"))).collect()
}

/// Bytes as words, padded with zeros.
fn padded(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks(4).map(|chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_le_bytes(word)
    })
}

fn digits(model: &Model<'_, Int8>) -> Result<Vec<u32>> {
    let plain = PlainModel::new(model)?;
    let data = mnist::test();
    let numbers: Vec<usize> = (0..DIGITS).collect();
    // The oracle takes its time.
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let embed = |&number: &usize| {
        int8_oracle::forward(&plain.network, &plain.convs(), data.image(number)).code
    };
    let embed = &embed;
    let codes: Vec<Vec<u32>> = thread::scope(|scope| {
        let parts: Vec<_> = numbers
            .chunks(DIGITS.div_ceil(workers))
            .map(|part| scope.spawn(move || part.iter().map(embed).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().expect("does not panic")).collect()
    });
    let mut words = Vec::new();
    for index in 0..PACKINGS.len() {
        words.extend(head(0, index, DIGITS, data.shape.len(), codes[0].len()));
        for (&number, code) in numbers.iter().zip(&codes) {
            words.extend(padded(data.image(number)));
            words.extend(code);
        }
    }
    Ok(words)
}

/// A random network, small enough for a microcontroller, every third for the
/// smallest.
fn random(seed: u64) -> Result<Vec<u32>> {
    let mut random = SplitMix(seed);
    let most = if seed.is_multiple_of(3) { 6 } else { 24 };
    let mut below =
        |least: u16, most: u16| least + (random.next() % u64::from(most - least)) as u16;
    let input = [below(1, 5), below(18, 29), below(18, 29)];
    let widths = [below(1, most), below(1, most), below(1, most)];
    let network = Network::new(input, widths, below(1, 4), 0)?;
    let case = Int8Case::new(network, IMAGES, seed);
    let codes: Vec<Vec<u32>> = case
        .images
        .iter()
        .map(|image| int8_oracle::forward(&network, &case.convs(), image).code)
        .collect();
    let mut words = Vec::new();
    for packing in PACKINGS {
        let file = case.file(packing, SelfTest { images: &[], embeddings: &[] })?;
        words.extend(head(4 * file.len(), 0, IMAGES, network.input().len(), codes[0].len()));
        words.extend(&file);
        for (image, code) in case.images.iter().zip(&codes) {
            words.extend(padded(image));
            words.extend(code);
        }
    }
    Ok(words)
}
