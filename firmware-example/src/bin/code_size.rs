//! Opens a model and a gallery, embeds and searches, and nothing else. Its size
//! without that of `empty` is the code that embedding and searching take.
#![no_std]
#![no_main]

use core::hint::black_box;

use lookalike::{F32, Gallery, GalleryFile, Matches, Model, Network};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

const NETWORK: Network = Network::REFERENCE;

fn nearest(model: &[u8], gallery: &[u8], image: &[u8], workspace: &mut [f32]) -> Option<u32> {
    let model = Model::<F32>::from_bytes(model).ok()?;
    let file = GalleryFile::from_bytes(gallery).ok()?;
    let gallery: Gallery<'_, 0, { NETWORK.embedding_len() }> =
        Gallery::new(&model, Some(file)).ok()?;
    let embedding = model.embed(image, workspace).ok()?;
    let matches: Matches<10> = gallery.search(&embedding);
    Some(matches.first()?.id)
}

static mut WORKSPACE: [f32; NETWORK.workspace_len()] = [0.0; NETWORK.workspace_len()];

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    let workspace = &raw mut WORKSPACE;
    // SAFETY: main runs once, and nothing else names the workspace.
    let workspace = unsafe { &mut *workspace };
    let [model, gallery, image] = black_box([&[][..]; 3]);
    black_box(nearest(model, gallery, image, workspace));
    loop {
        core::hint::spin_loop();
    }
}
