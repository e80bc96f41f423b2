//! The page as a whole.

use lookalike::{Network, Packing, Shape};

use super::*;
use crate::files::{NewModel, NewParameters};
use crate::nn::Parameters;
use crate::quantize;
use crate::retrieval::{self, evaluate};
use crate::rng::{Purpose, stream};
use crate::train::PairMeans;

/// A name that would break a page that does not escape it.
const NASTY: &str = "<b>\"&'</script><img src=http://x.example/>";

/// Images of three classes that differ in brightness, with a little noise.
fn data(channels: usize) -> Dataset {
    let shape = Shape { height: 20, width: 20, channels };
    let labels: Vec<u16> = (0..30).map(|i| i % 3).collect();
    let mut state = 1u32;
    let pixels = labels
        .iter()
        .flat_map(|&label| std::iter::repeat_n(label, shape.len()))
        .map(|label| {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
            (60 * label) as u8 + (state >> 26) as u8
        })
        .collect();
    let class_names = [NASTY, "cup", "pen & ink"].map(String::from).to_vec();
    Dataset { shape, pixels, labels, class_names }
}

/// A network with random weights.
fn model(data: &Dataset) -> LoadedModel {
    retrieval::baseline::random_network(data.shape, 1).unwrap()
}

fn measured<'a>(name: &str, model: &'a LoadedModel, data: &Dataset) -> Measured<'a> {
    let embeddings = model.embed(data);
    let options = retrieval::Options {
        class_names: &data.class_names,
        resamples: 50,
        ..retrieval::Options::default()
    };
    let evaluation = evaluate(embeddings.view(), &data.labels, &options).unwrap();
    Measured { name: name.into(), model: Some(model), evaluation, embeddings, training: None }
}

fn options<'a>() -> Options<'a> {
    Options { source: "made here", queries: None, neighbours: 6, codes: None, int8: None }
}

#[test]
fn the_page_is_whole_escaped_and_asks_for_nothing() {
    let data = data(1);
    let model = model(&data);
    let mut first = measured("a & b", &model, &data);
    let pairs = |active| PairMeans { positive: 0.5, negative: 1.25, active };
    let epoch = |loss, active| EpochStats { loss, accuracy: None, pairs: Some(pairs(active)) };
    first.training = Some(vec![epoch(0.75, Some(0.5)), epoch(0.25, Some(0.125))]);
    let second = measured("c", &model, &data);
    let report = Report::new(&data, vec![first, second], options()).unwrap();
    let html = report.html().unwrap();
    assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">") && html.ends_with("</html>"));
    assert!(!html.contains("<b>") && !html.contains("<img src=http"));
    assert!(
        html.contains("&lt;b&gt;") && html.contains("pen &amp; ink") && html.contains("a &amp; b")
    );
    // Namespaces are names, and the text of the nasty class is text.
    let rest = html.replace("http://www.w3.org/2000/svg", "").replace("http://x.example", "");
    assert!(!rest.contains("http:") && !rest.contains("https:"));
    for source in html.split(" src=\"").skip(1).chain(html.split(" href=\"").skip(1)) {
        assert!(source.starts_with("data:image/") || source.starts_with('#'), "{}", &source[..40]);
    }
    // Every picture has a text in its place, the map's sheet an empty one.
    let pictures = html.matches("<img").count();
    assert_eq!(html.matches("alt=\"").count(), pictures);
    assert_eq!(html.matches("alt=\"\"").count(), 1);
    // Chosen: 3 queries under both models, and 5 best and worst under one.
    assert_eq!(pictures, 3 * (1 + 2 * 6) + 10 * (1 + 6) + 1);
    // Numbers are those of the evaluation.
    let evaluation = &report.first().evaluation;
    let [low, high] = evaluation.confidence_95.unwrap().average_precision;
    assert!(html.contains(&format!("{:.4}", evaluation.mean.average_precision)));
    assert!(html.contains(&format!("[{low:.4}, {high:.4}]")));
    assert!(html.contains("loss from 0.75 to 0.25") && html.contains("No figures of its training"));
    assert!(html.contains("Codes were not measured"));
    assert_eq!(html, report.html().unwrap());
}

#[test]
fn each_svg_has_a_text_in_its_place() {
    let data = data(1);
    let model = model(&data);
    let html =
        Report::new(&data, vec![measured("a", &model, &data)], options()).unwrap().html().unwrap();
    let (mut described, mut hidden) = (0, 0);
    for svg in html.split("<svg").skip(1) {
        let (element, rest) = svg.split_once('>').unwrap();
        if element.contains("role=\"img\"") {
            assert!(element.contains("aria-label=\"") && rest.starts_with("<title>"), "{element}");
            described += 1;
        } else {
            hidden += usize::from(element.contains("aria-hidden"));
        }
    }
    // Curves and map; a bar and a legend's sign for each class.
    assert_eq!((described, hidden), (2, 6));
}

#[test]
fn figures_are_files_of_their_own() {
    let data = data(3);
    let model = model(&data);
    let mut first = measured("dir/a b", &model, &data);
    first.training = Some(vec![EpochStats { loss: 1.0, accuracy: Some(0.5), pairs: None }]);
    let report = Report::new(&data, vec![first], options()).unwrap();
    let figures = report.figures().unwrap();
    let names: Vec<&str> = figures.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "precision-recall.svg",
            "per-class.svg",
            "map.svg",
            "retrieved-best.png",
            "retrieved-worst.png",
            "retrieved-1-dir-a-b.png",
            "training-1-dir-a-b-loss.svg",
            "training-1-dir-a-b-accuracy.svg",
        ]
    );
    for (name, bytes) in &figures {
        let start: &[u8] = if name.ends_with(".png") { b"\x89PNG" } else { b"<svg " };
        assert!(bytes.starts_with(start), "{name}");
    }
}

#[test]
fn codes_and_the_int8_model_are_shown() {
    let data = data(1);
    let network = Network::new([1, 20, 20], [4, 4, 8], 2, 0).unwrap();
    let new = |parameters: &Parameters| {
        LoadedModel::new(&NewModel {
            parameters: NewParameters::F32(parameters),
            class_names: &[],
            acceptance: None,
            self_test_images: &[],
        })
        .unwrap()
    };
    let model = new(&Parameters::random(&network, &mut stream(3, Purpose::Initialisation, 0)));
    let study = quantize::Options {
        calibration_images: 15,
        validation_images: 15,
        outputs: 8,
        thorough: false,
        ..quantize::Options::default()
    };
    let (int8, _) = quantize::quantize(&model, &data, Packing::Fast, &study).unwrap();
    let codes = quantize::table::measure(&model, &int8, &data, &data, (&[8], 64, 0)).unwrap();
    let options = Options { codes: Some(&codes), int8: Some(&int8), ..options() };
    let report = Report::new(&data, vec![measured("a", &model, &data)], options).unwrap();
    let html = report.html().unwrap();
    for row in &codes.rows {
        assert!(html.contains(&format!("<th scope=\"row\">{}</th>", row.code)), "{}", row.code);
        assert!(html.contains(&format!("{:.4}", row.figures.recall_at_10)));
    }
    for text in ["its int8 model", "int8, fast", "int8 compact", "Cortex-M4F (mps2-an386)"] {
        assert!(html.contains(text), "{text}");
    }
    assert!(report.figures().unwrap().iter().any(|(name, _)| name == "codes.svg"));
}

#[test]
fn what_cannot_be_shown_is_an_error() {
    let grey = data(1);
    let model = model(&grey);
    let error = |queries: &[u32]| {
        let options = Options { queries: Some(queries), ..options() };
        Report::new(&grey, vec![measured("a", &model, &grey)], options).err().unwrap().to_string()
    };
    assert!(error(&[3, 30]).contains("no image 30") && error(&[30]).contains("30 images"));
    let nothing = Report::new(&grey, Vec::new(), options()).err().unwrap().to_string();
    assert!(nothing.contains("at least one model"));
    let mut two = grey.clone();
    two.shape = Shape { height: 20, width: 10, channels: 2 };
    let shown = Report::new(&two, vec![measured("a", &model, &grey)], options());
    assert!(shown.err().unwrap().to_string().contains("2 channels"));
}
