//! Embeds the images of `identity.cases`, a file of the machine that runs the
//! emulator, with quantised models, and compares every word of the embeddings.
#![no_std]
#![no_main]

use lookalike::{Int8, Model};
use lookalike_firmware::assets::{INT8_COMPACT, INT8_FAST};
use lookalike_firmware::board;
use lookalike_firmware::cases::{Case, CaseError, Cases};
use semihosting::println;

/// Bytes of the largest model that is read into RAM, its image and its
/// workspace; larger cases are left out.
#[cfg(not(feature = "microbit"))]
const SIZES: [usize; 3] = [24 * 1024, 7 * 1024, 14 * 1024];
#[cfg(feature = "microbit")]
const SIZES: [usize; 3] = [4 * 1024, 1024 + 512, 6 * 1024];

struct Memory {
    model: [u32; SIZES[0] / 4],
    image: [u32; SIZES[1] / 4],
    workspace: [u32; SIZES[2] / 4],
    expected: [u32; 128],
}

static mut MEMORY: Memory = Memory {
    model: [0; SIZES[0] / 4],
    image: [0; SIZES[1] / 4],
    workspace: [0; SIZES[2] / 4],
    expected: [0; 128],
};

/// The models that cases name by their index.
static IN_FLASH: [&[u8]; 2] = [INT8_COMPACT, INT8_FAST];

#[derive(Default)]
struct Counts {
    models: usize,
    images: usize,
    left_out: usize,
    wrong: usize,
}

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    let memory = &raw mut MEMORY;
    // SAFETY: main runs once, and nothing else names the memory.
    let memory = unsafe { &mut *memory };
    let mut counts = Counts::default();
    let status = match run(memory, &mut counts) {
        Ok(()) if counts.wrong == 0 && counts.images > 0 => 0,
        Ok(()) => 1,
        Err(error) => {
            println!("failed: {error}");
            1
        }
    };
    let Counts { models, images, left_out, wrong } = counts;
    println!("{}: {images} images through {models} models, {wrong} embeddings differ", board::NAME);
    println!("{left_out} models are too large for the board's RAM");
    board::exit(status)
}

fn run(memory: &mut Memory, counts: &mut Counts) -> Result<(), CaseError> {
    let mut cases = Cases::open(c"identity.cases")?;
    while let Some(case) = cases.next_case()? {
        if !run_case(&mut cases, &case, memory, counts)? {
            counts.left_out += 1;
        }
    }
    Ok(())
}

/// Runs one case, or passes over it and says false if the memory is too small.
fn run_case(
    cases: &mut Cases,
    case: &Case,
    memory: &mut Memory,
    counts: &mut Counts,
) -> Result<bool, CaseError> {
    let (model_words, image_words) = (case.model_bytes.div_ceil(4), case.image_bytes.div_ceil(4));
    let images = case.images * (image_words + case.embedding_words);
    let Memory { model, image, workspace, expected } = memory;
    let bytes = match (case.model_bytes, model.get_mut(..model_words)) {
        (0, _) => IN_FLASH.get(case.index).copied().ok_or(CaseError::Format)?,
        (_, None) => {
            cases.skip(model_words + images)?;
            return Ok(false);
        }
        (len, Some(words)) => {
            cases.read(words)?;
            bytemuck::cast_slice(words).get(..len).ok_or(CaseError::Format)?
        }
    };
    let (Some(image), Some(expected)) =
        (image.get_mut(..image_words), expected.get_mut(..case.embedding_words))
    else {
        cases.skip(images)?;
        return Ok(false);
    };
    let model = match Model::<Int8>::from_bytes(bytes) {
        Ok(model) => model,
        Err(error) => {
            println!("model {}: {error}", counts.models);
            counts.wrong += case.images;
            cases.skip(images)?;
            return Ok(true);
        }
    };
    if model.workspace_len() > workspace.len() {
        cases.skip(images)?;
        return Ok(false);
    }
    for number in 0..case.images {
        cases.read(image)?;
        cases.read(expected)?;
        let pixels = bytemuck::cast_slice(image).get(..case.image_bytes).unwrap_or_default();
        let right = match model.embed(pixels, workspace) {
            Ok(embedding) => embedding.as_slice() == expected,
            Err(error) => {
                println!("{error}");
                false
            }
        };
        if !right {
            if counts.wrong < 10 {
                println!("model {}, image {number}: the embedding differs", counts.models);
            }
            counts.wrong += 1;
        }
        counts.images += 1;
    }
    counts.models += 1;
    Ok(true)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    board::exit(101)
}
