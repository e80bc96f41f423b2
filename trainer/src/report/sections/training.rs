//! How training went.

use maud::{Markup, PreEscaped, html};

use super::super::page::{Section, wide};
use super::super::{Entry, Report, ReportError};
use crate::figures::{Corner, FigureError, LineChart, Series, described, line_chart_svg, short};
use crate::train::EpochStats;

/// Width and height of a plot in pixels.
const SIZE: (u32, u32) = (480, 300);

/// A figure of an epoch, if it is known.
type Quantity = fn(&EpochStats) -> Option<f64>;
/// What it is called in a legend, and what it is.
type Line = (&'static str, Quantity);

/// Quantities that share a plot: a name for a file, what they are, each of them.
const PLOTS: [(&str, &str, &[Line]); 4] = [
    ("loss", "loss", &[("loss", |e| Some(e.loss))]),
    (
        "distances",
        "mean squared distance",
        &[
            ("to the same class", |e| Some(e.pairs?.positive)),
            ("to other classes", |e| Some(e.pairs?.negative)),
        ],
    ),
    ("accuracy", "training accuracy", &[("training accuracy", |e| e.accuracy)]),
    ("active", "share of active triplets", &[("share of active triplets", |e| e.pairs?.active)]),
];

/// The plots that there is something for, each with a name for a file.
pub fn figures(entry: &Entry<'_>) -> Result<Vec<(&'static str, String)>, FigureError> {
    let epochs = entry.training.as_deref().unwrap_or_default();
    let mut figures = Vec::new();
    for (file, what, lines) in PLOTS {
        let series: Vec<Series> = lines
            .iter()
            .map(|&(label, get)| Series {
                label: label.to_owned(),
                points: (1..)
                    .zip(epochs)
                    .filter_map(|(x, e)| Some([f64::from(x), get(e)?]))
                    .collect(),
                // A single point makes no line.
                dots: epochs.len() == 1,
            })
            .filter(|series| !series.points.is_empty())
            .collect();
        if !series.is_empty() {
            figures.push((file, plot(entry, what, series)?));
        }
    }
    Ok(figures)
}

fn plot(entry: &Entry<'_>, what: &str, series: Vec<Series>) -> Result<String, FigureError> {
    let values = || series.iter().flat_map(|series| &series.points).map(|point| point[1]);
    let (low, high) = (values().fold(0.0, f64::min), values().fold(1e-6, f64::max));
    let epochs = entry.training.as_ref().map_or(0, Vec::len);
    let each = series.iter().map(|Series { label, points, .. }| {
        let [from, to] = [0, points.len() - 1].map(|place| short(points[place][1]));
        format!("{label} from {from} to {to}")
    });
    let description = format!("{} epochs: {}.", epochs, each.collect::<Vec<_>>().join(", "));
    let title = format!("Training of {}: {what} by epoch", entry.name);
    // Above all lines there is room for a legend, where there is one.
    let (legend, room) = match series.len() {
        1 => (None, 1.05),
        _ => (Some(Corner::UpperRight), 1.45),
    };
    let chart = LineChart {
        size: SIZE,
        axes: ["epoch", what],
        ranges: [1.0..epochs.max(2) as f64, low..high * room],
        ticks: [epochs.clamp(2, 10), 6],
        numbers: [|epoch| format!("{epoch:.0}"), short],
        legend,
        series,
    };
    Ok(described(&line_chart_svg(&chart)?, &title, &description))
}

/// The section.
pub fn section(report: &Report<'_>) -> Result<Section, ReportError> {
    let mut parts = Vec::new();
    for entry in report.entries.iter().filter(|entry| entry.model.is_some()) {
        parts.push(part(entry)?);
    }
    let body = html! { @for part in parts { (part) } };
    Ok(Section { id: "training", title: "Training", body })
}

fn part(entry: &Entry<'_>) -> Result<Markup, ReportError> {
    let Some(epochs) = entry.training.as_deref().filter(|epochs| !epochs.is_empty()) else {
        return Ok(html! {
            h3 { (entry.name) }
            p { "No figures of its training lie beside the model." }
        });
    };
    let figures = figures(entry)?;
    let columns: Vec<(String, Quantity)> = PLOTS
        .iter()
        .flat_map(|&(_, what, lines)| {
            let heading = move |label: &str| match lines {
                [_] => label.to_owned(),
                _ => format!("{what} {label}"),
            };
            lines.iter().map(move |&(label, get)| (heading(label), get))
        })
        .filter(|(_, get)| epochs.iter().any(|stats| get(stats).is_some()))
        .collect();
    Ok(html! {
        h3 { (entry.name) }
        div.plots { @for (_, svg) in &figures { figure.plot { (PreEscaped(svg)) } } }
        details {
            summary { "As a table" }
            (wide(&format!("Training of {}", entry.name), html! { table {
                thead { tr {
                    th scope="col" { "epoch" }
                    @for (heading, _) in &columns { th scope="col" { (heading) } }
                } }
                tbody { @for (epoch, stats) in (1..).zip(epochs) { tr {
                    th scope="row" { (epoch) }
                    @for (_, get) in &columns {
                        td { (get(stats).map_or("-".into(), |value| format!("{value:.4}"))) }
                    }
                } } }
            } }))
        }
    })
}
