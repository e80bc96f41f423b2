//! `trainer evaluate --few-shot`.

use std::fmt::Write;
use std::str::FromStr;

use clap::Args;
use lookalike_trainer::data::Dataset;
use lookalike_trainer::retrieval::few_shot::{Accuracy, Draws, FewShot, Options, Rule, SeenItems};

use super::Subject;

/// What is enrolled, and how often.
#[derive(Args, Clone, Debug)]
pub struct FewShotOptions {
    /// Measure how well classes are recognised from a few shots: shots of the
    /// unseen classes, drawn from the training split, are enrolled beside items
    /// of the others; images of the split look for their nearest item, or for the
    /// nearest prototype, the normalised mean of a class's shots.
    #[arg(long, conflicts_with_all = ["queries", "per_class", "plot"])]
    few_shot: bool,
    /// The classes that the model never saw, by name or number, for example
    /// `5,6`; all if left out.
    #[arg(long, value_name = "a,b", value_delimiter = ',', requires = "few_shot")]
    unseen: Vec<String>,
    /// Numbers of shots of each unseen class.
    #[arg(long, value_name = "n,m", value_delimiter = ',', default_value = "1,2,5,10", value_parser = clap::value_parser!(u32).range(1..), requires = "few_shot")]
    shots: Vec<u32>,
    /// Items of each other class: a number, by default that of the gallery
    /// which `trainer demo` writes, or `shots` for as many as there are shots.
    #[arg(long, value_name = "N|shots", default_value = "20", requires = "few_shot")]
    seen_items: SeenItemsOption,
    /// How often the shots and items are drawn.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..), requires = "few_shot")]
    draws: u32,
}

#[derive(Clone, Copy, Debug)]
struct SeenItemsOption(SeenItems);

impl FromStr for SeenItemsOption {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match (s, s.parse()) {
            ("shots", _) => Ok(SeenItemsOption(SeenItems::AsShots)),
            (_, Ok(n)) if n > 0 => Ok(SeenItemsOption(SeenItems::Fixed(n))),
            _ => Err("expected `shots` or a number above 0".into()),
        }
    }
}

impl FewShotOptions {
    /// Whether few shots are what is asked for.
    pub fn asked(&self) -> bool {
        self.few_shot
    }

    /// How often what is enrolled is drawn.
    pub fn repeats(&self) -> u32 {
        self.draws
    }

    /// The draws from `pool`.
    pub fn draws(&self, pool: &Dataset, resamples: usize, seed: u64) -> anyhow::Result<Draws> {
        let mut unseen = pool.class_numbers(&self.unseen)?;
        if unseen.is_empty() {
            unseen = pool.labels.clone();
        }
        let options = Options {
            unseen,
            shots: self.shots.iter().map(|&shots| shots as usize).collect(),
            seen_items: self.seen_items.0,
            draws: self.draws as usize,
            resamples,
            seed,
        };
        Ok(Draws::new(&pool.labels, options)?)
    }
}

/// Measures one subject: enrols from `pool`, asks with all of `queries`.
pub fn few_shot(
    subject: &Subject,
    draws: &Draws,
    pool: &Dataset,
    queries: &Dataset,
) -> anyhow::Result<FewShot> {
    let enrolled = subject.embed(&pool.subset(draws.images()));
    let embeddings = subject.embed(queries);
    Ok(draws.measure(enrolled.view(), embeddings.view(), &queries.labels)?)
}

/// A row of the table: what is asked for, among what, and its figure.
type Row = (&'static str, &'static str, fn(&Rule) -> &Accuracy);

/// The rows of each rule.
const FIGURES: [Row; 3] = [
    ("unseen", "unseen", |rule| &rule.among_unseen),
    ("unseen", "all", |rule| &rule.among_all),
    ("all", "all", |rule| &rule.all_queries),
];

/// For a terminal.
pub fn text(results: &[(&str, FewShot)], class_names: &[String]) -> String {
    let mut text = String::new();
    for (name, found) in results {
        let ways =
            [found.unseen_classes.len(), found.unseen_classes.len() + found.seen_classes.len()];
        let _ = writeln!(
            text,
            "{name}: unseen classes {}; {} queries of them, {} of all {} classes; {} draws\n",
            list(&found.unseen_classes, class_names),
            found.unseen_queries,
            found.queries,
            ways[1],
            found.draws
        );
        let _ = writeln!(
            text,
            "{:>5} {:>10}  {:<9}  {:<7} {:<11} {:>8}  {:>16}  {:>16}",
            "shots",
            "seen items",
            "nearest",
            "queries",
            "among",
            "accuracy",
            "95 % of the mean",
            "95 % of draws"
        );
        let figures = if found.seen_classes.is_empty() { &FIGURES[..1] } else { &FIGURES[..] };
        for shots in &found.shots {
            for (rule, rule_name) in
                [(shots.nearest_item, "item"), (shots.nearest_prototype, "prototype")]
            {
                for (queries, among, get) in figures {
                    let of = if *among == "all" { ways[1] } else { ways[0] };
                    let figure = get(&rule);
                    let _ = writeln!(
                        text,
                        "{:>5} {:>10}  {rule_name:<9}  {queries:<7} {:<11} {:>8.4}  {:>16}  {:>16}",
                        shots.shots,
                        if found.seen_classes.is_empty() {
                            "-".to_owned()
                        } else {
                            shots.seen_items.to_string()
                        },
                        format!("{among} ({of})"),
                        figure.mean,
                        figure.confidence_95.map_or("-".to_owned(), interval),
                        interval(figure.draws_95),
                    );
                }
            }
        }
        text.push('\n');
    }
    text.push_str(
        "accuracy: share of the queries whose class is the nearest's, mean over draws, when\n\
         the classes named under `among` (how many) are enrolled. In brackets: 95 % bootstrap\n\
         interval of that mean over draws; and the 2.5th and 97.5th percentile of the draws,\n\
         between which nineteen of twenty single enrolments lie.\n",
    );
    text
}

fn interval([low, high]: [f64; 2]) -> String {
    format!("[{low:.4}, {high:.4}]")
}

/// Classes by name.
fn list(classes: &[u16], names: &[String]) -> String {
    let name = |&class: &u16| names[usize::from(class)].as_str();
    classes.iter().map(name).collect::<Vec<_>>().join(",")
}
