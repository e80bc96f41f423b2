//! Opens a model and a gallery, embeds and searches, and nothing else. Its size
//! without that of `empty` is the code that embedding and searching take.
#![no_std]
#![no_main]

use core::hint::black_box;

use lookalike::{Gallery, GalleryFile, Matches, Model};
use lookalike_firmware::parameters::{Code, Parameters, WORDS, WORKSPACE, Word, Workspace};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

fn nearest(model: &[u8], gallery: &[u8], image: &[u8], workspace: &mut [Word]) -> Option<u32> {
    let model = Model::<Parameters>::from_bytes(model).ok()?;
    let file = GalleryFile::from_bytes(gallery).ok()?;
    let gallery: Gallery<'_, 0, WORDS, Code> = Gallery::new(&model, Some(file)).ok()?;
    let embedding = model.embed(image, workspace).ok()?;
    let matches: Matches<10> = gallery.search(&embedding);
    Some(matches.first()?.id)
}

static mut MEMORY: Workspace = WORKSPACE;

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    let workspace = &raw mut MEMORY;
    // SAFETY: main runs once, and nothing else names the workspace.
    let workspace = unsafe { &mut *workspace };
    let [model, gallery, image] = black_box([&[][..]; 3]);
    black_box(nearest(model, gallery, image, workspace));
    loop {
        core::hint::spin_loop();
    }
}
