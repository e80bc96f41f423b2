//! The embeddings in two dimensions.

use std::fmt::Write;

use maud::{PreEscaped, html};

use super::super::page::Section;
use super::super::picture::{Pictures, Sheet};
use super::super::{Report, ReportError};
use super::percent;
use crate::device::grouped;
use crate::figures::{PALETTE, described, escaped};

/// Width of the map, and the least and greatest height, in pixels.
const WIDTH: f64 = 640.0;
const HEIGHTS: [f64; 2] = [300.0, 640.0];
/// Space around the points.
const MARGIN: f64 = 22.0;

/// The shapes of points, drawn from a point in their middle: circle, square,
/// triangle, diamond, cross. Their number and that of the colours share no
/// divisor, so that 30 classes differ.
const SHAPES: [&str; 5] = [
    "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "m-3.5-3.5h7v7h-7z",
    "m0-4.8l4.6 8h-9.2z",
    "m0-5.2l4.4 5.2-4.4 5.2-4.4-5.2z",
    "m-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
];

/// Colour and shape of a class.
fn look(label: u16) -> (String, &'static str) {
    let plotters::style::RGBColor(red, green, blue) = PALETTE[usize::from(label) % PALETTE.len()];
    (format!("#{red:02X}{green:02X}{blue:02X}"), SHAPES[usize::from(label) % SHAPES.len()])
}

/// The map as an SVG document.
pub fn figure(report: &Report<'_>) -> String {
    let map = &report.map;
    let ends = |axis: usize| {
        let values = map.points.iter().map(|point| point.at[axis]);
        values.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)))
    };
    let [(left, right), (bottom, top)] = [ends(0), ends(1)];
    let [wide, high] = [right - left, top - bottom].map(|length| length.max(1e-9));
    let height = (WIDTH * high / wide).clamp(HEIGHTS[0], HEIGHTS[1]);
    // One unit is as long upwards as sideways.
    let scale = ((WIDTH - 2.0 * MARGIN) / wide).min((height - 2.0 * MARGIN) / high);
    let place = |[x, y]: [f64; 2]| {
        let x = WIDTH / 2.0 + scale * (x - (left + right) / 2.0);
        [x, height / 2.0 - scale * (y - (bottom + top) / 2.0)]
    };
    let mut svg = format!(
        "<svg width=\"{WIDTH}\" height=\"{height:.0}\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
         xmlns=\"http://www.w3.org/2000/svg\">\
         <rect width=\"{WIDTH}\" height=\"{height:.0}\" fill=\"#FFFFFF\" stroke=\"none\"/>\n"
    );
    for point in &map.points {
        let [x, y] = place(point.at);
        let (colour, shape) = look(point.label);
        let lost = point.nearest.is_some_and(|(_, label)| label != point.label);
        let ring = if lost { " stroke=\"#000000\" stroke-width=\"1.6\"" } else { "" };
        let mut title = format!("image {}: {}", point.image, report.class(point.label));
        if let Some((image, label)) = point.nearest {
            let _ = write!(title, "; nearest is image {image}: {}", report.class(label));
        }
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {y:.1}{shape}\" fill=\"{colour}\"{ring}><title>{}</title></path>",
            escaped(&title)
        );
    }
    for &(label, centre) in &map.centres {
        let [x, y] = place(centre);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" dominant-baseline=\"central\" \
             font-family=\"sans-serif\" font-size=\"19\" font-weight=\"bold\" fill=\"#000000\" \
             stroke=\"#FFFFFF\" stroke-width=\"4\" stroke-linejoin=\"round\" \
             paint-order=\"stroke\">{}</text>",
            escaped(&report.class(label))
        );
    }
    svg.push_str("</svg>\n");
    described(&svg, "Map of the embeddings", &description(report))
}

fn description(report: &Report<'_>) -> String {
    let map = &report.map;
    format!(
        "{} of {} images by the first two principal components of their embeddings, which explain \
         {} and {} of the variance. Each class has a colour and a shape, and its name at the mean \
         of its images.",
        grouped(map.points.len() as u64),
        grouped(map.images as u64),
        percent(map.explained[0]),
        percent(map.explained[1]),
    )
}

/// The section.
pub fn section(report: &Report<'_>, pictures: &Pictures<'_>) -> Result<Section, ReportError> {
    let map = &report.map;
    let Sheet { uri, columns, tile: [width, height] } =
        pictures.sheet(map.points.iter().map(|point| point.image))?;
    let lost = |label: u16| {
        let of_class = map.points.iter().filter(move |point| point.label == label);
        of_class
            .filter(|point| point.nearest.is_some_and(|nearest| nearest.1 != point.label))
            .count()
    };
    let shown = |label: u16| map.points.iter().filter(|point| point.label == label).count();
    let body = html! {
        p {
            "Embeddings under " (report.first().name) ": " (description(report))
            @if map.points.len() < map.images { " The images shown are evenly spaced by index." }
            " Outlined: the nearest other image is of another class."
        }
        div.beside.uneven {
            div {
                figure.map #map data-columns=(columns) data-width=(width) data-height=(height) {
                    (PreEscaped(figure(report)))
                    img.sprite src=(uri) alt="" hidden;
                }
                p.small.live #map-help hidden {
                    "Point at the map, tap it, or focus it and use the arrow keys, to see the images."
                }
            }
            ul.legend { @for &(label, _) in &map.centres {
                @let (colour, shape) = look(label);
                li {
                    svg viewBox="-7 -7 14 14" width="18" height="18" aria-hidden="true" {
                        path d=(format!("M0 0{shape}")) fill=(colour) {}
                    }
                    span {
                        strong { (report.class(label)) } ": " (shown(label)) " shown, "
                        (lost(label)) " outlined"
                    }
                }
            } }
        }
    };
    Ok(Section { id: "embeddings", title: "Map of the embeddings", body })
}
