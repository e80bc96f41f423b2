//! A model and a gallery of one's own on a board, shown photos.
//!
//! Of the photos whose labels the gallery lacks, the first ones of each label
//! are enrolled: things that the board gets to know at run time. All others are
//! looked up. The program ends with success if most of them are recognised, of
//! the enrolled ones too.
#![no_std]
#![no_main]

use core::fmt::Display;

use lookalike::{Gallery, GalleryFile, Matches, Model};
use lookalike_firmware::board::{self, Counter};
use lookalike_firmware::own::{
    Code, GALLERY, IMAGES, LABELS, MODEL, NETWORK, Parameters, WORDS, WORKSPACE, Workspace,
};
use lookalike_firmware::stack;
use semihosting::println;

/// Photos that are enrolled of a label that the gallery lacks.
const SHOTS: usize = 3;
/// Items that can be enrolled.
const CAPACITY: usize = 6;

/// Items in flash and enrolled ones, searched as one.
type Items = Gallery<'static, CAPACITY, WORDS, Code>;

static mut MEMORY: Workspace = WORKSPACE;

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    stack::begin();
    let workspace = &raw mut MEMORY;
    // SAFETY: main runs once, and nothing else names the workspace.
    let workspace = unsafe { &mut *workspace };
    let status = match run(workspace) {
        Some(true) => 0,
        Some(false) => {
            println!("failed: too few are recognised");
            1
        }
        None => 1,
    };
    println!(
        "RAM: {} bytes of variables, {} bytes of stack",
        board::static_ram(),
        stack::deepest()
    );
    board::exit(status)
}

/// The value; prints an error.
fn shown<T, E: Display>(result: Result<T, E>) -> Option<T> {
    result.inspect_err(|error| println!("failed: {error}")).ok()
}

/// How many photos were recognised.
#[derive(Default)]
struct Count {
    right: usize,
    of: usize,
}

impl Count {
    fn add(&mut self, right: bool) {
        self.right += usize::from(right);
        self.of += 1;
    }

    fn most(&self) -> bool {
        2 * self.right > self.of
    }
}

/// Whether most are recognised; `None` after a failure, which has been printed.
fn run(workspace: &mut Workspace) -> Option<bool> {
    let mut counter = Counter::take()?;
    let model = shown(Model::<Parameters>::from_bytes(MODEL))?;
    let images = shown(model.self_test(workspace))?;
    println!("Lookalike on {}: self-test of {images} images passed", board::NAME);
    let file = shown(GalleryFile::from_bytes(GALLERY))?;
    let mut gallery: Items = shown(Gallery::new(&model, Some(file)))?;
    let in_flash = gallery.len();
    println!("{in_flash} items in flash");
    let knows = |gallery: &Items, label: &str| {
        (0..in_flash as u32).any(|id| gallery.label(id) == Some(label))
    };

    let (mut known, mut new) = (Count::default(), Count::default());
    let (mut instructions, mut label_before, mut shots) = (0, "", 0);
    for (image, label) in IMAGES.chunks_exact(NETWORK.input().len()).zip(LABELS.lines()) {
        let (embedding, count) = counter.measure(|| model.embed(image, workspace));
        let embedding = shown(embedding)?;
        instructions = count.max(instructions);
        shots = if label == label_before { shots + 1 } else { 0 };
        label_before = label;
        let is_known = knows(&gallery, label);
        if !is_known && shots < SHOTS {
            let id = shown(gallery.enrol(label, &embedding))?;
            println!("enrolled a photo of `{label}` as item {id}");
            continue;
        }
        let matches: Matches<1> = gallery.search(&embedding);
        let nearest = matches.first()?;
        let found = gallery.label(nearest.id)?;
        if is_known {
            known.add(found == label)
        } else {
            new.add(found == label)
        }
        println!(
            "{}: `{label}` is nearest to `{found}`, distance {} thousandths",
            if found == label { "right" } else { "wrong" },
            (nearest.distance * 1000.0) as u32
        );
    }
    println!("known classes: {} of {} photos recognised", known.right, known.of);
    println!("enrolled here: {} of {} photos recognised", new.right, new.of);
    println!("an embedding takes at most {instructions} {}", Counter::UNIT);
    Some(known.most() && (new.of == 0 || new.most()))
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    board::exit(101)
}
