//! Does what has not been done, and gathers what has.

use std::collections::BTreeMap;

use clap::ValueEnum;
use lookalike_trainer::files::load_model;
use lookalike_trainer::train::Options;

use super::experiments::{Measure, Part, Run, UNSEEN, Unseen, plan};
use super::measure::Sets;
use super::store::{Figures, Images, Outcome, Record, Store, Trained};
use super::training;
use crate::cli::console::note;
use crate::cli::evaluate::Baseline;

/// What is compared with models on unseen classes.
pub const BASELINES: [Baseline; 3] = [Baseline::Pixels, Baseline::Hog, Baseline::Random];

/// With `--quick`.
const QUICK_EPOCHS: u32 = 2;

/// The name of a baseline's record; pixels have no seed.
pub fn baseline_name(baseline: Baseline, unseen: &Unseen, seed: u64) -> String {
    let name = format!("{}-{}", baseline.name(), unseen.key());
    match baseline {
        Baseline::Random => format!("{name}-seed-{seed}"),
        Baseline::Pixels | Baseline::Hog => name,
    }
}

/// The work of one call.
pub struct Work<'a> {
    /// The images.
    pub sets: &'a Sets,
    /// Where it is kept.
    pub store: &'a Store,
    /// The parts that are wanted.
    pub parts: &'a [Part],
    /// Whether what is missing is done.
    pub runs: bool,
    /// Two epochs of each run.
    pub quick: bool,
}

/// What has been done, by name; only what holds for these settings and images.
#[derive(Default)]
pub struct Done {
    records: BTreeMap<String, Record>,
    /// Measurements that are not there.
    pub missing: usize,
    /// Models that were trained in this call, and that were there already.
    pub trained: [usize; 2],
}

impl Done {
    /// The figures of a measurement.
    pub fn figures(&self, name: &str, key: &str) -> Option<&Figures> {
        Some(&self.records.get(name)?.measured.get(key)?.figures)
    }

    /// How a run was trained.
    pub fn trained(&self, name: &str) -> Option<&Trained> {
        self.records.get(name)?.trained.as_ref()
    }
}

impl Work<'_> {
    /// Does it, for each seed.
    pub fn done(&self, seeds: &[u64]) -> anyhow::Result<Done> {
        let mut done = Done::default();
        self.baselines(seeds, &mut done)?;
        let mut place = 0;
        let count = plan(self.parts, seeds).len();
        for (run, measures) in plan(Part::value_variants(), seeds) {
            if measures.iter().any(|measure| self.wants(measure)) {
                place += 1;
                note!("[{place}/{count}] {run}");
            }
            self.run(&run, &measures, &mut done)?;
        }
        Ok(done)
    }

    /// Whether a measurement is to be done if it has not been.
    fn wants(&self, measure: &Measure) -> bool {
        let part = match measure {
            Measure::Closed => Part::Closed,
            Measure::Unseen(_) => Part::Unseen,
            Measure::Int8 => Part::Int8,
        };
        self.runs && self.parts.contains(&part)
    }

    fn run(&self, run: &Run, measures: &[Measure], done: &mut Done) -> anyhow::Result<()> {
        let name = run.to_string();
        let model = self.store.model(&name);
        let data = self.sets.training(run)?;
        let mut options = run.options();
        if self.quick {
            options = Options { epochs: Some(QUICK_EPOCHS), ..options };
        }
        let settings = options.settings(&data)?;
        let mut record = self.store.load(&name)?;
        let images = Images::of(&data);
        if training::is_done(record.trained.as_ref(), &settings, images, &model) {
            training::clean(&model)?;
            done.trained[1] += 1;
        } else if measures.iter().any(|measure| self.wants(measure)) {
            let trained = training::train(&name, &options, &data, &model)?;
            record = Record { trained: Some(trained), ..Record::default() };
            record = self.store.save(&name, &record)?;
            training::clean(&model)?;
            done.trained[0] += 1;
        } else {
            done.missing += measures.len();
            return Ok(());
        }
        let failed = matches!(record.trained, Some(Trained { outcome: Outcome::Failed(_), .. }));
        let mut valid = Record { trained: record.trained.clone(), ..Record::default() };
        for measure in measures.iter().filter(|_| !failed) {
            let key = measure.key();
            let asked = self.sets.asked(run.data, measure);
            if record.measured.get(&key).is_none_or(|measured| measured.asked != asked) {
                if !self.wants(measure) {
                    done.missing += 1;
                    continue;
                }
                note!("{name}: measuring {key}");
                let int8 = self.store.model(&format!("{name}.int8"));
                let measured = self.sets.measure(load_model(&model)?, run.data, measure, &int8)?;
                record.measured.insert(key.clone(), measured);
                record = self.store.save(&name, &record)?;
            }
            valid.measured.insert(key.clone(), record.measured[&key].clone());
        }
        done.records.insert(name, valid);
        Ok(())
    }

    fn baselines(&self, seeds: &[u64], done: &mut Done) -> anyhow::Result<()> {
        for unseen in &UNSEEN {
            for baseline in BASELINES {
                let seeds = if baseline == Baseline::Random { seeds } else { &seeds[..1] };
                for &seed in seeds {
                    self.baseline(baseline, unseen, seed, done)?;
                }
            }
        }
        Ok(())
    }

    fn baseline(
        &self,
        baseline: Baseline,
        unseen: &Unseen,
        seed: u64,
        done: &mut Done,
    ) -> anyhow::Result<()> {
        let name = baseline_name(baseline, unseen, seed);
        let mut record = self.store.load(&name)?;
        let measure = Measure::Unseen(*unseen);
        let data = unseen.measured.0;
        let asked = self.sets.asked(data, &measure);
        if record.measured.get(&unseen.key()).is_none_or(|measured| measured.asked != asked) {
            if !self.wants(&measure) {
                done.missing += 1;
                return Ok(());
            }
            note!("{name}: measuring");
            let subject = self.sets.baseline(baseline, data, seed)?;
            let measured = self.sets.measure_unseen(&subject, unseen)?;
            record.measured = BTreeMap::from([(unseen.key(), measured)]);
            record = self.store.save(&name, &record)?;
        }
        done.records.insert(name, record);
        Ok(())
    }
}
