//! All models side by side.

use maud::{Markup, html};

use super::super::Report;
use super::super::page::{Section, wide};
use crate::device::grouped;
use crate::retrieval::{Evaluation, Figure, FigureRow, RANKING, figure_rows};

/// How many there are of something.
type Count = fn(&Evaluation) -> usize;

/// The section.
pub fn section(report: &Report<'_>) -> Section {
    let evaluations = report.evaluations();
    let rows = figure_rows(&evaluations);
    let intervals = rows.iter().flat_map(|row| &row.figures).flatten().any(|f| f.1.is_some());
    let counts: [(&str, Count); 2] =
        [("queries", |e| e.queries.len()), ("without relevant", |e| e.queries_without_relevant)];
    let body = html! {
        (tiles(report))
        div.beside {
            div {
                (wide("Figures of all models", html! { table.figures {
                    thead { tr {
                        th scope="col" { "figure" }
                        @for (name, _) in &evaluations { th scope="col" { (name) } }
                    } }
                    tbody {
                        @for row in &rows { (line(row)) }
                        @for (name, get) in counts { tr {
                            th scope="row" { (name) }
                            @for (_, evaluation) in &evaluations {
                                td { (grouped(get(evaluation) as u64)) }
                            }
                        } }
                    }
                } }))
                p.small {
                    @if intervals {
                        "In brackets: 95 % bootstrap interval over queries (accuracy: images). "
                    }
                    @if evaluations.len() > 1 { "Bold: the highest of a row. " }
                    (RANKING)
                }
            }
            dl { @for row in &rows {
                dt { (row.name) }
                dd { (row.definition) }
            } }
        }
    };
    Section { id: "comparison", title: "Comparison", body }
}

fn line(row: &FigureRow) -> Markup {
    let known = || row.figures.iter().flatten().map(|figure| figure.0);
    let best = known().fold(f64::MIN, f64::max);
    let several = known().count() > 1;
    html! { tr {
        th scope="row" { (row.name) }
        @for &figure in &row.figures {
            td { (cell(figure, several && figure.is_some_and(|(value, _)| value == best))) }
        }
    } }
}

fn cell(figure: Figure, best: bool) -> Markup {
    let Some((value, interval)) = figure else { return html! { "-" } };
    html! {
        @if best { strong { (format!("{value:.4}")) } } @else { (format!("{value:.4}")) }
        @if let Some([low, high]) = interval {
            " " span.interval { (format!("[{low:.4}, {high:.4}]")) }
        }
    }
}

/// What one wants to know of the first model before all else.
fn tiles(report: &Report<'_>) -> Markup {
    let first = report.first();
    let mean = &first.evaluation.mean;
    let mut tiles = vec![
        (format!("{:.4}", mean.average_precision), "mean average precision".to_owned()),
        (format!("{:.4}", mean.precision_at[0]), "precision@1".to_owned()),
    ];
    if let Some(model) = first.model {
        let kilobytes = |bytes: usize| format!("{:.1} KB", bytes as f64 / 1024.0);
        tiles.push((kilobytes(model.file().len()), "of flash for the model".to_owned()));
        let workspace = match model.quantized() {
            Some(quantized) => model.network.int8_workspace_bytes(quantized.packing),
            None => model.network.workspace_bytes(),
        };
        tiles.push((kilobytes(workspace), "of RAM as workspace".to_owned()));
    }
    html! { ul.tiles aria-label=(format!("{} in short", first.name)) {
        @for (value, what) in tiles { li { strong { (value) } span { (what) } } }
    } }
}
