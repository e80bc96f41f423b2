//! What is trained on what and measured on what: the experiments as tables.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use lookalike_trainer::train::{Options, Recipe};

/// A data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Data {
    /// Handwritten digits.
    Mnist,
    /// Pictures of clothes.
    Fashion,
}

impl Data {
    /// All of them.
    pub const ALL: [Data; 2] = [Data::Mnist, Data::Fashion];

    /// As `--data` and files name it.
    pub fn key(self) -> &'static str {
        match self {
            Data::Mnist => "mnist",
            Data::Fashion => "fashion",
        }
    }

    /// As the text names it.
    pub fn title(self) -> &'static str {
        match self {
            Data::Mnist => "MNIST",
            Data::Fashion => "Fashion-MNIST",
        }
    }
}

impl FromStr for Data {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Data::ALL.into_iter().find(|data| data.key() == text);
        found.ok_or_else(|| format!("no data set `{text}`: expected `mnist` or `fashion`"))
    }
}

/// Classes of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classes {
    /// All of them.
    All,
    /// The first half: 0 to 4 of ten.
    Low,
    /// The second half: 5 to 9 of ten.
    High,
}

impl Classes {
    /// Their numbers, of `count` classes.
    pub fn of(self, count: usize) -> Vec<u16> {
        let (first, end) = match self {
            Classes::All => (0, count),
            Classes::Low => (0, count / 2),
            Classes::High => (count / 2, count),
        };
        (first as u16..end as u16).collect()
    }

    /// In a file's name.
    pub fn key(self) -> &'static str {
        match self {
            Classes::All => "all",
            Classes::Low => "low",
            Classes::High => "high",
        }
    }
}

/// A way of training, under the name that tables give it.
pub struct Method {
    /// The name.
    pub name: &'static str,
    how: How,
}

enum How {
    Recipe(Recipe),
    /// Options as TOML.
    Options(&'static str),
}

/// The ways of training, in the tables' order. The first two are the experiment
/// that this project began with; none but the recipes were tuned. From random
/// weights batch-hard collapses without batch normalisation.
pub const METHODS: [Method; 8] = [
    Method {
        name: "cross-entropy",
        how: How::Options("loss = ['cross-entropy']\noptimizer = 'sgd'\nmomentum = 0.9"),
    },
    Method { name: "triplet", how: How::Options("loss = ['triplet']") },
    Method { name: "smooth-ap", how: How::Options("loss = ['smooth-ap']") },
    Method {
        name: "batch-hard",
        how: How::Options(
            "loss = ['triplet']\nmining = 'hard'\nreduction = 'mean-anchor'\nbatch-norm = true",
        ),
    },
    Method {
        name: "batch-hard-soft",
        how: How::Options(
            "loss = ['triplet']\nmining = 'hard'\nmargin = 'soft'\nreduction = 'mean-anchor'\n\
             batch-norm = true",
        ),
    },
    Method { name: "semi-hard", how: How::Options("loss = ['triplet']\nmining = 'semi-hard'") },
    Method { name: "best", how: How::Recipe(Recipe::Best) },
    Method { name: "open-set", how: How::Recipe(Recipe::OpenSet) },
];

/// The methods of the tables of unseen classes.
const ON_UNSEEN: &[&str] = &["cross-entropy", "triplet", "smooth-ap", "best", "open-set"];

/// The losses that are trained as they are, on all classes and on half of them.
const LOSSES: &[&str] =
    &["cross-entropy", "triplet", "smooth-ap", "batch-hard", "batch-hard-soft", "semi-hard"];
const LOSSES_ON_UNSEEN: &[&str] = &["cross-entropy", "triplet", "smooth-ap"];

const BEST: &[&str] = &["best"];
const OPEN_SET: &[&str] = &["open-set"];
const RECIPES: &[&str] = &["best", "open-set"];

/// The methods whose models are quantised.
pub const QUANTISED: &[&str] = &["best"];

/// The methods in the plots, of which there are colours for six.
pub const PLOTTED: &[&str] = ON_UNSEEN;

impl Method {
    /// The method of that name.
    fn named(name: &str) -> &'static Method {
        METHODS.iter().find(|method| method.name == name).expect("a method of the table")
    }

    /// Its options.
    pub fn options(&self) -> Options {
        match self.how {
            How::Recipe(recipe) => recipe.options(),
            How::Options(toml) => Options::from_toml(toml, self.name).expect("valid options"),
        }
    }

    /// Its options on the command line of `trainer train`.
    pub fn flags(&self) -> String {
        match self.how {
            How::Recipe(_) => format!("--recipe {}", self.name),
            How::Options(toml) => flags(toml),
        }
    }

    /// The recipe's file; `None` of a method that is no recipe.
    pub fn recipe(&self) -> Option<&'static str> {
        match self.how {
            How::Recipe(recipe) => Some(recipe.toml()),
            How::Options(_) => None,
        }
    }
}

/// Options in TOML, as they are given on the command line.
fn flags(toml: &str) -> String {
    let plain = |value: &toml::Value| match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let table: toml::Table = toml.parse().expect("valid TOML");
    let flags = table.iter().map(|(key, value)| match value {
        toml::Value::Boolean(true) => format!("--{key}"),
        toml::Value::Array(values) => {
            format!("--{key} {}", values.iter().map(plain).collect::<Vec<_>>().join(","))
        }
        value => format!("--{key} {}", plain(value)),
    });
    flags.collect::<Vec<_>>().join(" ")
}

/// What is trained: each method on the classes `seen` of a data set, with
/// options that go before the method's.
struct Training {
    data: Data,
    seen: Classes,
    methods: &'static [&'static str],
    /// As TOML.
    options: &'static str,
}

/// Epochs of the losses that are trained as they are, but on all of MNIST.
const PLAIN: &str = "epochs = 10";

/// What the recipe `best` is given for garments.
const GARMENTS: &str = "epochs = 30\nflip = true\nshift = 0\nrotate = 0\nscale = 0\nshear = 0\n\
                        pair-weight = 1.0";

const TRAININGS: [Training; 15] = [
    training(Data::Mnist, Classes::All, LOSSES, "epochs = 20"),
    training(Data::Mnist, Classes::All, RECIPES, ""),
    training(Data::Fashion, Classes::All, LOSSES, PLAIN),
    training(Data::Fashion, Classes::All, BEST, GARMENTS),
    training(Data::Fashion, Classes::All, OPEN_SET, ""),
    training(Data::Mnist, Classes::Low, LOSSES_ON_UNSEEN, PLAIN),
    training(Data::Mnist, Classes::Low, RECIPES, ""),
    training(Data::Mnist, Classes::High, LOSSES_ON_UNSEEN, PLAIN),
    training(Data::Mnist, Classes::High, RECIPES, ""),
    training(Data::Fashion, Classes::Low, LOSSES_ON_UNSEEN, PLAIN),
    training(Data::Fashion, Classes::Low, BEST, GARMENTS),
    training(Data::Fashion, Classes::Low, OPEN_SET, ""),
    training(Data::Fashion, Classes::High, LOSSES_ON_UNSEEN, PLAIN),
    training(Data::Fashion, Classes::High, BEST, GARMENTS),
    training(Data::Fashion, Classes::High, OPEN_SET, ""),
];

/// What methods are given besides, by what they are trained on.
pub struct Besides {
    /// The methods.
    pub methods: &'static [&'static str],
    /// Trained on any of these.
    pub places: Vec<(Data, Classes)>,
    options: &'static str,
}

impl Besides {
    /// All of them.
    pub fn all() -> Vec<Besides> {
        let mut all: Vec<Besides> = Vec::new();
        for &Training { data, seen, methods, options } in &TRAININGS {
            let same = |row: &&mut Besides| (row.methods, row.options) == (methods, options);
            match all.iter_mut().find(same) {
                _ if options.is_empty() => {}
                Some(row) => row.places.push((data, seen)),
                None => all.push(Besides { methods, places: vec![(data, seen)], options }),
            }
        }
        all
    }

    /// The options on the command line.
    pub fn flags(&self) -> String {
        flags(self.options)
    }
}

const fn training(
    data: Data,
    seen: Classes,
    methods: &'static [&'static str],
    options: &'static str,
) -> Training {
    Training { data, seen, methods, options }
}

/// Classes that are new to a model: the test images of `measured` classes of a
/// data set, for models that were trained on others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// Trained on.
    pub trained: (Data, Classes),
    /// Measured on.
    pub measured: (Data, Classes),
}

/// The measurements on unseen classes, in the tables' order.
pub const UNSEEN: [Unseen; 5] = [
    Unseen { trained: (Data::Fashion, Classes::Low), measured: (Data::Fashion, Classes::High) },
    Unseen { trained: (Data::Fashion, Classes::High), measured: (Data::Fashion, Classes::Low) },
    Unseen { trained: (Data::Mnist, Classes::Low), measured: (Data::Mnist, Classes::High) },
    Unseen { trained: (Data::Mnist, Classes::High), measured: (Data::Mnist, Classes::Low) },
    Unseen { trained: (Data::Mnist, Classes::All), measured: (Data::Fashion, Classes::All) },
];

impl Unseen {
    /// What a record calls the measurement.
    pub fn key(&self) -> String {
        format!("on-{}-{}", self.measured.0.key(), self.measured.1.key())
    }
}

impl fmt::Display for Unseen {
    /// As `--json` names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [(from, seen), (to, classes)] = [self.trained, self.measured];
        write!(f, "{}-{}-to-{}-{}", from.key(), seen.key(), to.key(), classes.key())
    }
}

/// A part of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Every method on all ten classes.
    Closed,
    /// Classes that were left out of training.
    Unseen,
    /// The best models, quantised.
    Int8,
}

/// Something to measure of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The test images of the classes that it was trained on.
    Closed,
    /// Classes that are new to it.
    Unseen(Unseen),
    /// As [`Measure::Closed`], with the model quantised.
    Int8,
}

impl Measure {
    /// What a record calls it.
    pub fn key(&self) -> String {
        match self {
            Measure::Closed => "closed".into(),
            Measure::Unseen(unseen) => unseen.key(),
            Measure::Int8 => "int8".into(),
        }
    }
}

/// One training run.
#[derive(Clone, Copy)]
pub struct Run {
    /// How.
    pub method: &'static Method,
    /// On what.
    pub data: Data,
    /// On which classes.
    pub seen: Classes,
    options: &'static str,
    /// From which seed.
    pub seed: u64,
}

impl Run {
    /// The run of `method` on classes of a data set.
    pub fn of(method: &str, data: Data, seen: Classes, seed: u64) -> Option<Run> {
        let training = TRAININGS.iter().find(|training| {
            training.data == data && training.seen == seen && training.methods.contains(&method)
        })?;
        Some(Run { method: Method::named(method), data, seen, options: training.options, seed })
    }

    /// All options, the seed among them.
    pub fn options(&self) -> Options {
        let own = Options::from_toml(self.options, "experiments").expect("valid options");
        Options { seed: Some(self.seed), ..own.over(&self.method.options()) }
    }

    /// What is given to `trainer train` beside data, seed and file.
    pub fn flags(&self) -> String {
        let own = flags(self.options);
        if own.is_empty() { self.method.flags() } else { format!("{} {own}", self.method.flags()) }
    }

    /// What is measured of it.
    fn measures(&self, parts: &[Part]) -> Vec<Measure> {
        let mut measures = Vec::new();
        if parts.contains(&Part::Closed) && self.seen == Classes::All {
            measures.push(Measure::Closed);
        }
        if parts.contains(&Part::Unseen) && ON_UNSEEN.contains(&self.method.name) {
            let unseen = UNSEEN.iter().filter(|u| u.trained == (self.data, self.seen));
            measures.extend(unseen.map(|unseen| Measure::Unseen(*unseen)));
        }
        if parts.contains(&Part::Int8)
            && self.seen == Classes::All
            && QUANTISED.contains(&self.method.name)
        {
            measures.push(Measure::Int8);
        }
        measures
    }
}

impl fmt::Display for Run {
    /// The name of its files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (data, seen) = (self.data.key(), self.seen.key());
        write!(f, "{data}-{seen}-{}-seed-{}", self.method.name, self.seed)
    }
}

/// The runs that the parts need, with what is measured of each, seed by seed.
pub fn plan(parts: &[Part], seeds: &[u64]) -> Vec<(Run, Vec<Measure>)> {
    let mut plan = Vec::new();
    for &seed in seeds {
        for training in &TRAININGS {
            for method in training.methods {
                let run = Run::of(method, training.data, training.seen, seed);
                let run = run.expect("a run of the table");
                let measures = run.measures(parts);
                if !measures.is_empty() {
                    plan.push((run, measures));
                }
            }
        }
    }
    plan
}

/// The methods of the tables of unseen classes.
pub fn on_unseen() -> impl Iterator<Item = &'static Method> {
    ON_UNSEEN.iter().map(|name| Method::named(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_valid_and_has_its_flags() {
        for method in &METHODS {
            assert!(method.options().loss.is_some(), "{}", method.name);
            assert!(
                LOSSES.iter().chain(RECIPES).any(|name| *name == method.name),
                "{}",
                method.name
            );
        }
        let flags = |name| Method::named(name).flags();
        assert_eq!(flags("cross-entropy"), "--loss cross-entropy --momentum 0.9 --optimizer sgd");
        assert_eq!(flags("open-set"), "--recipe open-set");
        assert_eq!(super::flags("flip = true\nwidths = [4, 4, 8]"), "--flip --widths 4,4,8");
    }

    #[test]
    fn options_that_depend_on_the_data_are_listed_once() {
        let rows = Besides::all();
        let garments = rows.iter().find(|row| row.flags().contains("--flip")).unwrap();
        assert_eq!((garments.methods, garments.places.len()), (BEST, 3));
        for training in &TRAININGS {
            let place = (training.data, training.seen);
            let of = |row: &&Besides| {
                (row.methods, row.options) == (training.methods, training.options)
                    && row.places.contains(&place)
            };
            let expected = usize::from(!training.options.is_empty());
            assert_eq!(rows.iter().filter(of).count(), expected);
        }
    }

    #[test]
    fn a_run_s_own_options_go_before_the_method_s() {
        let run = Run::of("best", Data::Mnist, Classes::All, 7).unwrap();
        let run = Run { options: "epochs = 3\nshift = 1", ..run };
        let options = run.options();
        assert_eq!((options.epochs, options.shift, options.seed), (Some(3), Some(1.0), Some(7)));
        assert_eq!(options.loss, Recipe::Best.options().loss);
        assert_eq!(run.flags(), "--recipe best --epochs 3 --shift 1");
        assert_eq!(run.to_string(), "mnist-all-best-seed-7");
    }

    #[test]
    fn the_parts_need_their_runs() {
        let count = |parts: &[Part]| plan(parts, &[0]).len();
        assert_eq!(count(&[Part::Closed]), 2 * METHODS.len());
        // Both halves of both data sets, and one model for the other data set.
        assert_eq!(count(&[Part::Unseen]), 5 * ON_UNSEEN.len());
        assert_eq!(count(&[Part::Int8]), 2 * QUANTISED.len());
        let all = plan(Part::value_variants(), &[4, 5]);
        assert_eq!(all.len(), 2 * (2 * METHODS.len() + 4 * ON_UNSEEN.len()));
        let best = all.iter().find(|(run, _)| run.to_string() == "mnist-all-best-seed-5").unwrap();
        let keys: Vec<_> = best.1.iter().map(Measure::key).collect();
        assert_eq!(keys, ["closed", "on-fashion-all", "int8"]);
        let mut names: Vec<_> = all.iter().map(|(run, _)| run.to_string()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }

    #[test]
    fn halves_of_classes_are_disjoint() {
        assert_eq!(Classes::Low.of(10), [0, 1, 2, 3, 4]);
        assert_eq!(Classes::High.of(10), [5, 6, 7, 8, 9]);
        assert_eq!(Classes::High.of(5), [2, 3, 4]);
        assert_eq!(Classes::All.of(3), [0, 1, 2]);
    }
}
