//! An evaluation as JSON and as a table.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use super::bootstrap::Interval;
use super::evaluate::Evaluation;
use super::metrics::{CUTOFFS, Metrics};

/// The keys of `confidence_95`, in the order of [`Metrics::to_array`].
const KEYS: [&str; 10] = [
    "mean_average_precision",
    "map_at_r",
    "r_precision",
    "precision_at_1",
    "precision_at_5",
    "precision_at_10",
    "recall_at_1",
    "recall_at_5",
    "recall_at_10",
    "mean_reciprocal_rank",
];

impl Serialize for Evaluation {
    /// One object with the keys that `evaluate --json` promises; what is not
    /// defined is null.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let by_cutoff = |values: [f64; 3]| -> Map<String, Value> {
            CUTOFFS.iter().zip(values).map(|(k, value)| (k.to_string(), json!(value))).collect()
        };
        let per_class: Vec<Value> = self
            .per_class
            .iter()
            .map(|class| {
                json!({
                    "class": class.name,
                    "label": class.label,
                    "queries": class.queries,
                    "mean_average_precision": class.mean.average_precision,
                    "precision_at_1": class.mean.precision_at[0],
                    "r_precision": class.mean.r_precision,
                })
            })
            .collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("images", &self.images)?;
        map.serialize_entry("queries", &self.queries.len())?;
        map.serialize_entry("queries_without_relevant", &self.queries_without_relevant)?;
        map.serialize_entry("accuracy", &self.accuracy.map(|(accuracy, _)| accuracy))?;
        map.serialize_entry("mean_average_precision", &self.mean.average_precision)?;
        if let Some((mean, _)) = self.tie_aware {
            map.serialize_entry("tie_aware_mean_average_precision", &mean)?;
        }
        map.serialize_entry("map_at_r", &self.mean.map_at_r)?;
        map.serialize_entry("r_precision", &self.mean.r_precision)?;
        map.serialize_entry("precision_at", &by_cutoff(self.mean.precision_at))?;
        map.serialize_entry("recall_at", &by_cutoff(self.mean.recall_at))?;
        map.serialize_entry("mean_reciprocal_rank", &self.mean.reciprocal_rank)?;
        map.serialize_entry("mean_positive_distance", &self.mean_positive_distance)?;
        map.serialize_entry("mean_negative_distance", &self.mean_negative_distance)?;
        map.serialize_entry("confidence_95", &intervals(self))?;
        map.serialize_entry("interpolated_precision", &self.curves.interpolated)?;
        map.serialize_entry("per_class", &per_class)?;
        map.end()
    }
}

fn intervals(evaluation: &Evaluation) -> Map<String, Value> {
    let metrics = evaluation.confidence_95.map(Metrics::to_array).into_iter().flatten();
    let single = [
        ("accuracy", evaluation.accuracy),
        ("tie_aware_mean_average_precision", evaluation.tie_aware),
    ];
    let single = single.into_iter().filter_map(|(key, value)| Some((key, value?.1?)));
    KEYS.into_iter()
        .zip(metrics)
        .chain(single)
        .map(|(key, interval)| (key.to_string(), json!(interval)))
        .collect()
}

/// A figure with its interval, as far as it is known.
pub type Figure = Option<(f64, Option<Interval>)>;

/// One figure of several evaluations.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureRow {
    /// What it is called.
    pub name: &'static str,
    /// What it is.
    pub definition: &'static str,
    /// Of each evaluation; at least one has it.
    pub figures: Vec<Figure>,
}

/// What the letters in the definitions are.
pub const RANKING: &str = "A query ranks all other images by squared distance, equal ones by id; R of\n\
     them are relevant, P(i) is the precision of the first i, rel(i) is 1 or 0.\n";

/// A row of the table: name, definition, and how to get the figure.
type Row = (&'static str, &'static str, fn(&Evaluation) -> Figure);

const ROWS: [Row; 11] = [
    ("accuracy", "images whose class the classifier predicts, of all images", |e| e.accuracy),
    ("mAP", "mean over queries of AP = (1/R) sum over all i of P(i) rel(i)", |e| figure(e, 0)),
    ("tie-aware mAP", "the same where equal distances share one threshold", |e| e.tie_aware),
    ("MAP@R", "mean over queries of (1/R) sum over i <= R of P(i) rel(i)", |e| figure(e, 1)),
    ("R-precision", "relevant images among the first R, divided by R", |e| figure(e, 2)),
    ("precision@1", "queries whose nearest image is relevant (equals recall@1)", |e| figure(e, 3)),
    ("precision@5", "relevant images among the first 5, divided by 5", |e| figure(e, 4)),
    ("precision@10", "relevant images among the first 10, divided by 10", |e| figure(e, 5)),
    ("recall@5", "queries with any relevant image among the first 5", |e| figure(e, 7)),
    ("recall@10", "queries with any relevant image among the first 10", |e| figure(e, 8)),
    ("MRR", "mean over queries of 1 / rank of the first relevant image", |e| figure(e, 9)),
];

fn figure(evaluation: &Evaluation, metric: usize) -> Figure {
    let interval = evaluation.confidence_95.map(|intervals| intervals.to_array()[metric]);
    Some((evaluation.mean.to_array()[metric], interval))
}

/// The figures of several evaluations; one that no evaluation has is left out.
pub fn figure_rows(evaluations: &[(&str, &Evaluation)]) -> Vec<FigureRow> {
    ROWS.into_iter()
        .map(|(name, definition, get)| {
            let figures = evaluations.iter().map(|(_, e)| get(e)).collect();
            FigureRow { name, definition, figures }
        })
        .filter(|row| row.figures.iter().any(Option::is_some))
        .collect()
}

/// Several evaluations side by side, one column each, for a terminal: every
/// figure with its 95 % interval, then what each figure means.
///
/// A figure that no evaluation has is left out.
pub fn table(evaluations: &[(&str, &Evaluation)]) -> String {
    let rows = figure_rows(evaluations);
    let counts = ["images", "queries", "without relevant"].into_iter().zip([
        (|e| e.images) as fn(&Evaluation) -> usize,
        |e| e.queries.len(),
        |e| e.queries_without_relevant,
    ]);
    let mut lines = vec![(String::new(), evaluations.iter().map(|(n, _)| n.to_string()).collect())];
    lines.extend(counts.map(|(name, get)| {
        (name.to_string(), evaluations.iter().map(|(_, e)| get(e).to_string()).collect())
    }));
    lines.extend(rows.iter().map(|row| {
        (row.name.to_string(), row.figures.iter().map(|&figure| cell(figure)).collect::<Vec<_>>())
    }));

    let name_width = name_width(&lines);
    let mut text = aligned(&lines);
    text.push('\n');
    let figures = || rows.iter().flat_map(|row| &row.figures).flatten();
    if figures().any(|(_, interval)| interval.is_some()) {
        text.push_str("In brackets: 95 % bootstrap interval over queries (accuracy: images).\n");
    }
    text.push_str(RANKING);
    for FigureRow { name, definition, .. } in &rows {
        let _ = writeln!(text, "{name:name_width$}  {definition}");
    }
    text
}

/// The figures of each class, one line a class and three columns for each
/// evaluation, for a terminal. A class that an evaluation has no query of has
/// dashes.
pub fn per_class_table(evaluations: &[(&str, &Evaluation)]) -> String {
    let mut classes = BTreeMap::new();
    for class in evaluations.iter().flat_map(|(_, evaluation)| &evaluation.per_class) {
        classes.entry(class.label).or_insert((&class.name, class.queries));
    }
    let headings = evaluations.iter().flat_map(|(name, _)| {
        ["mAP", "R-precision", "precision@1"].map(|figure| format!("{name}: {figure}"))
    });
    let mut lines = vec![(
        "class".to_string(),
        std::iter::once("queries".to_string()).chain(headings).collect::<Vec<_>>(),
    )];
    for (label, (name, queries)) in classes {
        let cells = evaluations.iter().flat_map(|(_, evaluation)| {
            let class = evaluation.per_class.iter().find(|class| class.label == label);
            class.map_or(["-"; 3].map(String::from), |class| {
                let mean = &class.mean;
                [mean.average_precision, mean.r_precision, mean.precision_at[0]]
                    .map(|figure| format!("{figure:.4}"))
            })
        });
        lines.push((name.clone(), std::iter::once(queries.to_string()).chain(cells).collect()));
    }
    aligned(&lines)
}

/// A name for each line, and its cells.
type Lines = [(String, Vec<String>)];

fn name_width(lines: &Lines) -> usize {
    lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0)
}

/// Names to the left, cells to the right of their columns.
fn aligned(lines: &Lines) -> String {
    let name_width = name_width(lines);
    let mut text = String::new();
    for (name, cells) in lines {
        let _ = write!(text, "{name:name_width$}");
        for (column, cell) in cells.iter().enumerate() {
            let width = lines.iter().map(|(_, cells)| cells[column].chars().count()).max();
            let _ = write!(text, "  {cell:>width$}", width = width.unwrap_or(0));
        }
        text.push('\n');
    }
    text
}

fn cell(figure: Figure) -> String {
    match figure {
        Some((mean, Some([low, high]))) => format!("{mean:.4} [{low:.4}, {high:.4}]"),
        Some((mean, None)) => format!("{mean:.4}"),
        None => "-".to_string(),
    }
}
