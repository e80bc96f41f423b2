//! What smaller codes of the embeddings cost.

use maud::{PreEscaped, html};

use super::super::page::{Section, wide};
use super::super::{Report, ReportError};
use super::PLOT;
use crate::device::grouped;
use crate::figures::{Corner, FigureError, LineChart, Series, described, line_chart_svg};
use crate::quantize::table::{CodeRow, CodeTable};

/// mAP and recall@10 against bytes of an item, on a logarithmic axis.
pub fn figure(table: &CodeTable) -> Result<String, FigureError> {
    let logarithm = |row: &CodeRow| (row.bytes_per_item as f64).log2();
    let series = |label: &str, get: fn(&CodeRow) -> f64| Series {
        label: label.to_owned(),
        points: table.rows.iter().map(|row| [logarithm(row), get(row)]).collect(),
        dots: true,
    };
    let ends = table.rows.iter().map(logarithm);
    let (low, high) =
        ends.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x.floor()), high.max(x.ceil())));
    let chart = LineChart {
        size: PLOT,
        axes: ["bytes of an item", "mAP and recall@10"],
        ranges: [low - 0.25..high + 0.25, 0.0..1.05],
        ticks: [(high - low) as usize + 1, 11],
        numbers: [|x| format!("{:.0}", x.exp2()), |y| format!("{y:.1}")],
        legend: Some(Corner::LowerLeft),
        series: vec![
            series("mAP", |row| row.figures.mean_average_precision),
            series("recall@10", |row| row.figures.recall_at_10),
        ],
    };
    let each = table.rows.iter().map(|row| {
        let figures = &row.figures;
        format!(
            "{}: {} bytes, mAP {:.4}, recall@10 {:.4}",
            row.code, row.bytes_per_item, figures.mean_average_precision, figures.recall_at_10
        )
    });
    let description = each.collect::<Vec<_>>().join("; ");
    Ok(described(&line_chart_svg(&chart)?, "Codes of embeddings", &format!("{description}.")))
}

/// The section.
pub fn section(report: &Report<'_>) -> Result<Section, ReportError> {
    let body = match report.options.codes {
        None => html! { p { "Codes were not measured." } },
        Some(table) => html! {
            p {
                "What an item of a gallery takes in each code of the embeddings of "
                strong { (report.first().name) } ", and what it retrieves: " (grouped(table.images as u64))
                " images, each searching all others by the distances that a device computes."
            }
            div.beside {
                figure.plot { (PreEscaped(figure(table)?)) }
                div {
                    (wide("Codes of embeddings", html! { table {
                        thead { tr {
                            th scope="col" { "code" }
                            th scope="col" { "bytes" }
                            @for figure in ["mAP", "precision@1", "MAP@R", "recall@10"] {
                                th scope="col" { (figure) }
                            }
                        } }
                        tbody { @for row in &table.rows {
                            @let figures = &row.figures;
                            tr {
                                th scope="row" { (row.code) }
                                td { (grouped(row.bytes_per_item as u64)) }
                                @for figure in [figures.mean_average_precision, figures.precision_at_1,
                                    figures.map_at_r, figures.recall_at_10] {
                                    td { (format!("{figure:.4}")) }
                                }
                            }
                        } }
                    } }))
                    p.small {
                        "recall@10 is the share of the 10 nearest by exact f32 distances that are among the "
                        "10 nearest of the code. A two-stage search ranks a shortlist of " (table.shortlist)
                        " by Hamming distance with u8."
                    }
                }
            }
        },
    };
    Ok(Section { id: "codes", title: "Codes", body })
}
