//! What the integer network and integer searches take on a board: one line a
//! figure, which `scripts/firmware.sh` holds to `budgets.txt`.
#![no_std]
#![no_main]

use core::fmt::Display;

use lookalike::code::TwoStage;
use lookalike::model::Layer;
use lookalike::{Embedding, Gallery, GalleryFile, Int8, Matches, Model, Network, Packing, U8};
use lookalike_firmware::board::{self, Counter};
use lookalike_firmware::cases::Cases;
use lookalike_firmware::{assets, stack};
use semihosting::println;

const NETWORK: Network = assets::INT8_NETWORK;
const DIMENSION: usize = NETWORK.embedding_len();

/// The larger of both packings' workspaces.
const WORKSPACE: usize = {
    let compact = NETWORK.int8_workspace_len(Packing::Compact);
    let fast = NETWORK.int8_workspace_len(Packing::Fast);
    if compact > fast { compact } else { fast }
};

struct Memory {
    workspace: [u32; WORKSPACE],
    noise: [u8; NETWORK.input().len()],
}

static mut MEMORY: Memory = Memory { workspace: [0; WORKSPACE], noise: [0; NETWORK.input().len()] };

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    let memory = &raw mut MEMORY;
    // SAFETY: main runs once, and nothing else names the memory.
    let memory = unsafe { &mut *memory };
    let done = Counter::take().is_some_and(|mut counter| run(memory, &mut counter).is_some());
    board::exit(if done { 0 } else { 1 })
}

/// `None` after a failure, which has been printed.
fn run(memory: &mut Memory, counter: &mut Counter) -> Option<()> {
    let Memory { workspace, noise } = memory;
    fill_with_noise(noise);
    embed("compact", assets::INT8_COMPACT, noise, workspace, counter)?;
    embed("fast", assets::INT8_FAST, noise, workspace, counter)?;
    let model = shown(Model::<Int8>::from_bytes(assets::INT8_FAST))?;
    let embedding = shown(model.embed(first_image(&model)?, workspace))?;
    search(&model, &embedding, counter)?;
    // SAFETY: taken once.
    if let Some(memory) = unsafe { board::external_memory() } {
        search_many(&model, &embedding, memory, counter)?;
    }
    Some(())
}

/// Some kernels have less to do where pixels are equal or activations are 0: noise
/// leaves them the most. A linear congruential generator (Knuth, "The Art of
/// Computer Programming", volume 2, section 3.3.4).
fn fill_with_noise(pixels: &mut [u8]) {
    let mut state = 1u32;
    for pixel in pixels {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *pixel = (state >> 24) as u8;
    }
}

/// An image that the model file keeps for its self-test.
fn first_image<'a>(model: &Model<'a, Int8>) -> Option<&'a [u8]> {
    model.self_test_contents().images.get(..NETWORK.input().len())
}

/// The value; prints an error.
fn shown<T, E: Display>(result: Result<T, E>) -> Option<T> {
    result.inspect_err(|error| println!("failed: {error}")).ok()
}

/// Instructions of the layers, in all, for a digit and for noise; memory.
fn embed(
    name: &str,
    bytes: &[u8],
    noise: &[u8],
    workspace: &mut [u32],
    counter: &mut Counter,
) -> Option<()> {
    let model = shown(Model::<Int8>::from_bytes(bytes))?;
    let workspace = workspace.get_mut(..model.workspace_len())?;
    let image = first_image(&model)?;

    let (_, stack) = stack::measure(|| model.embed(image, workspace).map(drop));
    let (result, total) = counter.measure(|| model.embed(image, workspace).map(drop));
    shown(result)?;
    let (result, of_noise) = counter.measure(|| model.embed(noise, workspace).map(drop));
    shown(result)?;

    // Layers take turns, so each piece of work is counted by itself.
    let mut layers = [0u64; 5];
    let mut laps = counter.laps();
    let observed = model.embed_observed(image, workspace, |layer| {
        let index = match layer {
            Layer::Convolution1 => 0,
            Layer::Convolution2 => 1,
            Layer::Convolution3 => 2,
            Layer::Pooling => 3,
            Layer::Embedding => 4,
        };
        layers[index] += laps.lap();
    });
    shown(observed)?;
    println!("{name}-instructions {total}");
    println!("{name}-noise-instructions {of_noise}");
    for (layer, count) in ["conv1", "conv2", "conv3", "pooling", "code"].iter().zip(layers) {
        println!("{name}-{layer} {count}");
    }
    println!("{name}-workspace {}", size_of_val(workspace));
    println!("{name}-stack {stack}");
    println!("{name}-model-bytes {}", bytes.len());
    Some(())
}

/// 64 items in flash.
fn search(model: &Model<'_, Int8>, query: &Embedding<'_, U8>, counter: &mut Counter) -> Option<()> {
    const WORDS: usize = U8::words(DIMENSION);
    let file = shown(GalleryFile::<U8>::from_bytes(assets::GALLERY_64))?;
    let gallery: Gallery<'_, 0, WORDS, U8> = shown(Gallery::new(model, Some(file)))?;
    let search = || -> Matches<5> { gallery.search(query) };
    let (_, stack) = stack::measure(search);
    let (_, count) = counter.measure(search);
    println!("search-64-u8-instructions {count}");
    println!("search-64-u8-stack {stack}");
    Some(())
}

/// 10,000 items that the host lends, for more than a board's flash: a gallery
/// file's words, then the ids that the desktop finds.
fn search_many(
    model: &Model<'_, Int8>,
    embedding: &Embedding<'_, U8>,
    memory: &mut [u32],
    counter: &mut Counter,
) -> Option<()> {
    const WORDS: usize = TwoStage::words(DIMENSION);
    const NEAREST: usize = 5;
    let mut cases = shown(Cases::open(c"two-stage.gallery"))?;
    let mut words = [0];
    shown(cases.read(&mut words))?;
    let bytes = memory.get_mut(..words[0] as usize)?;
    shown(cases.read(bytes))?;
    let mut expected = [0; NEAREST];
    shown(cases.read(&mut expected))?;

    let file = shown(GalleryFile::<TwoStage>::from_bytes(bytemuck::cast_slice(bytes)))?;
    let gallery: Gallery<'_, 0, WORDS, TwoStage> = shown(Gallery::new(model, Some(file)))?;
    let coder = model.coder().or_else(|| {
        println!("failed: the model has no coder");
        None
    })?;
    let mut words = [0; WORDS];
    let query = shown(coder.two_stage(embedding, &mut words))?;
    let search = || -> Matches<NEAREST> { gallery.search(&query) };
    let (_, stack) = stack::measure(search);
    let (found, count) = counter.measure(search);
    if !found.iter().map(|nearest| nearest.id).eq(expected) {
        println!("failed: the nearest of {} items are not the desktop's", gallery.len());
        return None;
    }
    println!("search-{}-two-stage-instructions {count}", gallery.len());
    println!("search-{}-two-stage-stack {stack}", gallery.len());
    Some(())
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    board::exit(101)
}
