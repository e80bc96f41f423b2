//! Figures over seeds.

use std::collections::BTreeMap;
use std::fmt;

use lookalike_trainer::retrieval::few_shot::{Accuracy, Shots};
use serde::Serialize;

use super::experiments::{
    Classes, Data, METHODS, Measure, QUANTISED, Run, UNSEEN, Unseen, on_unseen,
};
use super::store::{Figures, MeanFigures, Outcome};
use super::work::{BASELINES, Done, baseline_name};
use crate::cli::evaluate::Baseline;

/// A figure's mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stat {
    /// The mean.
    pub mean: f64,
    /// The sample's standard deviation, with n - 1; `None` of one seed.
    pub standard_deviation: Option<f64>,
    /// How many seeds.
    pub seeds: usize,
}

impl Stat {
    /// Of the values of the seeds that have one; `None` if none has.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Stat> {
        let values: Vec<f64> = values.into_iter().collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (!values.is_empty()).then(|| Stat {
            mean,
            standard_deviation: (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt()),
            seeds: values.len(),
        })
    }
}

impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}", self.mean)?;
        match self.standard_deviation {
            Some(deviation) => write!(f, " ± {deviation:.4}"),
            None => Ok(()),
        }
    }
}

/// Retrieval figures over seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Retrieval {
    /// Of the classifier.
    pub accuracy: Option<Stat>,
    /// mAP.
    pub mean_average_precision: Option<Stat>,
    /// MAP@R.
    pub map_at_r: Option<Stat>,
    /// R-precision.
    pub r_precision: Option<Stat>,
    /// Precision@1.
    pub precision_at_1: Option<Stat>,
}

impl Retrieval {
    fn of(seeds: &[&Figures]) -> Retrieval {
        let mean =
            |figure: fn(&MeanFigures) -> f64| Stat::of(seeds.iter().map(|f| figure(&f.mean)));
        Retrieval {
            accuracy: Stat::of(seeds.iter().filter_map(|figures| figures.accuracy)),
            mean_average_precision: mean(|mean| mean.mean_average_precision),
            map_at_r: mean(|mean| mean.map_at_r),
            r_precision: mean(|mean| mean.r_precision),
            precision_at_1: mean(|mean| mean.precision_at_1),
        }
    }
}

/// A method on the classes that it was trained on.
#[derive(Clone, Debug, Serialize)]
pub struct ClosedRow {
    /// The method.
    #[serde(skip)]
    pub method: &'static str,
    /// Its options.
    pub options: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Retrieval,
    /// Of training.
    pub seconds: Option<Stat>,
    /// Threads that it was trained with.
    pub threads: Vec<usize>,
    /// Why runs failed.
    pub failures: Vec<String>,
    /// mAP and precision@1 of each class.
    pub classes: Vec<ClassRow>,
}

/// A class.
#[derive(Clone, Debug, Serialize)]
pub struct ClassRow {
    /// Its name.
    pub name: String,
    /// Its queries.
    pub queries: usize,
    /// mAP.
    pub mean_average_precision: Stat,
    /// Precision@1.
    pub precision_at_1: Stat,
}

/// A method or a baseline on classes that it has not seen.
#[derive(Clone, Debug, Serialize)]
pub struct UnseenRow {
    /// Its name.
    #[serde(skip)]
    pub name: &'static str,
    /// Retrieval.
    #[serde(flatten)]
    pub figures: Retrieval,
    /// Recognition, by the number of shots.
    pub few_shot: BTreeMap<usize, FewShotRow>,
}

/// Recognition from one number of shots: accuracies over seeds.
#[derive(Clone, Debug, Serialize)]
pub struct FewShotRow {
    /// Nearest item, new classes alone.
    pub item_among_unseen: Stat,
    /// Nearest prototype, new classes alone.
    pub prototype_among_unseen: Stat,
    /// Nearest item, beside the known classes.
    pub item_among_all: Stat,
    /// Nearest prototype, beside the known classes.
    pub prototype_among_all: Stat,
}

/// A quantised model.
#[derive(Clone, Debug, Serialize)]
pub struct Int8Row {
    /// The method.
    #[serde(skip)]
    pub method: &'static str,
    /// The f32 models that have an int8 version.
    pub float: Retrieval,
    /// The int8 models.
    pub int8: Retrieval,
    /// What mAP changes by, seed by seed.
    pub map_change: Option<Stat>,
}

/// All figures.
pub struct Summary<'a> {
    done: &'a Done,
    seeds: &'a [u64],
}

impl<'a> Summary<'a> {
    /// Of what was done.
    pub fn new(done: &'a Done, seeds: &'a [u64]) -> Summary<'a> {
        Summary { done, seeds }
    }

    /// The runs of a method, one a seed; none if it is not trained on that.
    fn runs(&self, method: &'static str, data: Data, seen: Classes) -> Vec<Run> {
        self.seeds.iter().filter_map(|&seed| Run::of(method, data, seen, seed)).collect()
    }

    /// Every method on all classes of a data set.
    pub fn closed(&self, data: Data) -> Vec<ClosedRow> {
        let rows = METHODS.iter().map(|method| {
            let runs = self.runs(method.name, data, Classes::All);
            let names = || runs.iter().map(Run::to_string);
            let figures: Vec<&Figures> =
                names().filter_map(|name| self.done.figures(&name, "closed")).collect();
            let trained: Vec<_> = names().filter_map(|name| self.done.trained(&name)).collect();
            let mut threads: Vec<usize> = trained.iter().map(|trained| trained.threads).collect();
            threads.sort_unstable();
            threads.dedup();
            let failures = trained.iter().filter_map(|trained| match &trained.outcome {
                Outcome::Failed(why) => Some(format!("seed {}: {why}", trained.settings.seed)),
                Outcome::Model(_) => None,
            });
            ClosedRow {
                method: method.name,
                options: runs.first().map(Run::flags).unwrap_or_default(),
                figures: Retrieval::of(&figures),
                seconds: Stat::of(trained.iter().filter_map(|trained| trained.seconds)),
                threads,
                failures: failures.collect(),
                classes: classes(&figures),
            }
        });
        rows.collect()
    }

    /// The curve of a method's first seed that has one, with its mAP.
    pub fn curve(&self, method: &'static str, data: Data) -> Option<(u64, &Figures)> {
        let mut runs = self.runs(method, data, Classes::All).into_iter();
        runs.find_map(|run| Some((run.seed, self.done.figures(&run.to_string(), "closed")?)))
    }

    /// Baselines and methods on unseen classes.
    pub fn unseen(&self, unseen: &Unseen) -> Vec<UnseenRow> {
        let key = unseen.key();
        let row = |name, names: Vec<String>| {
            let figures: Vec<&Figures> =
                names.iter().filter_map(|name| self.done.figures(name, &key)).collect();
            UnseenRow { name, figures: Retrieval::of(&figures), few_shot: few_shot(&figures) }
        };
        let baselines = BASELINES.map(|baseline| {
            let seeds = if baseline == Baseline::Random { self.seeds } else { &self.seeds[..1] };
            let names = seeds.iter().map(|&seed| baseline_name(baseline, unseen, seed));
            let title = match baseline {
                Baseline::Pixels => "raw pixels",
                Baseline::Hog => "histograms of gradients",
                Baseline::Random => "random network",
            };
            row(title, names.collect())
        });
        let methods = on_unseen().map(|method| {
            let runs = self.runs(method.name, unseen.trained.0, unseen.trained.1);
            row(method.name, runs.iter().map(Run::to_string).collect())
        });
        baselines.into_iter().chain(methods).collect()
    }

    /// The quantised models of a data set.
    pub fn int8(&self, data: Data) -> Vec<Int8Row> {
        let rows = QUANTISED.iter().map(|&method| {
            let runs = self.runs(method, data, Classes::All);
            let pairs: Vec<(&Figures, &Figures)> = runs
                .iter()
                .filter_map(|run| {
                    let figures = |key: &str| self.done.figures(&run.to_string(), key);
                    Some((figures("closed")?, figures(&Measure::Int8.key())?))
                })
                .collect();
            let (float, int8): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let map = |figures: &Figures| figures.mean.mean_average_precision;
            let changes = float.iter().zip(&int8).map(|(float, int8)| map(int8) - map(float));
            Int8Row {
                method,
                map_change: Stat::of(changes),
                float: Retrieval::of(&float),
                int8: Retrieval::of(&int8),
            }
        });
        rows.collect()
    }
}

fn classes(seeds: &[&Figures]) -> Vec<ClassRow> {
    let Some(first) = seeds.first() else { return Vec::new() };
    let rows = first.classes.iter().enumerate().filter_map(|(place, class)| {
        let of_seeds = || seeds.iter().filter_map(|figures| figures.classes.get(place));
        Some(ClassRow {
            name: class.name.clone(),
            queries: class.queries,
            mean_average_precision: Stat::of(of_seeds().map(|c| c.mean.mean_average_precision))?,
            precision_at_1: Stat::of(of_seeds().map(|c| c.mean.precision_at_1))?,
        })
    });
    rows.collect()
}

fn few_shot(seeds: &[&Figures]) -> BTreeMap<usize, FewShotRow> {
    let Some(first) = seeds.first() else { return BTreeMap::new() };
    let rows = first.few_shot.iter().enumerate().filter_map(|(place, shots)| {
        let of_seeds = |figure: fn(&Shots) -> &Accuracy| {
            Stat::of(seeds.iter().filter_map(|s| Some(figure(s.few_shot.get(place)?).mean)))
        };
        let row = FewShotRow {
            item_among_unseen: of_seeds(|shots| &shots.nearest_item.among_unseen)?,
            prototype_among_unseen: of_seeds(|shots| &shots.nearest_prototype.among_unseen)?,
            item_among_all: of_seeds(|shots| &shots.nearest_item.among_all)?,
            prototype_among_all: of_seeds(|shots| &shots.nearest_prototype.among_all)?,
        };
        Some((shots.shots, row))
    });
    rows.collect()
}

impl Serialize for Summary<'_> {
    /// The figures by data set or pair of them, then by method.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct All<'a> {
            seeds: &'a [u64],
            models_trained: usize,
            models_kept: usize,
            measurements_missing: usize,
            closed: BTreeMap<&'static str, BTreeMap<&'static str, ClosedRow>>,
            unseen: BTreeMap<String, BTreeMap<&'static str, UnseenRow>>,
            int8: BTreeMap<&'static str, BTreeMap<&'static str, Int8Row>>,
        }
        let closed = |data| self.closed(data).into_iter().map(|row| (row.method, row)).collect();
        let unseen = |unseen| self.unseen(unseen).into_iter().map(|row| (row.name, row)).collect();
        let int8 = |data| self.int8(data).into_iter().map(|row| (row.method, row)).collect();
        All {
            seeds: self.seeds,
            models_trained: self.done.trained[0],
            models_kept: self.done.trained[1],
            measurements_missing: self.done.missing,
            closed: Data::ALL.map(|data| (data.key(), closed(data))).into(),
            unseen: UNSEEN.iter().map(|u| (u.to_string(), unseen(u))).collect(),
            int8: Data::ALL.map(|data| (data.key(), int8(data))).into(),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_mean_and_sample_deviation() {
        let stat = Stat::of([0.9, 0.92, 0.94]).unwrap();
        assert_eq!(stat.to_string(), "0.9200 ± 0.0200");
        assert_eq!(stat.seeds, 3);
        assert_eq!(Stat::of([0.5]).unwrap().to_string(), "0.5000");
        assert_eq!(Stat::of([]), None);
    }
}
