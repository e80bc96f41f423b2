//! Each class by itself, and what it is taken for.

use maud::{Markup, html};

use super::super::Report;
use super::super::page::{Section, wide};
use super::percent;
use crate::device::grouped;

/// More classes have no matrix of confusions, only the list of the most frequent.
const MATRIX: usize = 30;
/// Mistakes listed.
const LISTED: usize = 12;

/// The section.
pub fn section(report: &Report<'_>) -> Section {
    let body = html! {
        div.beside {
            div {
                h3 { "Figures of each class" }
                (figures(report))
                p.small {
                    "Means over the queries of a class, to which all other images of it are relevant."
                }
            }
            div {
                h3 { "What is taken for what" }
                (confusion(report))
            }
        }
        (mistakes(report))
    };
    Section { id: "classes", title: "Classes", body }
}

fn figures(report: &Report<'_>) -> Markup {
    let (first, others) = (report.first(), &report.entries[1..]);
    wide(
        "Figures of each class",
        html! { table.figures {
            caption {
                "Of " (first.name)
                @if !others.is_empty() { ", and mAP of the others on the right" }
            }
            thead { tr {
                th scope="col" { "class" }
                th scope="col" { "queries" }
                th scope="col" colspan="2" { "mAP" }
                th scope="col" { "R-precision" }
                th scope="col" { "precision@1" }
                @for other in others { th scope="col" { "mAP, " (other.name) } }
            } }
            tbody { @for class in &first.evaluation.per_class { tr {
                th scope="row" { (class.name) }
                td { (grouped(class.queries as u64)) }
                td.barred { (bar(class.mean.average_precision)) }
                @for figure in [class.mean.average_precision, class.mean.r_precision, class.mean.precision_at[0]] {
                    td { (format!("{figure:.4}")) }
                }
                @for other in others {
                    td { @match other.evaluation.per_class.iter().find(|c| c.label == class.label) {
                        Some(class) => (format!("{:.4}", class.mean.average_precision)),
                        None => "-",
                    } }
                }
            } } }
        } },
    )
}

/// A value between 0 and 1 as a bar; the number stands beside it.
fn bar(value: f64) -> Markup {
    html! {
        svg.bar viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.ground width="100" height="8" {}
            rect width=(format!("{:.1}", 100.0 * value)) height="8" {}
        }
    }
}

fn confusion(report: &Report<'_>) -> Markup {
    let confusion = &report.confusion;
    let (right, all) = confusion.right();
    let present = confusion.present();
    html! {
        p {
            "Each image is taken for the class of its nearest other image under " (report.first().name)
            ": " (grouped(right as u64)) " of " (grouped(all as u64)) " are right ("
            (percent(right as f64 / all.max(1) as f64)) ")."
        }
        @if present.len() <= MATRIX { (matrix(report, &present)) }
    }
}

fn mistakes(report: &Report<'_>) -> Markup {
    let confusion = &report.confusion;
    let mistakes = confusion.mistakes();
    html! {
        h3 { "The most frequent mistakes" }
        @if mistakes.is_empty() { p { "None: no image is taken for another class." } } @else {
            ol.mistakes { @for &(class, taken_for, count) in mistakes.iter().take(LISTED) {
                li {
                    strong { (report.class(class)) } " taken for " strong { (report.class(taken_for)) }
                    ": " (count) " of " (grouped(confusion.images(class) as u64)) " ("
                    (percent(count as f64 / confusion.images(class) as f64)) ")"
                }
            } }
        }
    }
}

/// Rows are classes, columns what they are taken for.
fn matrix(report: &Report<'_>, present: &[u16]) -> Markup {
    let confusion = &report.confusion;
    let most = confusion.mistakes().first().map_or(1, |mistake| mistake.2);
    let shade = |class: u16, taken_for: u16, count: usize| match count {
        _ if class == taken_for => "own".to_owned(),
        0 => "none".to_owned(),
        // Five shades of red, by the share of the most frequent mistake.
        count => format!("shade{}", (5 * count).div_ceil(most)),
    };
    wide(
        "Confusion matrix",
        html! { table.confusion {
            caption { "Rows: the class. Columns: the class it is taken for." }
            thead { tr {
                td {}
                @for &taken_for in present { th scope="col" { span { (report.class(taken_for)) } } }
            } }
            tbody { @for &class in present { tr {
                th scope="row" { (report.class(class)) }
                @for &taken_for in present {
                    @let count = confusion.count(class, taken_for);
                    td class=(shade(class, taken_for, count)) { (count) }
                }
            } } }
        } },
    )
}
