//! Precision-recall curves as an SVG plot.

use plotters::prelude::*;

use crate::retrieval::Evaluation;

/// Okabe and Ito's palette, which colour-blind readers can tell apart, without
/// its yellow, which is too pale for a line on white.
const PALETTE: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// Width and height in pixels.
const SIZE: (u32, u32) = (720, 600);

/// A plot could not be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plot could not be drawn: {0}")]
pub struct FigureError(String);

/// Draws the raw mean precision-recall curve of each named evaluation, with its
/// mAP in the legend, and returns the SVG document.
///
/// Both axes run from 0 to 1. More than six curves repeat the colours.
///
/// # Errors
/// When the plotting library fails.
pub fn precision_recall_svg(evaluations: &[(&str, &Evaluation)]) -> Result<String, FigureError> {
    let mut svg = String::new();
    draw(&mut svg, evaluations).map_err(|error| FigureError(error.to_string()))?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    evaluations: &[(&str, &Evaluation)],
) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Mean precision and recall over all queries", ("sans-serif", 20))
        .margin(16)
        .margin_right(28)
        .x_label_area_size(48)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_labels(11)
        .y_labels(11)
        .max_light_lines(1)
        .bold_line_style(RGBColor(225, 225, 225))
        .light_line_style(TRANSPARENT)
        .x_desc("recall")
        .y_desc("precision")
        .label_style(("sans-serif", 15))
        .axis_desc_style(("sans-serif", 17))
        .draw()?;
    for (index, (name, evaluation)) in evaluations.iter().enumerate() {
        let style = PALETTE[index % PALETTE.len()].stroke_width(3);
        let points = evaluation.curves.raw.iter().map(|point| (point.recall, point.precision));
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(format!("{name}, mAP {:.4}", evaluation.mean.average_precision))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .legend_area_size(34)
        .margin(14)
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(190, 190, 190))
        .label_font(("sans-serif", 16))
        .draw()?;
    root.present()?;
    drop(chart);
    Ok(())
}
