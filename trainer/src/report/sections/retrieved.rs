//! What chosen, best and worst queries find.

use lookalike::Match;
use maud::{Markup, html};

use super::super::page::Section;
use super::super::picture::Pictures;
use super::super::{Found, Report, ReportError};

/// The section.
pub fn section(report: &Report<'_>, pictures: &Pictures<'_>) -> Result<Section, ReportError> {
    let first = report.first();
    let sheet = Sheet { report, pictures };
    let chosen = (0..first.chosen.len()).map(|place| {
        let rows =
            report.entries.iter().map(|entry| (Some(entry.name.as_str()), &entry.chosen[place]));
        sheet.query(&rows.collect::<Vec<_>>())
    });
    let chosen = chosen.collect::<Result<Vec<_>, _>>()?;
    let alone = |found: &[Found]| -> Result<Vec<Markup>, ReportError> {
        found.iter().map(|found| sheet.query(&[(None, found)])).collect()
    };
    let (best, worst) = (alone(&report.best)?, alone(&report.worst)?);
    let what = match report.options.queries {
        Some(_) => "The queries that were asked for.",
        None => "The first image of each class, of at most ten.",
    };
    let body = html! {
        p {
            "The images nearest to a query, nearest first. "
            span.key.query { "The query" } " is framed in blue, "
            span.key.right { "✓ right ones" } " of its class in green, "
            span.key.wrong { "✗ wrong ones" } " in red with their class below. "
            "AP is a query's average precision."
        }
        h3 { "Chosen queries" }
        p.small { (what) }
        @for query in &chosen { (query) }
        @for (title, order, queries) in
            [("Best queries", "highest", &best), ("Worst queries", "lowest", &worst)]
        {
            h3 { (title) }
            p.small {
                "Those with the " (order) " average precision under " (first.name)
                ", equal ones by index."
            }
            @for query in queries { (query) }
        }
    };
    Ok(Section { id: "retrieved", title: "Retrieved images", body })
}

struct Sheet<'a> {
    report: &'a Report<'a>,
    pictures: &'a Pictures<'a>,
}

impl Sheet<'_> {
    /// One query, and what it found under each of the named models.
    fn query(&self, rows: &[(Option<&str>, &Found)]) -> Result<Markup, ReportError> {
        let query = rows[0].1.query;
        let label = self.report.data.labels[query as usize];
        let class = self.report.class(label);
        let [width, height] = self.pictures.size();
        let uri = self.pictures.uri(query)?;
        let mut lists = Vec::new();
        for (name, found) in rows {
            lists.push(self.list(*name, label, found)?);
        }
        Ok(html! { div.search {
            figure {
                img.query src=(uri) width=(width) height=(height)
                    alt=(format!("Query, image {query}: {class}"));
                figcaption { strong { (class) } " " span { "image " (query) } }
            }
            div.lists { @for list in lists { (list) } }
        } })
    }

    fn list(&self, name: Option<&str>, label: u16, found: &Found) -> Result<Markup, ReportError> {
        let mut items = Vec::new();
        for (place, neighbour) in found.neighbours.iter().enumerate() {
            items.push(self.item(place + 1, label, neighbour)?);
        }
        let right = |neighbour: &&Match| self.report.data.labels[neighbour.id as usize] == label;
        let (right, all) = (found.neighbours.iter().filter(right).count(), found.neighbours.len());
        Ok(html! {
            p.small {
                @if let Some(name) = name { strong { (name) } ": " }
                (right) " of " (all) " right"
                @if let Some(precision) = found.average_precision {
                    ", AP " (format!("{precision:.4}"))
                }
            }
            ol { @for item in items { (item) } }
        })
    }

    fn item(&self, rank: usize, label: u16, found: &Match) -> Result<Markup, ReportError> {
        let Match { id, distance } = *found;
        let its = self.report.data.labels[id as usize];
        let (class, right) = (self.report.class(its), its == label);
        let verdict = if right { "right" } else { "wrong" };
        let uri = self.pictures.uri(id)?;
        let [width, height] = self.pictures.size();
        Ok(html! { li.(verdict) {
            img src=(uri) width=(width) height=(height) alt=(format!("{class}, {verdict}"))
                title=(format!("rank {rank}, image {id}: {class}, squared distance {distance:.4}"));
            span aria-hidden="true" { @if right { "✓" } @else { "✗ " (class) } }
        } })
    }
}
