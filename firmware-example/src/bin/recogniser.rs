//! The smallest application: it opens a model and a gallery of one's own,
//! checks the model's self-test and finds the item nearest to an image. It
//! prints the RAM that it has taken; `scripts/fit.sh` builds it with as much
//! memory as `trainer train --fit` was told, and no more.
#![no_std]
#![no_main]

use lookalike::{Gallery, GalleryFile, Matches, Model};
use lookalike_firmware::own::{
    Code, GALLERY, MODEL, NETWORK, Parameters, WORDS, WORKSPACE, Word, Workspace,
};
use lookalike_firmware::{board, stack};
use semihosting::io::Write;

static mut MEMORY: Workspace = WORKSPACE;

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    stack::begin();
    let workspace = &raw mut MEMORY;
    // SAFETY: main runs once, and nothing else names the workspace.
    let workspace = unsafe { &mut *workspace };
    let found = recognise(workspace);
    print(b"static ", board::static_ram());
    print(b"stack ", stack::deepest());
    print(b"workspace ", size_of::<Workspace>());
    board::exit(if found.is_some() { 0 } else { 1 })
}

#[inline(never)]
fn recognise(workspace: &mut [Word]) -> Option<u32> {
    let model = Model::<Parameters>::from_bytes(MODEL).ok()?;
    model.self_test(workspace).ok()?;
    let file = GalleryFile::from_bytes(GALLERY).ok()?;
    let gallery: Gallery<'_, 0, WORDS, Code> = Gallery::new(&model, Some(file)).ok()?;
    let image = model.self_test_contents().images.get(..NETWORK.input().len())?;
    let embedding = model.embed(image, workspace).ok()?;
    let matches: Matches<10> = gallery.search(&embedding);
    Some(matches.first()?.id)
}

/// A line with a number. What formats numbers otherwise takes more flash than
/// all the rest of this program.
#[inline(never)]
fn print(name: &[u8], number: usize) {
    let mut digits = [b' '; 11];
    let mut rest = number;
    for digit in digits.iter_mut().rev().skip(1) {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if let Some(last) = digits.last_mut() {
        *last = b'\n';
    }
    if let Ok(mut output) = semihosting::io::stdout() {
        let _ = output.write_all(name).and_then(|()| output.write_all(&digits));
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    board::exit(101)
}
