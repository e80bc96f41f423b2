//! Precision-recall curves as an SVG plot.

use super::lines::{Corner, LineChart, Series, line_chart_svg};
use super::svg::FigureError;
use crate::retrieval::Evaluation;

/// Width and height in pixels.
const SIZE: (u32, u32) = (720, 600);

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
    line_chart_svg(&chart(curves, SIZE))
}

/// The chart of curves, in any size.
pub fn chart(curves: &[Curve<'_>], size: (u32, u32)) -> LineChart<'static> {
    let tenths: fn(f64) -> String = |value| format!("{value:.1}");
    let series = curves.iter().map(|curve| Series {
        label: format!("{}, mAP {:.4}", curve.name, curve.mean_average_precision),
        points: curve.points.clone(),
        dots: false,
    });
    LineChart {
        size,
        axes: ["recall, mean over queries", "precision, mean over queries"],
        ranges: [0.0..1.0, 0.0..1.0],
        ticks: [11; 2],
        numbers: [tenths; 2],
        legend: Some(Corner::LowerLeft),
        series: series.collect(),
    }
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
