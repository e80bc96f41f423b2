//! Precision against recall of all models in one plot.

use maud::{PreEscaped, html};

use super::super::page::{Section, wide};
use super::super::{Report, ReportError};
use super::PLOT;
use crate::figures::{Curve, FigureError, curves_chart, described, line_chart_svg};
use crate::retrieval::curve::LEVELS;

/// The plot.
pub fn figure(report: &Report<'_>) -> Result<String, FigureError> {
    let evaluations = report.evaluations();
    let curves: Vec<Curve<'_>> = evaluations.iter().map(|(name, e)| Curve::of(name, e)).collect();
    let svg = line_chart_svg(&curves_chart(&curves, PLOT))?;
    let each = evaluations.iter().map(|(name, e)| {
        format!("{name} has a mean average precision of {:.4}", e.mean.average_precision)
    });
    let description = format!("One line for each model. {}.", each.collect::<Vec<_>>().join("; "));
    Ok(described(&svg, "Precision against recall", &description))
}

/// The section.
pub fn section(report: &Report<'_>) -> Result<Section, ReportError> {
    let svg = figure(report)?;
    let evaluations = report.evaluations();
    let body = html! {
        div.beside {
            div {
                figure.plot { (PreEscaped(svg)) }
                p.small {
                    "Each point of a line is a number of nearest images taken: the mean over queries of their "
                    "precision and of their recall."
                }
            }
            div {
                (wide("Interpolated precision", html! { table {
                    caption { "Precision at 11 levels of recall" }
                    thead { tr {
                        th scope="col" { "recall" }
                        @for (name, _) in &evaluations { th scope="col" { (name) } }
                    } }
                    tbody { @for level in 0..LEVELS { tr {
                        th scope="row" { (format!("{:.1}", level as f64 / (LEVELS - 1) as f64)) }
                        @for (_, evaluation) in &evaluations {
                            td { (format!("{:.4}", evaluation.curves.interpolated[level])) }
                        }
                    } } }
                } }))
                p.small {
                    "The mean over queries of the highest precision at any rank where the query's recall "
                    "is at least the level."
                }
            }
        }
    };
    Ok(Section { id: "curves", title: "Precision and recall", body })
}
