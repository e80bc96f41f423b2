//! How times and memory grow, as an SVG plot.

use std::ops::Range;

use plotters::prelude::*;

use super::svg::{FINE, FigureError, PALETTE, in_pixels, short};

/// Width and height of one panel in pixels.
const PANEL: (u32, u32) = (420, 420);

/// One plot of the figure. Both axes are logarithmic.
#[derive(Clone, Debug)]
pub struct Panel<'a> {
    /// What grows, with its unit.
    pub y: &'a str,
    /// With what, with its unit.
    pub x: &'a str,
    /// Named lines of points (x, y), all above 0.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

/// Draws the panels side by side and returns the SVG document.
///
/// # Errors
/// When the plotting library fails.
pub fn scaling_svg(panels: &[Panel<'_>]) -> Result<String, FigureError> {
    let size = (PANEL.0 * panels.len() as u32, PANEL.1);
    let mut svg = String::new();
    let root =
        SVGBackend::with_string(&mut svg, (size.0 * FINE, size.1 * FINE)).into_drawing_area();
    let drawn = root.fill(&WHITE).map_err(Into::into).and_then(|()| {
        let areas = root.split_evenly((1, panels.len()));
        panels.iter().zip(&areas).try_for_each(|(panel, area)| draw(area, panel))?;
        Ok(root.present()?)
    });
    drawn.map_err(|error: Box<dyn std::error::Error>| FigureError(error.to_string()))?;
    drop(root);
    Ok(in_pixels(&svg, size))
}

/// A range that holds all values with some space around them.
fn around(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::MAX, 0.0), |(low, high), v| (v.min(low), v.max(high)));
    if low > high { 1.0..10.0 } else { low / 1.3..high * 1.3 }
}

/// What is marked of an axis over `range`: powers of ten, or as many steps between
/// them as give at least three marks.
fn ticks(range: &Range<f64>) -> Vec<f64> {
    // From 1 to below 10, in tenths.
    let steps: [&[u32]; 5] = [
        &[10],
        &[10, 20, 50],
        &[10, 20, 30, 40, 50, 60, 70, 80, 90],
        &(10..100).step_by(5).collect::<Vec<_>>(),
        &(10..100).collect::<Vec<_>>(),
    ];
    let decades = range.start.log10().floor() as i32..=range.end.log10().floor() as i32;
    let marks = steps.map(|steps| -> Vec<f64> {
        let of = |decade: i32| steps.iter().map(move |&s| f64::from(s) * 10f64.powi(decade - 1));
        decades.clone().flat_map(of).filter(|mark| range.contains(mark)).collect()
    });
    let [.., finest] = &marks;
    marks.iter().find(|marks| marks.len() >= 3).unwrap_or(finest).clone()
}

fn draw(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    panel: &Panel<'_>,
) -> Result<(), Box<dyn std::error::Error>> {
    let points = || panel.lines.iter().flat_map(|(_, points)| points);
    let axis = |range: Range<f64>| {
        let ticks = ticks(&range);
        LogCoord::from(range.log_scale()).with_key_points(ticks)
    };
    let mut chart = ChartBuilder::on(area)
        .margin(16 * FINE)
        .x_label_area_size(48 * FINE)
        .y_label_area_size(64 * FINE)
        .build_cartesian_2d(
            axis(around(points().map(|point| point.0))),
            axis(around(points().map(|point| point.1))),
        )?;
    chart
        .configure_mesh()
        .max_light_lines(1)
        .axis_style(BLACK.stroke_width(FINE))
        .set_all_tick_mark_size(5 * FINE)
        .bold_line_style(RGBColor(225, 225, 225).stroke_width(FINE))
        .light_line_style(TRANSPARENT)
        .x_desc(panel.x)
        .y_desc(panel.y)
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .label_style(("sans-serif", 13 * FINE))
        .axis_desc_style(("sans-serif", 15 * FINE))
        .draw()?;
    for (index, (name, points)) in panel.lines.iter().enumerate() {
        let colour = PALETTE[index % PALETTE.len()];
        let style = colour.stroke_width(3 * FINE);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24 * FINE as i32, y)], style));
        let dots = points.iter().map(|&point| Circle::new(point, 4 * FINE, colour.filled()));
        chart.draw_series(dots)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .legend_area_size(34 * FINE)
        .margin(10 * FINE)
        .background_style(WHITE)
        .label_font(("sans-serif", 14 * FINE))
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_an_entry_and_its_dots() {
        let line = |scale: f64| vec![(16.0, scale), (64.0, 2.0 * scale), (512.0, 9.0 * scale)];
        let lines = vec![("1 thread".to_owned(), line(2.0)), ("2 threads".to_owned(), line(1.0))];
        let panels = [
            Panel { x: "batch", y: "seconds", lines },
            Panel { x: "images", y: "megabytes", lines: Vec::new() },
        ];
        let svg = scaling_svg(&panels).unwrap();
        assert!(svg.starts_with("<svg width=\"840\" height=\"420\""), "{}", &svg[..80]);
        for text in ["1 thread", "2 threads", "batch", "seconds", "images", "megabytes"] {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(svg.matches("<circle").count(), 6);
    }

    #[test]
    fn an_axis_within_one_decade_is_marked_too() {
        let points = vec![(16.0, 3.5), (512.0, 7.2)];
        let lines = vec![("1 thread".to_owned(), points)];
        let svg = scaling_svg(&[Panel { x: "batch", y: "seconds", lines }]).unwrap();
        let text = |text: &str| svg.contains(&format!(">\n{text}\n</text>"));
        for mark in ["3", "4", "5", "20", "50", "100", "200", "500"] {
            assert!(text(mark), "{mark}");
        }
        for none in ["1", "10", "300", "600", "1000"] {
            assert!(!text(none), "{none}");
        }
    }

    #[test]
    fn marks_are_few_but_never_fewer_than_three() {
        let rounded = |range: Range<f64>| -> Vec<i64> {
            ticks(&range).into_iter().map(|mark| (mark * 1000.0).round() as i64).collect()
        };
        assert_eq!(rounded(0.9..2e3), [1_000, 10_000, 100_000, 1_000_000]);
        assert_eq!(rounded(0.15..3.0), [200, 500, 1_000, 2_000]);
        assert_eq!(rounded(3.5..7.2), [4_000, 5_000, 6_000, 7_000]);
        assert_eq!(rounded(1.9..3.2), [2_000, 2_500, 3_000]);
        assert_eq!(rounded(1.01..1.4), [1_100, 1_200, 1_300]);
        // The narrowest that is drawn.
        for start in 1..1000 {
            let range = around(std::iter::once(f64::from(start) * 0.01));
            let marks = ticks(&range);
            assert!((3..=20).contains(&marks.len()), "{range:?}: {marks:?}");
            assert!(marks.iter().all(|mark| range.contains(mark)));
        }
    }
}
