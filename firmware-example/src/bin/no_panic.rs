//! Calls every public function of the core with arguments that the compiler
//! cannot see. `scripts/firmware.sh` looks into the linked file for code that
//! panics; the program itself need not run.
#![no_std]
#![no_main]

use core::fmt::{self, Write};
use core::hint::black_box;

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use lookalike::gallery::{self, GalleryContents, SliceGallery, Slot};
use lookalike::model::{self, Int8Parameters, ModelContents, ModelPlan};
use lookalike::{
    Binary, Code, Coder, Embedding, Encoding, F32, FileKind, Gallery, GalleryFile, Int8, Match,
    Matches, Model, Network, Packing, Projected, Prototypes, QuantizedConv, Recognition, Shape,
    Store, TopK, TwoStage, U8, dot, few_shot, normalize_pixel, squared_distance, store,
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
        galleries::<_, F32, 64>(&model, buffer);
        slice_galleries::<_, F32, 64>(&model, buffer);
    }
    if let Some(model) = show(Model::<Int8>::from_bytes(black_box(&[]))) {
        let words = bytemuck::cast_slice_mut(buffer);
        int8_models(&model, words);
        galleries::<_, U8, { U8::words(64) }>(&model, words);
        slice_galleries::<_, U8, { U8::words(64) }>(&model, words);
        galleries::<_, Projected, { Projected::words(32) }>(&model, words);
        slice_galleries::<_, Projected, { Projected::words(32) }>(&model, words);
        galleries::<_, Binary, { Binary::words(64) }>(&model, words);
        slice_galleries::<_, Binary, { Binary::words(64) }>(&model, words);
        galleries::<_, TwoStage, { TwoStage::words(64) }>(&model, words);
        slice_galleries::<_, TwoStage, { TwoStage::words(64) }>(&model, words);
        shortlists(&model, words);
        if let Some(coder) = model.coder() {
            codes(&coder, words);
        }
    }
    if let Some(coder) =
        show(Coder::new(black_box(1), black_box(&[]), black_box(&[]), black_box(&[])))
    {
        codes(&coder, bytemuck::cast_slice_mut(buffer));
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
    black_box((n.multiply_accumulates(), n.workspace_len(), n.workspace_bytes()));
    black_box(n.grid_window(black_box(1), black_box(3)));
    for tensor in &n.tensors() {
        black_box((tensor.shape(), tensor.len(), tensor.is_empty(), tensor.range()));
    }
}

/// What models of both encodings can do.
macro_rules! any_model {
    ($model:ident, $workspace:ident, $logits:expr) => {
        black_box(($model.network(), $model.fingerprint(), $model.workspace_len()));
        $model.class_names().for_each(display);
        if let Some(embedding) = show($model.embed(black_box(&[]), $workspace)) {
            black_box(embedding.as_slice());
        }
        black_box(show($model.classify(black_box(&[]), $workspace, $logits)));
        black_box(($model.acceptance(), $model.self_test_contents(), $model.self_test_len()));
        black_box(show($model.self_test($workspace)));
    };
}

fn models(model: &Model<'_, F32>, buffer: &mut [f32]) {
    let (workspace, rest) = buffer.split_at_mut_checked(black_box(2000)).unwrap_or_default();
    any_model!(model, workspace, rest);
    black_box(show(model.copy_parameters(rest)));
    black_box(model::layer_bytes(model.network()));
}

fn int8_models(model: &Model<'_, Int8>, words: &mut [u32]) {
    let (workspace, rest) = words.split_at_mut_checked(black_box(2000)).unwrap_or_default();
    let (logits, rest) = rest.split_at_mut_checked(black_box(10)).unwrap_or_default();
    any_model!(model, workspace, bytemuck::cast_slice_mut(logits));
    let observed = model.embed_observed(black_box(&[]), workspace, |layer| {
        black_box(layer);
    });
    black_box(show(observed).is_some());
    black_box(show(model.means(black_box(&[]), workspace)));
    black_box((model.packing(), model.classifier()));
    let (weights, rest) = rest.split_at_mut_checked(black_box(90)).unwrap_or_default();
    let (biases, multipliers) = rest.split_at_mut_checked(black_box(9)).unwrap_or_default();
    let (weights, biases) = (bytemuck::cast_slice_mut(weights), bytemuck::cast_slice_mut(biases));
    black_box(show(model.copy_convolution(black_box(1), weights, biases, multipliers)));
    let network = model.network();
    for packing in black_box([Packing::Compact, Packing::Fast]) {
        black_box(network.int8_workspace_len(packing) + network.int8_workspace_bytes(packing));
        black_box(model::int8_layer_bytes(network, packing));
    }
}

fn codes(coder: &Coder<'_>, words: &mut [u32]) {
    let (query, words) = words.split_at_mut_checked(black_box(17)).unwrap_or_default();
    let parameters = (coder.thresholds(), coder.weights(), coder.offsets());
    black_box((coder.dimension(), coder.outputs(), parameters));
    if let Some(floats) = show(Embedding::<F32>::from_slice(black_box(&[]))) {
        black_box(show(U8::encode(&floats, words)).is_some());
    }
    let Some(embedding) = show(Embedding::<U8>::from_slice(query)) else {
        return;
    };
    if let Some(projected) = show(coder.project(&embedding, words)) {
        values(&projected);
    }
    if let Some(bits) = show(coder.binarize(&embedding, words)) {
        values(&bits);
    }
    if let Some(both) = show(coder.two_stage(&embedding, words)) {
        values(&both);
    }
    values(&embedding);
}

fn values<C: Code>(embedding: &Embedding<'_, C>) {
    for value in embedding.values() {
        black_box(value);
    }
}

fn shortlists(model: &Model<'_, Int8>, words: &mut [u32]) {
    const WORDS: usize = TwoStage::words(64);
    let (query, words) = words.split_at_mut_checked(WORDS).unwrap_or_default();
    let Some(embedding) = show(Embedding::<TwoStage>::from_slice(query)) else {
        return;
    };
    let file = show(GalleryFile::from_bytes(black_box(&[])));
    let mut shortlist = [Match { id: 0, distance: 0.0 }; 16];
    let mut matches = [Match { id: 0, distance: 0.0 }; 3];
    if let Some(gallery) = show(Gallery::<'_, 4, WORDS, TwoStage>::new(model, file)) {
        black_box(gallery.search_shortlist::<5>(&embedding, black_box(&mut shortlist)));
    }
    let mut slots = [Slot::EMPTY; 4];
    if let Some(gallery) = show(SliceGallery::new(model, file, &mut slots, words)) {
        let found = gallery.search_shortlist(&embedding, black_box(&mut shortlist), &mut matches);
        black_box(found.as_slice());
    }
}

fn galleries<E: Encoding, C: Code, const D: usize>(model: &Model<'_, E>, words: &mut [C::Word]) {
    let Some(file) = show(GalleryFile::<C>::from_bytes(black_box(&[]))) else {
        return;
    };
    black_box((file.fingerprint(), file.dimension(), file.len(), file.is_empty()));
    black_box(file.words());
    black_box(file.label(black_box(1)));
    for embedding in file.embeddings() {
        black_box(embedding);
    }
    let Some(mut gallery) = show(Gallery::<'_, 4, D, C>::new(model, Some(file))) else {
        return;
    };
    if let Some(embedding) = show(Embedding::<C>::from_slice(words)) {
        black_box(show(gallery.enrol(black_box("cup"), &embedding)));
        black_box(show(gallery.enrol_with_id(black_box(1), black_box("cup"), &embedding)));
        let matches: Matches<5> = gallery.search(&embedding);
        black_box((matches.as_slice(), matches.first(), matches == Matches::default()));
        for found in &matches {
            black_box(found);
        }
    }
    black_box(show(gallery.open(model, black_box(Some(file)))));
    black_box(show(gallery.remove(black_box(1))));
    black_box((gallery.label(black_box(1)), gallery.len(), gallery.is_empty()));
    for item in gallery.iter() {
        black_box(item);
    }
    black_box(Gallery::<'_, 4, D, C>::empty());
}

fn slice_galleries<E: Encoding, C: Code, const D: usize>(
    model: &Model<'_, E>,
    words: &mut [C::Word],
) {
    let (query, memory) = words.split_at_mut_checked(black_box(64)).unwrap_or_default();
    let mut slots = [Slot::EMPTY; 4];
    let gallery = show(SliceGallery::<C>::new(model, black_box(None), &mut slots, memory));
    let Some(mut gallery) = gallery else {
        return;
    };
    black_box((gallery.words(), gallery.capacity()));
    let Some(embedding) = show(Embedding::<C>::from_slice(query)) else {
        return;
    };
    black_box(show(gallery.enrol(black_box("cup"), &embedding)));
    black_box(show(gallery.enrol_with_id(black_box(1), black_box("cup"), &embedding)));
    black_box(show(gallery.remove(black_box(1))));
    black_box((gallery.label(black_box(1)), gallery.len(), gallery.is_empty()));
    let mut matches = [Match { id: 0, distance: 0.0 }; 3];
    black_box(gallery.search(&embedding, &mut matches).as_slice());
    few_shots(gallery.iter(), &embedding);
    stores::<E, C, D>(model, &embedding);
}

fn few_shots<'g, C: Code>(
    items: impl Iterator<Item = gallery::Item<'g, C>>,
    query: &Embedding<'_, C>,
) {
    let mut prototypes = Prototypes::<3, 64>::default();
    let items = items.inspect(|item| {
        show(prototypes.add(item));
    });
    let nearest = few_shot::nearest_item(items, query);
    black_box((Recognition::new(nearest, black_box(1.0)).known(), prototypes.nearest(query)));
    black_box((prototypes.label(black_box(1)), prototypes.len(), prototypes.is_empty()));
    prototypes.clear();
    black_box(Prototypes::<3, 64>::new());
}

fn stores<E: Encoding, C: Code, const D: usize>(
    model: &Model<'_, E>,
    embedding: &Embedding<'_, C>,
) {
    black_box(show(store::erase(&mut Flash, black_box(0..0))));
    black_box(Store::<Flash, D, C>::capacity_of(black_box(1)));
    let Some(mut store) = show(Store::<Flash, D, C>::open(Flash, black_box(0..0), model)) else {
        return;
    };
    store.reserve_ids(black_box(1));
    black_box((store.fingerprint(), store.capacity(), show(store.len()), show(store.is_empty())));
    black_box(show(store.enrol(black_box("cup"), embedding)));
    black_box(show(store.remove(black_box(1))));
    black_box(show(store.label(black_box(1))));
    black_box(show(store.for_each(|item| {
        black_box(item);
    })));
    black_box(show(store.search::<5>(embedding)));
    black_box(show(store.compact()));
    black_box(show(store.export(|bytes| {
        black_box(bytes);
    })));
    black_box(show(store.import(black_box(&[]), |from, to| {
        black_box((from, to));
    })));
    store.close();
}

/// Flash of which the compiler knows nothing.
struct Flash;

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        black_box((offset, bytes));
        black_box(Ok(()))
    }

    fn capacity(&self) -> usize {
        black_box(1)
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        black_box((from, to));
        black_box(Ok(()))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        black_box((offset, bytes));
        black_box(Ok(()))
    }
}

fn files(buffer: &mut [f32]) {
    let bytes = bytemuck::cast_slice_mut(buffer);
    display(black_box(FileKind::Model));
    let contents = black_box(ModelContents::new(Network::REFERENCE, &[]));
    black_box(show(model::file_len(&contents)));
    black_box(show(model::write(&contents, bytes)));
    let conv = QuantizedConv {
        inputs: black_box(1),
        outputs: black_box(1),
        weights: black_box(&[]),
        biases: black_box(&[]),
        multipliers: black_box(&[]),
    };
    let parameters = Int8Parameters {
        packing: black_box(Packing::Fast),
        convs: [conv; 3],
        classifier: black_box(&[]),
        coder: black_box(None),
    };
    let contents = black_box(ModelContents::int8(Network::REFERENCE, parameters));
    black_box(show(model::file_len(&contents)));
    black_box(show(model::write(&contents, bytes)));
    let plan = ModelPlan {
        packing: black_box(None),
        projected: black_box(1),
        thresholds: black_box(1),
        class_names: black_box(""),
        self_test_images: black_box(&[]),
        ..ModelPlan::new(Network::REFERENCE)
    };
    black_box(show(black_box(plan).file_len()));
    gallery_files::<F32>(bytes);
    gallery_files::<U8>(bytes);
    gallery_files::<Projected>(bytes);
    gallery_files::<Binary>(bytes);
    gallery_files::<TwoStage>(bytes);
}

fn gallery_files<C: Code>(bytes: &mut [u8]) {
    let contents = GalleryContents::<C> {
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
    black_box(show(Embedding::normalize(x)));
    black_box(show(Embedding::<F32>::from_slice(x)));
    let mut slots = [Match { id: 0, distance: 0.0 }; 9];
    let mut top = TopK::new(black_box(&mut slots));
    let candidate = Match { id: black_box(1), distance: black_box(1.0) };
    top.insert(candidate);
    let mut matches = Matches::<9>::new();
    matches.insert(candidate);
    black_box(matches);
    black_box(top.as_slice().first().map(|first| first.rank(&candidate)));
}
