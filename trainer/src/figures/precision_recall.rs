//! Precision-recall curves as an SVG plot.

use plotters::prelude::*;

use crate::retrieval::Evaluation;

/// Okabe and Ito's palette, which colour-blind readers can tell apart, without
/// its yellow, which is too pale for a line on white.
pub(super) const PALETTE: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// Width and height in pixels.
const SIZE: (u32, u32) = (720, 600);

/// The drawing library rounds coordinates to whole units, which would show as
/// steps in the curves: units are this many times finer than pixels.
pub(super) const FINE: u32 = 8;

/// A plot could not be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plot could not be drawn: {0}")]
pub struct FigureError(pub(super) String);

/// A curve to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve<'a> {
    /// What it is of.
    pub name: &'a str,
    /// For the legend.
    pub mean_average_precision: f64,
    /// Recall and precision, by ascending recall.
    pub points: Vec<[f64; 2]>,
}

impl<'a> Curve<'a> {
    /// The raw mean curve of an evaluation.
    pub fn of(name: &'a str, evaluation: &Evaluation) -> Curve<'a> {
        let points = evaluation.curves.raw.iter().map(|point| [point.recall, point.precision]);
        let mean_average_precision = evaluation.mean.average_precision;
        Curve { name, mean_average_precision, points: points.collect() }
    }
}

/// [`curves_svg`] of the raw mean curve of each named evaluation.
///
/// # Errors
/// When the plotting library fails.
pub fn precision_recall_svg(evaluations: &[(&str, &Evaluation)]) -> Result<String, FigureError> {
    let curves: Vec<Curve<'_>> = evaluations.iter().map(|(name, e)| Curve::of(name, e)).collect();
    curves_svg(&curves)
}

/// Draws precision-recall curves, each with its mAP in the legend, and returns
/// the SVG document.
///
/// Both axes run from 0 to 1. More than six curves repeat the colours.
///
/// # Errors
/// When the plotting library fails.
pub fn curves_svg(curves: &[Curve<'_>]) -> Result<String, FigureError> {
    let mut svg = String::new();
    draw(&mut svg, curves).map_err(|error| FigureError(error.to_string()))?;
    Ok(in_pixels(&svg, SIZE))
}

/// Gives a document of [`FINE`] units its size in pixels; the view box keeps
/// the fine units.
pub(super) fn in_pixels(svg: &str, (width, height): (u32, u32)) -> String {
    let fine = format!("width=\"{}\" height=\"{}\"", width * FINE, height * FINE);
    svg.replacen(&fine, &format!("width=\"{width}\" height=\"{height}\""), 1)
}

fn draw(svg: &mut String, curves: &[Curve<'_>]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, (SIZE.0 * FINE, SIZE.1 * FINE)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16 * FINE)
        .margin_right(28 * FINE)
        .x_label_area_size(48 * FINE)
        .y_label_area_size(60 * FINE)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_labels(11)
        .y_labels(11)
        .max_light_lines(1)
        .axis_style(BLACK.stroke_width(FINE))
        .set_all_tick_mark_size(5 * FINE)
        .bold_line_style(RGBColor(225, 225, 225).stroke_width(FINE))
        .light_line_style(TRANSPARENT)
        .x_desc("recall, mean over queries")
        .y_desc("precision, mean over queries")
        .label_style(("sans-serif", 15 * FINE))
        .axis_desc_style(("sans-serif", 17 * FINE))
        .draw()?;
    for (index, curve) in curves.iter().enumerate() {
        let style = PALETTE[index % PALETTE.len()].stroke_width(3 * FINE);
        let points = curve.points.iter().map(|&[recall, precision]| (recall, precision));
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(format!("{}, mAP {:.4}", curve.name, curve.mean_average_precision))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24 * FINE as i32, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .legend_area_size(34 * FINE)
        .margin(14 * FINE)
        .background_style(WHITE)
        .label_font(("sans-serif", 16 * FINE))
        .draw()?;
    root.present()?;
    drop(chart);
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::retrieval::{Options, evaluate};

    #[test]
    fn each_model_has_a_curve_and_an_entry_with_its_map() {
        let embeddings = array![[1.0, 0.0], [0.0, 1.0], [0.8, 0.6], [0.6, 0.8]];
        let evaluate = |labels: &[u16]| {
            evaluate(embeddings.view(), labels, &Options::default()).expect("has fellows")
        };
        let (good, bad) = (evaluate(&[0, 1, 0, 1]), evaluate(&[0, 0, 1, 1]));
        assert!(good.mean.average_precision > bad.mean.average_precision);
        let svg = precision_recall_svg(&[("good & quick", &good), ("bad", &bad)]).unwrap();
        assert!(svg.starts_with("<svg width=\"720\" height=\"600\""), "{}", &svg[..80]);
        assert!(svg.trim_end().ends_with("</svg>"));
        for (name, evaluation) in [("good &amp; quick", &good), ("bad", &bad)] {
            let entry = format!("{name}, mAP {:.4}", evaluation.mean.average_precision);
            assert!(svg.contains(&entry), "{entry}");
        }
        // A curve and a stroke in the legend each.
        for colour in ["#0072B2", "#D55E00"] {
            assert_eq!(svg.matches(&format!("stroke=\"{colour}\"")).count(), 2, "{colour}");
        }
    }

    #[test]
    fn without_models_the_axes_remain() {
        assert!(precision_recall_svg(&[]).unwrap().contains("recall"));
    }
}
