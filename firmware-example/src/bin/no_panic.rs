//! Calls every public function of the core with arguments that the compiler
//! cannot see. `scripts/firmware.sh` looks into the linked file for code that
//! panics; the program itself need not run.
#![no_std]
#![no_main]

use core::fmt::{self, Write};
use core::hint::black_box;

use lookalike::gallery::{self, GalleryContents};
use lookalike::model::{self, ModelContents};
use lookalike::{
    Embedding, F32, FileKind, Gallery, GalleryFile, Match, Matches, Model, Network, Shape, TopK,
    dot, normalize_pixel, squared_distance,
};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Somewhere to format to.
struct Sink;

impl Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        black_box(text);
        Ok(())
    }
}

fn display(value: impl fmt::Display) {
    let _ = write!(Sink, "{value}");
}

/// Shows what a result holds, whether value or error.
fn show<T, E: fmt::Display>(result: Result<T, E>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            display(error);
            None
        }
    }
}

static mut BUFFER: [f32; 4096] = [0.0; 4096];

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    let buffer = &raw mut BUFFER;
    // SAFETY: main runs once, and nothing else names the buffer.
    let buffer = unsafe { &mut *buffer };
    // With this feature the check must find a panic.
    if cfg!(feature = "control") {
        black_box(buffer[black_box(7usize)]);
    }
    networks();
    if let Some(model) = show(Model::<F32>::from_bytes(black_box(&[]))) {
        models(&model, buffer);
        galleries(&model, buffer);
    }
    files(buffer);
    vectors(buffer);
    loop {
        core::hint::spin_loop();
    }
}

fn networks() {
    let Some(network) = show(Network::new(black_box([1; 3]), black_box([1; 3]), black_box(1), 0))
    else {
        return;
    };
    let n = show(network.with_classes(black_box(3))).unwrap_or(network).without_classifier();
    let shapes = [n.input(), n.conv1(), n.pool1(), n.conv2(), n.pool2(), n.conv3()];
    black_box(shapes.map(|shape: Shape| (shape.len(), shape.is_empty())));
    black_box((n.widths(), n.grid(), n.classes(), n.embedding_len(), n.parameters()));
    black_box((n.multiply_accumulates(), n.workspace_len()));
    black_box(n.grid_window(black_box(1), black_box(3)));
    for tensor in &n.tensors() {
        black_box((tensor.shape(), tensor.len(), tensor.is_empty(), tensor.range()));
    }
}

fn models(model: &Model<'_, F32>, buffer: &mut [f32]) {
    let (workspace, rest) = buffer.split_at_mut_checked(black_box(2000)).unwrap_or_default();
    black_box((model.network(), model.fingerprint(), model.workspace_len()));
    model.class_names().for_each(display);
    if let Some(embedding) = show(model.embed(black_box(&[]), workspace)) {
        black_box(embedding.as_slice());
    }
    black_box(show(model.classify(black_box(&[]), workspace, rest)));
    black_box(show(model.copy_parameters(rest)));
    black_box((model.acceptance(), model.self_test_contents(), model.self_test_len()));
    black_box(show(model.self_test(workspace)));
    black_box(model::layer_bytes(model.network()));
}

fn galleries(model: &Model<'_, F32>, buffer: &mut [f32]) {
    let Some(file) = show(GalleryFile::from_bytes(black_box(&[]))) else {
        return;
    };
    black_box((file.fingerprint(), file.dimension(), file.len(), file.is_empty()));
    black_box(file.label(black_box(1)));
    for embedding in file.embeddings() {
        black_box(embedding);
    }
    let Some(mut gallery) = show(Gallery::<'_, 4, 64>::new(model, Some(file))) else {
        return;
    };
    if let Some(embedding) = show(Embedding::normalize(buffer)) {
        black_box(show(gallery.enrol(black_box("cup"), &embedding)));
        let matches: Matches<5> = gallery.search(&embedding);
        black_box((matches.as_slice(), matches.first(), matches == Matches::default()));
        for found in &matches {
            black_box(found);
        }
    }
    black_box(show(gallery.remove(black_box(1))));
    black_box((gallery.label(black_box(1)), gallery.len(), gallery.is_empty()));
    for item in gallery.iter() {
        black_box(item);
    }
}

fn files(buffer: &mut [f32]) {
    let bytes = bytemuck::cast_slice_mut(buffer);
    display(black_box(FileKind::Model));
    let contents = black_box(ModelContents::new(Network::REFERENCE, &[]));
    black_box(show(model::file_len(&contents)));
    black_box(show(model::write(&contents, bytes)));
    let contents = GalleryContents {
        fingerprint: black_box(1),
        dimension: black_box(1),
        names: black_box(""),
        labels: black_box(&[]),
        embeddings: black_box(&[]),
    };
    black_box(show(gallery::file_len(&contents)));
    black_box(show(gallery::write(&contents, bytes)));
}

fn vectors(buffer: &mut [f32]) {
    let (x, y) = buffer.split_at_mut_checked(black_box(64)).unwrap_or_default();
    black_box((dot(x, y), squared_distance(x, y), normalize_pixel(black_box(1))));
    black_box(show(Embedding::from_slice(x)));
    let mut slots = [Match { id: 0, distance: 0.0 }; 9];
    let mut top = TopK::new(black_box(&mut slots));
    let candidate = Match { id: black_box(1), distance: black_box(1.0) };
    top.insert(candidate);
    black_box(top.as_slice().first().map(|first| first.rank(&candidate)));
}
