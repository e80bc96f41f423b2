//! `docs/results.md`: the template with its tables.

use std::fmt::Write;

use super::experiments::{Besides, Classes, Data, METHODS, PLOTTED, Run, UNSEEN, Unseen};
use super::measure::Sets;
use super::summary::{ClosedRow, FewShotRow, Stat, Summary};

const TEMPLATE: &str = include_str!("results.md");

/// The classes whose figures stand beside each other.
const CLASS_COLUMNS: [&str; 3] = ["cross-entropy", "triplet", "best"];

/// The methods whose commands are given in full.
const BEST: &str = "best";
const OPEN_SET: &str = "open-set";

/// What the text tells of the call.
pub struct Call<'a> {
    /// The seeds.
    pub seeds: &'a [u64],
    /// Measurements that are missing.
    pub missing: usize,
    /// With `--quick`.
    pub quick: bool,
}

/// The file name of a figure.
pub fn figure_name(kind: &str, data: Data) -> String {
    format!("results-{kind}-{}.svg", data.key())
}

/// The document.
pub fn render(summary: &Summary<'_>, sets: &Sets, call: &Call<'_>) -> String {
    fill(TEMPLATE, |name| {
        let of = |prefix: &str| -> Option<Data> { name.strip_prefix(prefix)?.parse().ok() };
        Some(match name {
            "notice" => notice(call),
            "seeds" => list(call.seeds),
            "methods" => methods(),
            "given-besides" => besides(sets),
            "recipes" => recipes(),
            "threads" => threads(summary),
            "unseen-summary" => unseen_summary(summary, sets),
            "unseen" => UNSEEN.iter().map(|u| unseen_table(summary, sets, u, call)).collect(),
            "int8" => int8_table(summary),
            _ => match (of("closed-"), of("classes-"), of("train-")) {
                (Some(data), ..) => closed_table(&summary.closed(data)),
                (_, Some(data), _) => class_table(&summary.closed(data)),
                (.., Some(data)) => train_command(BEST, (data, Classes::All), "", call),
                _ => return None,
            },
        })
    })
}

/// Replaces each `{{name}}` of a template.
///
/// # Panics
/// When `value` knows no such name: the template is part of the program.
fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("a placeholder ends");
        text.push_str(before);
        let filled = value(name).unwrap_or_else(|| panic!("no value for {name}"));
        text.push_str(filled.trim_end_matches('\n'));
        rest = after;
    }
    text + rest
}

/// Paragraphs below the title.
fn notice(call: &Call<'_>) -> String {
    let mut text = String::new();
    if call.quick {
        text.push_str("\n\n> Made with `--quick`, from few images in two epochs: a trial of the command, whose figures mean nothing.");
    }
    if call.missing > 0 {
        let _ = write!(
            text,
            "\n\n> Incomplete: {} measurements have not been made yet, and `-` stands in their place or means are over fewer seeds.",
            call.missing
        );
    }
    text
}

fn list<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

/// A Markdown table; figures to the right.
fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text =
        format!("| {} |\n|---|{}\n", headings.join(" | "), "---:|".repeat(headings.len() - 1));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

fn cell(stat: Option<Stat>) -> String {
    stat.map_or("-".to_owned(), |stat| stat.to_string())
}

fn methods() -> String {
    let mut text = String::from("| method | options of `trainer train` |\n|---|---|\n");
    for method in &METHODS {
        let _ = writeln!(text, "| {} | `{}` |", method.name, method.flags());
    }
    text
}

fn besides(sets: &Sets) -> String {
    let mut text = String::from("| trained on | method | options besides |\n|---|---|---|\n");
    for row in Besides::all() {
        let places: Vec<String> =
            row.places.iter().map(|&place| classes_text(sets, place)).collect();
        let (places, methods) = (places.join(", "), row.methods.join(", "));
        let _ = writeln!(text, "| {places} | {methods} | `{}` |", row.flags());
    }
    text
}

fn recipes() -> String {
    let mut text = String::new();
    for method in &METHODS {
        if let Some(toml) = method.recipe() {
            let _ = writeln!(text, "```toml\n# {}\n{}\n```\n", method.name, toml.trim_end());
        }
    }
    text
}

/// The numbers of threads that models were trained with.
fn threads(summary: &Summary<'_>) -> String {
    let mut threads: Vec<usize> = Data::ALL
        .into_iter()
        .flat_map(|data| summary.closed(data))
        .flat_map(|row| row.threads)
        .collect();
    threads.sort_unstable();
    threads.dedup();
    match threads.as_slice() {
        [] => "no threads yet".into(),
        [1] => "one thread".into(),
        [one] => format!("{one} threads"),
        several => format!(
            "{} threads",
            several.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ")
        ),
    }
}

fn closed_table(rows: &[ClosedRow]) -> String {
    let headings =
        ["method", "accuracy", "mAP", "MAP@R", "R-precision", "precision@1", "training, s"];
    let mut text = table(
        &headings,
        rows.iter().map(|row| {
            let f = &row.figures;
            let figures =
                [f.accuracy, f.mean_average_precision, f.map_at_r, f.r_precision, f.precision_at_1];
            let seconds = row.seconds.map_or("-".to_owned(), |s| format!("{:.0}", s.mean));
            let cells = figures.into_iter().map(cell);
            std::iter::once(row.method.to_owned()).chain(cells).chain([seconds]).collect()
        }),
    );
    for row in rows {
        for failure in &row.failures {
            let _ = writeln!(text, "\nNot trained: {}, {failure}.", row.method);
        }
    }
    text
}

fn class_table(rows: &[ClosedRow]) -> String {
    let columns: Vec<&ClosedRow> = CLASS_COLUMNS
        .iter()
        .filter_map(|name| rows.iter().find(|row| row.method == *name))
        .collect();
    let mut headings = vec!["class".to_owned(), "queries".to_owned()];
    headings.extend(columns.iter().map(|row| format!("{}, mAP", row.method)));
    headings.push(format!("{}, precision@1", CLASS_COLUMNS[2]));
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let longest = columns.iter().map(|row| &row.classes).max_by_key(|classes| classes.len());
    let classes = longest.map_or(&[][..], Vec::as_slice);
    table(
        &headings,
        classes.iter().enumerate().map(|(place, class)| {
            let mut cells = vec![class.name.clone(), class.queries.to_string()];
            let of = |row: &ClosedRow| row.classes.get(place).cloned();
            cells.extend(columns.iter().map(|row| cell(of(row).map(|c| c.mean_average_precision))));
            let best = columns.iter().find(|row| row.method == CLASS_COLUMNS[2]);
            cells.push(cell(best.and_then(|row| of(row)).map(|class| class.precision_at_1)));
            cells
        }),
    )
}

/// Classes by their numbers.
fn classes_text(sets: &Sets, (data, classes): (Data, Classes)) -> String {
    let numbers = classes.of(sets.class_count(data));
    match (classes, numbers.first(), numbers.last()) {
        (Classes::All, ..) => data.title().to_owned(),
        (_, Some(first), Some(last)) => format!("{} {first}-{last}", data.title()),
        _ => format!("{} without classes", data.title()),
    }
}

fn unseen_summary(summary: &Summary<'_>, sets: &Sets) -> String {
    let tables: Vec<_> = UNSEEN.iter().map(|unseen| summary.unseen(unseen)).collect();
    let headings: Vec<String> = UNSEEN
        .iter()
        .map(|u| format!("{} → {}", classes_text(sets, u.trained), classes_text(sets, u.measured)))
        .collect();
    let headings: Vec<&str> =
        std::iter::once("mAP").chain(headings.iter().map(String::as_str)).collect();
    table(
        &headings,
        (0..tables[0].len()).map(|row| {
            let cells = tables.iter().map(|rows| cell(rows[row].figures.mean_average_precision));
            std::iter::once(tables[0][row].name.to_owned()).chain(cells).collect()
        }),
    )
}

fn unseen_table(summary: &Summary<'_>, sets: &Sets, unseen: &Unseen, call: &Call<'_>) -> String {
    let (from, to) = (classes_text(sets, unseen.trained), classes_text(sets, unseen.measured));
    let numbers = unseen.measured.1.of(sets.class_count(unseen.measured.0));
    let beside = unseen.measured.1 != Classes::All;
    let mut headings = vec!["method", "mAP", "MAP@R", "1 shot", "5 shots", "5 shots, prototype"];
    if beside {
        headings.extend(["1 shot, all", "5 shots, all", "5 shots, all, prototype"]);
    }
    let rows = summary.unseen(unseen).into_iter().map(|row| {
        let shot = |shots: usize, figure: fn(&FewShotRow) -> Stat| {
            cell(row.few_shot.get(&shots).map(figure))
        };
        let mut cells = vec![
            row.name.to_owned(),
            cell(row.figures.mean_average_precision),
            cell(row.figures.map_at_r),
            shot(1, |row| row.item_among_unseen),
            shot(5, |row| row.item_among_unseen),
            shot(5, |row| row.prototype_among_unseen),
        ];
        if beside {
            cells.extend([
                shot(1, |row| row.item_among_all),
                shot(5, |row| row.item_among_all),
                shot(5, |row| row.prototype_among_all),
            ]);
        }
        cells
    });
    format!(
        "### Trained on {from}, measured on {to}\n\n{}\n{}\n",
        table(&headings, rows),
        unseen_commands(unseen, &list(&numbers), call)
    )
}

/// How the row of `open-set` in such a table is made by hand.
fn unseen_commands(unseen: &Unseen, classes: &str, call: &Call<'_>) -> String {
    let with = |option: &str| match unseen.measured.1 {
        Classes::All => String::new(),
        _ => format!(" {option} {classes}"),
    };
    let (exclude, only) = (with("--exclude-classes"), with("--only-classes"));
    let unseen_option = with("--unseen");
    let train = train_command(OPEN_SET, unseen.trained, &exclude, call);
    let to = data_option(unseen.measured.0);
    format!(
        "```sh\n{train}\n\
         trainer evaluate a.model{to}{only}\n\
         trainer evaluate a.model{to} --few-shot{unseen_option} --shots 1,5\n```\n"
    )
}

/// How a method's model is trained by hand, from the first seed.
fn train_command(
    method: &str,
    (data, seen): (Data, Classes),
    exclude: &str,
    call: &Call<'_>,
) -> String {
    let run = Run::of(method, data, seen, call.seeds.first().copied().unwrap_or(0));
    let run = run.expect("a run of the table");
    let (flags, data) = (run.flags(), data_option(data));
    format!("trainer train {flags}{data}{exclude} --seed {} --out a.model", run.seed)
}

fn data_option(data: Data) -> &'static str {
    match data {
        Data::Mnist => "",
        Data::Fashion => " --data FASHION",
    }
}

fn int8_table(summary: &Summary<'_>) -> String {
    let headings =
        ["model", "f32, mAP", "int8, mAP", "change of mAP", "int8, precision@1", "int8, accuracy"];
    let rows = Data::ALL.into_iter().flat_map(|data| {
        summary.int8(data).into_iter().map(move |row| {
            let change = row.map_change.map_or("-".to_owned(), |change| {
                let deviation = change.standard_deviation;
                let deviation = deviation.map_or(String::new(), |d| format!(" ± {d:.4}"));
                format!("{:+.4}{deviation}", change.mean)
            });
            vec![
                format!("{}, {}", data.title(), row.method),
                cell(row.float.mean_average_precision),
                cell(row.int8.mean_average_precision),
                change,
                cell(row.int8.precision_at_1),
                cell(row.int8.accuracy),
            ]
        })
    });
    table(&headings, rows)
}

/// The names of the methods whose curves are drawn.
pub fn plotted() -> impl Iterator<Item = &'static str> {
    PLOTTED.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled() {
        let value = |name: &str| Some(format!("[{name}]\n"));
        assert_eq!(fill("a {{x}}, {{y-z}}.\n", value), "a [x], [y-z].\n");
        assert_eq!(fill("none", value), "none");
    }

    #[test]
    fn without_a_notice_no_line_is_left_for_it() {
        let of = |missing, quick| notice(&Call { seeds: &[0], missing, quick });
        assert_eq!(of(0, false), "");
        let both = of(2, true);
        assert!(both.starts_with("\n\n> Made with") && both.contains(".\n\n> Incomplete: 2 "));
        assert!(TEMPLATE.starts_with("# Results{{notice}}\n\nWhat") && !both.ends_with('\n'));
    }

    #[test]
    fn commands_are_whole() {
        let call = Call { seeds: &[3, 4], missing: 0, quick: false };
        let train = train_command(BEST, (Data::Mnist, Classes::All), "", &call);
        assert_eq!(train, "trainer train --recipe best --seed 3 --out a.model");
        let commands = unseen_commands(&UNSEEN[0], "5,6,7,8,9", &call);
        assert_eq!(
            commands,
            "```sh\n\
             trainer train --recipe open-set --data FASHION --exclude-classes 5,6,7,8,9 --seed 3 --out a.model\n\
             trainer evaluate a.model --data FASHION --only-classes 5,6,7,8,9\n\
             trainer evaluate a.model --data FASHION --few-shot --unseen 5,6,7,8,9 --shots 1,5\n\
             ```\n"
        );
        let across = unseen_commands(&UNSEEN[4], "", &call);
        assert!(across.contains("evaluate a.model --data FASHION\n"), "{across}");
    }

    #[test]
    fn tables_are_markdown() {
        let text = table(&["a", "b", "c"], [vec!["x".into(), "1".into(), "2".into()]]);
        assert_eq!(text, "| a | b | c |\n|---|---:|---:|\n| x | 1 | 2 |\n");
    }
}
