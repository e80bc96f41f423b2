//! A figure of each class, as an SVG plot of dots.

use plotters::coord::ranged1d::SegmentedCoord;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::svg::{FINE, FigureError, PALETTE, in_pixels};

/// Width in pixels, and of it that of the legend, to the right.
const WIDTH: u32 = 760;
const LEGEND: u32 = 150;
/// Height of a class, and of all around them.
const ROW: u32 = 34;
const AROUND: u32 = 90;

/// Draws one line for each class, the first at the top, and on it a dot for
/// each named series at its value for that class, between 0 and 1; a value that
/// is not a number has none. Returns the SVG document. `what` names the values.
///
/// The axis starts at the tenth below the smallest value. More than six series
/// repeat the colours.
///
/// # Errors
/// When the plotting library fails.
///
/// # Panics
/// When a series has not a value for each class.
pub fn per_class_svg(
    what: &str,
    classes: &[String],
    series: &[(&str, Vec<f64>)],
) -> Result<String, FigureError> {
    assert!(series.iter().all(|(_, values)| values.len() == classes.len()));
    let size = (WIDTH, AROUND + ROW * classes.len() as u32);
    let mut svg = String::new();
    draw(&mut svg, size, what, classes, series).map_err(|error| FigureError(error.to_string()))?;
    Ok(in_pixels(&svg, size))
}

fn draw(
    svg: &mut String,
    size: (u32, u32),
    what: &str,
    classes: &[String],
    series: &[(&str, Vec<f64>)],
) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, (size.0 * FINE, size.1 * FINE)).into_drawing_area();
    root.fill(&WHITE)?;
    let (plot, legend) = root.split_horizontally((WIDTH - LEGEND) * FINE);
    let values = series.iter().flat_map(|(_, values)| values).copied();
    let smallest = values.fold(1.0, f64::min).clamp(0.0, 0.9);
    let rows: SegmentedCoord<_> = (0..classes.len() as i32).into_segmented();
    let mut chart = ChartBuilder::on(&plot)
        .margin(16 * FINE)
        .x_label_area_size(44 * FINE)
        .y_label_area_size(110 * FINE)
        .build_cartesian_2d((10.0 * smallest).floor() / 10.0..1.0, rows)?;
    // The first class belongs at the top, where the axis ends.
    let class_of = |row: i32| classes.len() as i32 - 1 - row;
    let name = |row: &SegmentValue<i32>| match row {
        SegmentValue::CenterOf(row) | SegmentValue::Exact(row) => {
            usize::try_from(class_of(*row)).ok().and_then(|class| classes.get(class)).cloned()
        }
        SegmentValue::Last => None,
    };
    chart
        .configure_mesh()
        .x_labels(11)
        .y_labels(classes.len())
        .max_light_lines(1)
        .axis_style(BLACK.stroke_width(FINE))
        .bold_line_style(RGBColor(225, 225, 225).stroke_width(FINE))
        .light_line_style(TRANSPARENT)
        .x_desc(what)
        .y_label_formatter(&|row| name(row).unwrap_or_default())
        .label_style(("sans-serif", 15 * FINE))
        .axis_desc_style(("sans-serif", 17 * FINE))
        .draw()?;
    let radius = 6 * FINE as i32;
    for (index, (name, values)) in series.iter().enumerate() {
        let style = PALETTE[index % PALETTE.len()].filled();
        let dots = values.iter().enumerate().filter(|(_, value)| !value.is_nan());
        let dots = dots.map(|(class, &value)| {
            Circle::new((value, SegmentValue::CenterOf(class_of(class as i32))), radius, style)
        });
        chart.draw_series(dots)?;
        let at = |x: i32| (x * FINE as i32, (32 + 24 * index as i32) * FINE as i32);
        legend.draw(&Circle::new(at(8), radius, style))?;
        let font = ("sans-serif", 15 * FINE).into_text_style(&legend);
        let font = font.pos(Pos::new(HPos::Left, VPos::Center));
        legend.draw(&Text::new(name.to_string(), at(22), font))?;
    }
    root.present()?;
    drop(chart);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_a_line_and_each_series_its_dots() {
        let classes = ["cup", "pen & ink", "key"].map(String::from);
        let series = [("plain", vec![0.25, f64::NAN, 0.9]), ("best", vec![0.5, 0.75, 1.0])];
        let svg = per_class_svg("average precision", &classes, &series).unwrap();
        assert!(svg.starts_with("<svg width=\"760\" height=\"192\""), "{}", &svg[..80]);
        for text in ["cup", "pen &amp; ink", "key", "plain", "best", "average precision"] {
            assert!(svg.contains(text), "{text}");
        }
        // Five values, and a dot in the legend for each series.
        assert_eq!(svg.matches("<circle").count(), 5 + 2);
        // From the top down, and from left to right; then the legend's.
        let mut dots: Vec<[i32; 2]> = circles(&svg, "#D55E00");
        dots.truncate(3);
        assert!(dots.is_sorted_by(|a, b| a[0] < b[0] && a[1] < b[1]), "{dots:?}");
        // The axis starts below the smallest value.
        let tick = |text: &str| svg.contains(&format!(">\n{text}\n</text>"));
        assert!(tick("0.2") && tick("1.0") && !tick("0.1"), "{svg}");
    }

    /// The centres of the circles of a colour.
    fn circles(svg: &str, colour: &str) -> Vec<[i32; 2]> {
        let circles = svg.lines().filter(|l| l.starts_with("<circle") && l.contains(colour));
        let number = |line: &str, key: &str| -> i32 {
            let value = line.split(&format!("{key}=\"")).nth(1).unwrap();
            value.split('"').next().unwrap().parse().unwrap()
        };
        circles.map(|line| ["cx", "cy"].map(|key| number(line, key))).collect()
    }

    #[test]
    fn without_series_the_classes_remain() {
        assert!(per_class_svg("x", &["cup".to_string()], &[]).unwrap().contains("cup"));
    }
}
