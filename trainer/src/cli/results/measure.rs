//! The measurements of a model or a baseline.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use lookalike::Packing;
use lookalike_trainer::data::{Dataset, Source, Split};
use lookalike_trainer::files::{LoadedModel, save_model};
use lookalike_trainer::quantize;
use lookalike_trainer::retrieval::Options;
use lookalike_trainer::retrieval::few_shot::{Draws, Options as FewShotOptions, SeenItems, Shots};

use super::experiments::{Data, Measure, Run, Unseen};
use super::store::{Asked, Enrolment, Figures, Images, Measured};
use crate::cli::evaluate::{Baseline, Subject, few_shot};

/// Shots that are enrolled, and items of each class that is known.
pub const SHOTS: [usize; 2] = [1, 5];
pub const SEEN_ITEMS: usize = 20;
/// How often they are drawn.
pub const DRAWS: usize = 100;
const QUICK_DRAWS: usize = 5;
/// With `--quick`, images of each class.
const QUICK_TRAIN: usize = 30;
const QUICK_TEST: usize = 15;
/// The random numbers of draws and of calibration: the same for all models.
const SEED: u64 = 0;

/// The images of one data set.
struct Set {
    /// To train on, to calibrate on and to enrol.
    train: Dataset,
    /// To measure on.
    test: Dataset,
    train_images: Images,
    test_images: Images,
}

/// All images, and how much is made of them.
pub struct Sets {
    sets: BTreeMap<Data, Set>,
    draws: usize,
}

impl Sets {
    /// Loads each data set from its source; only few images if `quick`.
    pub fn load(sources: &BTreeMap<Data, Source>, quick: bool) -> anyhow::Result<Sets> {
        let load = |(&data, source): (&Data, &Source)| -> anyhow::Result<(Data, Set)> {
            let [mut train, mut test] = [source.load(Split::Train)?, source.load(Split::Test)?];
            if quick {
                train = train.first_per_class(QUICK_TRAIN);
                test = test.first_per_class(QUICK_TEST);
            }
            let (train_images, test_images) = (Images::of(&train), Images::of(&test));
            Ok((data, Set { train, test, train_images, test_images }))
        };
        let sets: BTreeMap<Data, Set> = sources.iter().map(load).collect::<Result<_, _>>()?;
        let shapes: Vec<_> = sets.values().map(|set| set.test.shape).collect();
        anyhow::ensure!(
            shapes.windows(2).all(|pair| pair[0] == pair[1]),
            "the data sets have images of different sizes: a model of one could not be measured \
             on the other"
        );
        Ok(Sets { sets, draws: if quick { QUICK_DRAWS } else { DRAWS } })
    }

    fn of(&self, data: Data) -> &Set {
        &self.sets[&data]
    }

    /// Number of classes of a data set.
    pub fn class_count(&self, data: Data) -> usize {
        self.of(data).train.class_count()
    }

    /// What a run is trained on.
    pub fn training(&self, run: &Run) -> anyhow::Result<Dataset> {
        let train = &self.of(run.data).train;
        Ok(train.filter_classes(&run.seen.of(train.class_count()), &[])?)
    }

    /// What a measurement of a model that was trained on `data` asks.
    pub fn asked(&self, data: Data, measure: &Measure) -> Asked {
        let set = self.of(data);
        match measure {
            Measure::Closed => Asked { images: set.test_images, few_shot: None, calibrated: None },
            Measure::Int8 => Asked {
                images: set.test_images,
                few_shot: None,
                calibrated: Some(set.train_images),
            },
            Measure::Unseen(unseen) => {
                let set = self.of(unseen.measured.0);
                let enrolment = self.enrolment(unseen);
                Asked {
                    images: set.test_images,
                    few_shot: Some((set.train_images, enrolment)),
                    calibrated: None,
                }
            }
        }
    }

    fn enrolment(&self, unseen: &Unseen) -> Enrolment {
        let (data, classes) = unseen.measured;
        Enrolment {
            unseen: classes.of(self.class_count(data)),
            shots: SHOTS.to_vec(),
            seen_items: SEEN_ITEMS,
            draws: self.draws,
        }
    }

    /// Measures a model that was trained on `data`; a quantised one is written
    /// to `int8`.
    pub fn measure(
        &self,
        model: LoadedModel,
        data: Data,
        measure: &Measure,
        int8: &Path,
    ) -> anyhow::Result<Measured> {
        let set = self.of(data);
        let figures = match measure {
            Measure::Closed => closed(&Subject::Model(Box::new(model)), &set.test)?,
            Measure::Unseen(unseen) => {
                return self.measure_unseen(&Subject::Model(Box::new(model)), unseen);
            }
            Measure::Int8 => {
                let options = quantize::Options { seed: SEED, ..quantize::Options::default() };
                let (quantized, _) =
                    quantize::quantize(&model, &set.train, Packing::Fast, &options)
                        .context("cannot quantise")?;
                save_model(int8, &quantized.as_new())?;
                closed(&Subject::Model(Box::new(quantized)), &set.test)?
            }
        };
        Ok(Measured { asked: self.asked(data, measure), figures })
    }

    /// Measures retrieval among the test images of unseen classes, and their
    /// recognition by few shots.
    pub fn measure_unseen(&self, subject: &Subject, unseen: &Unseen) -> anyhow::Result<Measured> {
        let set = self.of(unseen.measured.0);
        let enrolment = self.enrolment(unseen);
        let images = set.test.filter_classes(&enrolment.unseen, &[])?;
        let evaluation = subject.evaluate(&images, without_intervals())?.0;
        let figures = Figures::new(&evaluation, shots(subject, set, &enrolment)?);
        Ok(Measured { asked: self.asked(unseen.measured.0, &Measure::Unseen(*unseen)), figures })
    }

    /// A baseline's subject for the images of a data set.
    pub fn baseline(&self, baseline: Baseline, data: Data, seed: u64) -> anyhow::Result<Subject> {
        Subject::baseline(baseline, &self.of(data).test, seed)
    }
}

/// What differs between seeds is shown instead.
fn without_intervals() -> Options<'static> {
    Options { resamples: 0, ..Options::default() }
}

fn closed(subject: &Subject, test: &Dataset) -> anyhow::Result<Figures> {
    Ok(Figures::new(&subject.evaluate(test, without_intervals())?.0, Vec::new()))
}

fn shots(subject: &Subject, set: &Set, enrolment: &Enrolment) -> anyhow::Result<Vec<Shots>> {
    let options = FewShotOptions {
        unseen: enrolment.unseen.clone(),
        shots: enrolment.shots.clone(),
        seen_items: SeenItems::Fixed(enrolment.seen_items),
        draws: enrolment.draws,
        resamples: 0,
        seed: SEED,
    };
    let draws = Draws::new(&set.train.labels, options)?;
    Ok(few_shot(subject, &draws, &set.train, &set.test)?.shots)
}
