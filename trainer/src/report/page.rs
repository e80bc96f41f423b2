//! What surrounds the sections: head, policy, style, script.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::Report;
use super::picture::uri;
use crate::device::grouped;

/// Colours and letters are those of the page of `trainer serve`.
const STYLE: &str =
    concat!(include_str!("../serve/page/theme.css"), include_str!("page/style.css"));
const SCRIPT: &str = include_str!("page/map.js");
const ICON: &str = include_str!("../serve/page/icon.svg");

/// A part of the page.
pub struct Section {
    /// Its address within the page.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What is below.
    pub body: Markup,
}

/// What a browser may do: show the pictures in the page, and use this very
/// style and this very script. Nothing that a class's name could smuggle in
/// would run, and nothing is fetched.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'; \
         base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// The whole document.
pub fn page(report: &Report<'_>, sections: &[Section]) -> String {
    let names: Vec<&str> = report.entries.iter().map(|entry| entry.name.as_str()).collect();
    let title = format!("Retrieval report: {}", names.join(", "));
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(concat!("lookalike-trainer ", env!("CARGO_PKG_VERSION")));
                title { (title) }
                link rel="icon" href=(uri("image/svg+xml", ICON.as_bytes()));
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { span aria-hidden="true" { (PreEscaped(ICON)) } "Retrieval report" }
                    p { (summary(report)) }
                }
                nav aria-label="Sections" {
                    ul { @for section in sections {
                        li { a href={ "#" (section.id) } { (section.title) } }
                    } }
                }
                main { @for section in sections {
                    section.card id=(section.id) aria-labelledby={ (section.id) "-title" } {
                        h2 id={ (section.id) "-title" } { (section.title) }
                        (section.body)
                    }
                } }
                footer {
                    p.small {
                        "Made by " code { "trainer report" } " " (env!("CARGO_PKG_VERSION"))
                        ". All of it is in this file; nothing is loaded from elsewhere."
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    document.into_string()
}

/// What was measured, in a sentence.
fn summary(report: &Report<'_>) -> Markup {
    let first = report.first();
    let classes = first.evaluation.per_class.len();
    html! {
        (grouped(report.data.len() as u64)) " images of " (classes) " classes (" (report.options.source)
        "). In detail: " strong { (first.name) }
        @if report.entries.len() > 1 {
            "; beside it: "
            @for (place, entry) in report.entries[1..].iter().enumerate() {
                @if place > 0 { ", " }
                (entry.name)
            }
        }
        "."
    }
}

/// A table that scrolls by itself where it is too wide for the window.
pub fn wide(label: &str, table: Markup) -> Markup {
    html! { div.wide role="region" aria-label=(label) tabindex="0" { (table) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_what_is_in_the_page() {
        let policy = policy();
        assert!(policy.starts_with("default-src 'none'; img-src data:; style-src 'sha256-"));
        assert!(!policy.contains("unsafe") && !policy.contains("http"));
        // An element's text ends at the first closing tag.
        assert!(!STYLE.contains("</") && !SCRIPT.contains("</"));
        for part in ["url(", "@import", "fetch(", "XMLHttpRequest", "innerHTML", "eval("] {
            assert!(!STYLE.contains(part) && !SCRIPT.contains(part), "{part}");
        }
    }
}
