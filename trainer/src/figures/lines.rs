//! Lines and dots over two axes, as an SVG plot.

use std::ops::Range;

use plotters::prelude::*;

use super::svg::{FINE, FigureError, PALETTE, in_pixels};

/// A plot of named series.
#[derive(Clone, Debug)]
pub struct LineChart<'a> {
    /// Width and height in pixels. Letters have the same size in all plots.
    pub size: (u32, u32),
    /// What lies along the axes, with units.
    pub axes: [&'a str; 2],
    /// Where the axes begin and end.
    pub ranges: [Range<f64>; 2],
    /// The most numbers along the axes.
    pub ticks: [usize; 2],
    /// How the axes' numbers are written.
    pub numbers: [fn(f64) -> String; 2],
    /// Where the legend is, if there is one.
    pub legend: Option<Corner>,
    /// What is shown.
    pub series: Vec<Series>,
}

/// A line or dots, with an entry in the legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The entry.
    pub label: String,
    /// By ascending x.
    pub points: Vec<[f64; 2]>,
    /// Whether the points are dots; else a line goes through them.
    pub dots: bool,
}

/// Where a legend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corner {
    /// Below, on the left.
    LowerLeft,
    /// Above, on the right.
    UpperRight,
}

/// How the lines differ besides their colours, in [`FINE`] units.
const DASHES: [&str; 6] = ["", "120 56", "32 40", "120 40 32 40", "64 32", "200 48 64 48"];

/// Draws the chart and returns the SVG document.
///
/// More than six series repeat colours and dashes.
///
/// # Errors
/// When the plotting library fails.
pub fn line_chart_svg(chart: &LineChart<'_>) -> Result<String, FigureError> {
    let mut svg = String::new();
    draw(&mut svg, chart).map_err(|error| FigureError(error.to_string()))?;
    Ok(dashed(in_pixels(&svg, chart.size)))
}

/// Gives the strokes of each colour of the palette but the first its dashes.
fn dashed(mut svg: String) -> String {
    for (colour, dashes) in PALETTE.iter().zip(DASHES).skip(1) {
        // Axes are black as well, but thinner.
        let width = 3 * FINE;
        let RGBColor(red, green, blue) = colour;
        let stroke = format!("stroke=\"#{red:02X}{green:02X}{blue:02X}\" stroke-width=\"{width}\"");
        svg = svg.replace(&stroke, &format!("{stroke} stroke-dasharray=\"{dashes}\""));
    }
    svg
}

fn draw(svg: &mut String, plot: &LineChart<'_>) -> Result<(), Box<dyn std::error::Error>> {
    let size = (plot.size.0 * FINE, plot.size.1 * FINE);
    let root = SVGBackend::with_string(svg, size).into_drawing_area();
    root.fill(&WHITE)?;
    let [x, y] = plot.ranges.clone();
    let mut chart = ChartBuilder::on(&root)
        .margin(16 * FINE)
        .margin_right(28 * FINE)
        .x_label_area_size(48 * FINE)
        .y_label_area_size(60 * FINE)
        .build_cartesian_2d(x, y)?;
    let [x_number, y_number] = plot.numbers;
    chart
        .configure_mesh()
        .x_labels(plot.ticks[0])
        .y_labels(plot.ticks[1])
        .max_light_lines(1)
        .axis_style(BLACK.stroke_width(FINE))
        .set_all_tick_mark_size(5 * FINE)
        .bold_line_style(RGBColor(225, 225, 225).stroke_width(FINE))
        .light_line_style(TRANSPARENT)
        .x_desc(plot.axes[0])
        .y_desc(plot.axes[1])
        .x_label_formatter(&|value| x_number(*value))
        .y_label_formatter(&|value| y_number(*value))
        .label_style(("sans-serif", 15 * FINE))
        .axis_desc_style(("sans-serif", 17 * FINE))
        .draw()?;
    for (index, series) in plot.series.iter().enumerate() {
        let colour = PALETTE[index % PALETTE.len()];
        let points = series.points.iter().map(|&[x, y]| (x, y));
        let radius = 6 * FINE as i32;
        let middle = |(x, y): (i32, i32)| (x + 12 * FINE as i32, y);
        if series.dots && index.is_multiple_of(2) {
            chart
                .draw_series(points.map(|at| Circle::new(at, radius, colour.filled())))?
                .label(&series.label)
                .legend(move |at| Circle::new(middle(at), radius, colour.filled()));
        } else if series.dots {
            // No circles, so that colour does not tell them apart alone.
            chart
                .draw_series(points.map(|at| TriangleMarker::new(at, radius, colour.filled())))?
                .label(&series.label)
                .legend(move |at| TriangleMarker::new(middle(at), radius, colour.filled()));
        } else {
            let style = colour.stroke_width(3 * FINE);
            chart
                .draw_series(LineSeries::new(points, style))?
                .label(&series.label)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 24 * FINE as i32, y)], style));
        }
    }
    if let Some(corner) = plot.legend {
        chart
            .configure_series_labels()
            .position(match corner {
                Corner::LowerLeft => SeriesLabelPosition::LowerLeft,
                Corner::UpperRight => SeriesLabelPosition::UpperRight,
            })
            .legend_area_size(34 * FINE)
            .margin(14 * FINE)
            .background_style(WHITE)
            .label_font(("sans-serif", 16 * FINE))
            .draw()?;
    }
    root.present()?;
    drop(chart);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(series: Vec<Series>) -> LineChart<'static> {
        LineChart {
            size: (480, 360),
            axes: ["epoch", "loss"],
            ranges: [1.0..4.0, 0.0..2.0],
            ticks: [4, 5],
            numbers: [|value| format!("{value:.0}"), |value| format!("{value:.1}")],
            legend: Some(Corner::UpperRight),
            series,
        }
    }

    #[test]
    fn lines_differ_in_colour_and_dashes_and_dots_in_shape() {
        let series = |label: &str, dots| Series {
            label: label.into(),
            points: vec![[1.0, 1.5], [2.0, 0.5]],
            dots,
        };
        let lines = chart(vec![series("a & b", false), series("c", false)]);
        let svg = line_chart_svg(&lines).unwrap();
        assert!(svg.starts_with("<svg width=\"480\" height=\"360\""), "{}", &svg[..80]);
        for text in ["a &amp; b", "epoch", "loss", ">\n4\n<", ">\n1.5\n<"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert_eq!(svg.matches("stroke=\"#0072B2\"").count(), 2);
        assert_eq!(svg.matches("stroke-dasharray").count(), 2);
        let svg = line_chart_svg(&chart(vec![series("a", true), series("c", true)])).unwrap();
        assert_eq!([svg.matches("<circle").count(), svg.matches("<polygon").count()], [3, 3]);
    }
}
