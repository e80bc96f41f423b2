//! Writes the seeds in `corpus/`: `cargo run -p lookalike-fuzz --example seeds`.
//! What is there otherwise, which fuzzing has found, stays.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use lookalike::gallery::{self, GalleryContents};
use lookalike::model::{self, ModelContents, SelfTest};
use lookalike::{
    Acceptance, Coder, Embedding, F32, Model, Network, Rule, Shape, Store, TwoStage, U8,
};
use lookalike_fuzz::flash::{Nor, Random};
use lookalike_fuzz::store_image::{PAGE, PAGES};
use lookalike_fuzz::{F32_MODEL, store_operations};
use lookalike_trainer::data::Dataset;
use lookalike_trainer::files::safetensors;
use lookalike_trainer::train::{Options, Recipe, Settings, Training};
use safetensors::export;

fn main() {
    models();
    galleries();
    checkpoints();
    weights();
    idx();
    pictures();
    options();
    stores();
    sequences();
    requests();
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

/// Numbers from -1 to 1.
fn noise(seed: u64) -> impl Iterator<Item = f32> {
    let mut random = Random(seed);
    std::iter::from_fn(move || Some((random.next() >> 40) as f32 / (1 << 23) as f32 - 1.0))
}

fn small_network() -> Network {
    Network::new([1, 18, 18], [2, 3, 4], 2, 2).unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures");
    fs::read(folder.join(name)).unwrap()
}

fn models() {
    let network = small_network();
    let parameters: Vec<f32> = noise(1).take(network.parameters()).map(|v| v * 0.5).collect();
    let bare = ModelContents {
        class_names: "cup\npen",
        acceptance: Some(Acceptance {
            threshold: 0.5,
            false_accept_rate: 0.01,
            rule: Rule::NearestPrototype,
        }),
        ..ModelContents::new(network, &parameters)
    };
    let bytes = |contents: &ModelContents<'_>| {
        let mut out = vec![0; model::file_len(contents).unwrap()];
        model::write(contents, &mut out).unwrap();
        out
    };
    let images = vec![100; network.input().len()];
    let embeddings: Vec<f32> = {
        let aligned = lookalike_trainer::files::AlignedBytes::from(bytes(&bare).as_slice());
        let model = Model::<F32>::from_bytes(&aligned).unwrap();
        let mut workspace = vec![0.0; model.workspace_len()];
        model.embed(&images, &mut workspace).unwrap().as_slice().to_vec()
    };
    write("model", "f32", &bytes(&bare));
    let self_test = SelfTest { images: &images, embeddings: &embeddings };
    write("model", "f32-self-test", &bytes(&ModelContents { self_test, ..bare }));
    write("model", "int8-compact", &fixture("v1.int8.compact.model"));
    write("model", "int8-fast", &fixture("v1.int8.fast.model"));
}

fn galleries() {
    for name in ["v1.gallery", "v1.u8.gallery", "v1.projected.gallery", "v1.binary.gallery"] {
        write("gallery", name.trim_end_matches(".gallery"), &fixture(name));
    }
    write("gallery", "v1.two-stage", &fixture("v1.two-stage.gallery"));
    // One that belongs to the model of the harness, so that it is searched.
    let model = Model::<F32>::from_bytes(F32_MODEL).unwrap();
    let dimension = model.network().embedding_len();
    let mut values = noise(2);
    let (mut floats, mut bytes, mut both) = (Vec::new(), Vec::new(), Vec::new());
    let thresholds = vec![100u16; dimension];
    let coder = Coder::new(dimension, &thresholds, &[], &[]).unwrap();
    for _ in 0..6 {
        let mut item: Vec<f32> = values.by_ref().take(dimension).map(f32::abs).collect();
        let item = Embedding::normalize(&mut item).unwrap();
        floats.extend_from_slice(item.as_slice());
        let mut words = vec![0; U8::words(dimension)];
        let coded = U8::encode(&item, &mut words).unwrap();
        bytes.extend_from_slice(coded.as_slice());
        let mut words = vec![0; TwoStage::words(dimension)];
        both.extend_from_slice(coder.two_stage(&coded, &mut words).unwrap().as_slice());
    }
    let labels = &[0, 1, 0, 1, 1, 0];
    let (fingerprint, names) = (model.fingerprint(), "cup\npen");
    macro_rules! seed {
        ($name:literal, $code:ty, $words:expr) => {{
            let embeddings = $words;
            let contents =
                GalleryContents::<$code> { fingerprint, dimension, names, labels, embeddings };
            let mut out = vec![0; gallery::file_len(&contents).unwrap()];
            gallery::write(&contents, &mut out).unwrap();
            write("gallery", $name, &out);
        }};
    }
    seed!("own-f32", F32, &floats);
    seed!("own-u8", U8, &bytes);
    seed!("own-two-stage", TwoStage, &both);
}

/// Two classes of images for [`small_network`].
fn images() -> Dataset {
    let shape = Shape { height: 18, width: 18, channels: 1 };
    let pixels = noise(3).take(4 * shape.len()).map(|v| (v * 127.0 + 128.0) as u8).collect();
    let class_names = vec!["a".into(), "b".into()];
    Dataset { shape, pixels, labels: vec![0, 0, 1, 1], class_names }
}

fn checkpoints() {
    let data = images();
    for (name, text) in [
        ("triplet-adam", "loss = ['triplet']\nwidths = [1, 1, 2]\nbatches = '2x2'"),
        (
            "cross-entropy-sgd",
            "loss = ['cross-entropy']\nwidths = [1, 1, 1]\noptimizer = 'sgd'\nema = 0.9\nmomentum = 0.5",
        ),
    ] {
        let options = Options::from_toml(text, name).unwrap();
        let settings = Settings { epochs: 2, ..options.settings(&data).unwrap() };
        let training = Training::new(settings, &data).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        training.checkpoint().save(file.path()).unwrap();
        write("checkpoint", name, &fs::read(file.path()).unwrap());
    }
}

fn weights() {
    for (name, classes) in [("classifier", 2), ("trunk", 0)] {
        let network = small_network().with_classes(classes).unwrap();
        let parameters: Vec<f32> = noise(4).take(network.parameters()).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        export(file.path(), &network, &parameters).unwrap();
        write("weights", name, &fs::read(file.path()).unwrap());
    }
}

fn idx() {
    let file = |dimensions: &[u32], elements: &[u8]| {
        let mut file = vec![0, 0, 8, dimensions.len() as u8];
        file.extend(dimensions.iter().flat_map(|size| size.to_be_bytes()));
        file.extend_from_slice(elements);
        file
    };
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let (grey, colour) = (file(&[3, 18, 18], &[7; 972]), file(&[1, 18, 18, 3], &[9; 972]));
    let labels = file(&[3], &[0, 2, 1]);
    let set = |images: &[u8], labels: &[u8]| {
        [&(images.len() as u16).to_le_bytes(), images, labels].concat()
    };
    write("idx", "images", &grey);
    write("idx", "labels-gz", &gzip(&labels));
    write("idx", "set", &set(&gzip(&grey), &labels));
    write("idx", "set-colour", &set(&gzip(&colour), &gzip(&file(&[1], &[0]))));
}

fn pictures() {
    let grey = GrayImage::from_fn(24, 30, |x, y| image::Luma([(x * y) as u8]));
    let colour = RgbImage::from_fn(17, 9, |x, y| image::Rgb([(x * 15) as u8, (y * 20) as u8, 99]));
    let grey = DynamicImage::from(grey);
    let colour = DynamicImage::from(colour);
    for (kind, picture) in [
        ("grey", grey.clone()),
        ("colour", colour.clone()),
        ("alpha", DynamicImage::from(colour.to_rgba8())),
        ("deep", DynamicImage::from(grey.to_luma16())),
    ] {
        for (name, format) in
            [("png", ImageFormat::Png), ("jpeg", ImageFormat::Jpeg), ("bmp", ImageFormat::Bmp)]
        {
            let mut file = Cursor::new(Vec::new());
            if picture.write_to(&mut file, format).is_ok() {
                write("picture", &format!("{kind}.{name}"), &file.into_inner());
            }
        }
    }
}

fn options() {
    write("options", "best", Recipe::Best.toml().as_bytes());
    write("options", "open-set", Recipe::OpenSet.toml().as_bytes());
    let fit =
        "loss = ['triplet']\nfit = 'flash=64K,ram=12K'\nmargin = 'soft'\nmining = 'semi-hard'\n";
    write("options", "fit", fit.as_bytes());
    let text = "loss = ['cross-entropy']\noptimizer = 'sgd'\nmomentum = 0.9\ninput = '32x32x3'\n\
                schedule = 'one-cycle'\nfill = 'edge'\nbatch-size = 8\nlabel-smoothing = 0.1\n";
    write("options", "more", text.as_bytes());
}

fn stores() {
    let model = Model::<F32>::from_bytes(F32_MODEL).unwrap();
    let mut flash = Nor::<4, PAGE>::new(PAGES);
    let region = 0..(PAGES * PAGE) as u32;
    let mut store =
        Store::<_, { store_operations::DIMENSION }>::open(&mut flash, region, &model).unwrap();
    let mut values = noise(5);
    let mut ids = Vec::new();
    for label in ["cup", "Tüte", "", "pen"] {
        let mut item: Vec<f32> = values.by_ref().take(64).collect();
        ids.push(store.enrol(label, &Embedding::normalize(&mut item).unwrap()).unwrap());
    }
    store.remove(ids[1]).unwrap();
    let mut export = Vec::new();
    store.export(|bytes| export.extend_from_slice(bytes)).unwrap();
    write("store_image", "export", &export);
    write("store_image", "image", &flash.bytes);
    // In the middle of a compaction.
    let mut cut = flash.with_power(60);
    let region = 0..(PAGES * PAGE) as u32;
    let mut store =
        Store::<_, { store_operations::DIMENSION }>::open(&mut cut, region, &model).unwrap();
    assert!(store.compact().is_err());
    write("store_image", "torn", &cut.bytes);
}

/// Calls and operations are read from any bytes.
fn sequences() {
    for target in ["c_calls", "store_operations", "gallery_operations"] {
        for seed in 0..6 {
            let mut random = Random(seed);
            let bytes: Vec<u8> = (0..400).map(|_| random.next() as u8).collect();
            write(target, &format!("random-{seed}"), &bytes);
        }
    }
}

fn requests() {
    let mut picture = Cursor::new(Vec::new());
    let drawing = GrayImage::from_fn(28, 28, |x, y| image::Luma([if x == y { 0 } else { 255 }]));
    drawing.write_to(&mut picture, ImageFormat::Png).unwrap();
    let picture = picture.into_inner();
    let ask = |name: &str, line: &str, body: &[u8]| {
        let mut request = format!("{line} HTTP/1.1\r\nHost: @HOST@\r\nOrigin: http://@HOST@\r\n");
        if !body.is_empty() {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        request += "\r\n";
        write("http", name, &[request.as_bytes(), body].concat());
    };
    ask("page", "GET /", b"");
    ask("about", "GET /api/about", b"");
    ask("thumbnail", "HEAD /thumbnail/3", b"");
    ask("gallery", "GET /api/gallery?code=f32", b"");
    ask("search", "POST /api/search?code=f32&k=3&as=ink", &picture);
    ask("enrol", "POST /api/enrol?name=m%C3%BCg&as=inverted", &picture);
    ask("remove", "DELETE /api/items/12", b"");
    let chunked = b"POST /api/search?code=f32 HTTP/1.1\r\nHost: @HOST@\r\nOrigin: http://@HOST@\r\n\
        Transfer-Encoding: chunked\r\n\r\n4\r\n\x89PNG\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: @HOST@\r\n\r\n";
    write("http", "chunked", chunked);
}
