//! `trainer calibrate`.

use std::path::PathBuf;

use clap::Args;
use lookalike::{Acceptance, Rule};
use lookalike_trainer::data::{Dataset, Split};
use lookalike_trainer::files::{LoadedModel, NewModel, load_model, save_model};
use lookalike_trainer::retrieval::open_set::{Decisions, Enrolled, Nearest, threshold};
use lookalike_trainer::rng::{Purpose, stream};
use rand::seq::SliceRandom;
use serde::Serialize;

use super::UsageError;
use super::console::note;
use super::options::{DataOptions, ThreadOptions};
use super::output::{print, print_json};

/// Find the distance above which a thing is unknown, and keep it in the model.
///
/// Some shots of each enrolled class are drawn from the training split.
/// Training images of the impostor classes, which are not enrolled, then look
/// for their nearest item; the threshold accepts the wanted share of them. What
/// it does is measured on the test split: impostors of the same classes,
/// classes that took no part at all, and the enrolled ones.
///
/// Without `--impostor-classes` each enrolled class in turn plays the impostor.
/// The model has usually been trained on it, so strangers will be accepted more
/// often than wanted: train with `--exclude-classes` and give those classes.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer calibrate digits.model --false-accept-rate 0.01 \
                  --enrol-classes 0,1,2,3,4,5 --impostor-classes 6,7")]
pub struct Calibrate {
    /// The model file; the threshold is written into it.
    model: PathBuf,
    /// The share of impostors to accept, above 0 and below 1.
    #[arg(long, value_name = "RATE")]
    false_accept_rate: f32,
    #[command(flatten)]
    data: DataOptions,
    /// The classes to enrol, by name or number; all that are not impostors if
    /// left out.
    #[arg(long, value_name = "a,b", value_delimiter = ',')]
    enrol_classes: Vec<String>,
    /// The classes that are not enrolled but try, by name or number.
    #[arg(long, value_name = "a,b", value_delimiter = ',')]
    impostor_classes: Vec<String>,
    /// Shots of each enrolled class.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    shots: u32,
    /// Compare with the mean of each class's shots instead of every shot.
    #[arg(long)]
    prototypes: bool,
    /// Where the random numbers come from.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Write the model with its threshold here instead.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadOptions,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was calibrated, and what it does on the test split.
#[derive(Serialize)]
struct Report {
    threshold: f32,
    false_accept_rate: f32,
    rule: &'static str,
    shots: u32,
    enrolled_classes: Vec<u16>,
    impostor_classes: Vec<u16>,
    /// The names of all classes, by their numbers.
    class_names: Vec<String>,
    calibration_impostors: usize,
    /// Test images of the impostor classes.
    impostors: Option<Decisions>,
    /// Test images of classes that took no part.
    strangers: Option<Decisions>,
    stranger_classes: Vec<u16>,
    /// Test images of the enrolled classes.
    enrolled: Decisions,
}

impl Calibrate {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        if !(self.false_accept_rate > 0.0 && self.false_accept_rate < 1.0) {
            let text = format!(
                "--false-accept-rate must be above 0 and below 1, not {}",
                self.false_accept_rate
            );
            return Err(UsageError(text).into());
        }
        self.threads.run(|| self.calibrate())
    }

    fn calibrate(&self) -> anyhow::Result<()> {
        let model = load_model(&self.model)?;
        let train = self.data.load_for(Split::Train, &model)?;
        let test = self.data.load_for(Split::Test, &model)?;

        let impostor_classes = train.class_numbers(&self.impostor_classes)?;
        let enrolled_classes = self.enrolled_classes(&train, &impostor_classes)?;
        if let Some(class) = enrolled_classes.iter().find(|c| impostor_classes.contains(c)) {
            let name = &train.class_names[usize::from(*class)];
            let text = format!("class {name} cannot be enrolled and an impostor");
            return Err(UsageError(text).into());
        }
        let enrolled = self.enrol(&model, &train, &enrolled_classes)?;
        let impostors = if impostor_classes.is_empty() {
            self.each_in_turn(&model, &train, &enrolled)?
        } else {
            let images = train.filter_classes(&impostor_classes, &[])?;
            self.comparable(&enrolled).nearest(model.embed(&images).view())
        };
        let threshold = threshold(&impostors, f64::from(self.false_accept_rate))
            .ok_or_else(|| anyhow::anyhow!("there is no impostor to calibrate with"))?;

        let rule = if self.prototypes { Rule::NearestPrototype } else { Rule::NearestItem };
        let acceptance = Acceptance { threshold, false_accept_rate: self.false_accept_rate, rule };
        let out = self.out.as_ref().unwrap_or(&self.model);
        save_model(out, &NewModel { acceptance: Some(acceptance), ..model.as_new() })?;
        note!("wrote {} with its threshold", out.display());

        let classes = (enrolled_classes, impostor_classes);
        let report = self.report(&model, &test, classes, &enrolled, threshold, impostors.len())?;
        if self.json { print_json(&report) } else { print(&text(&report)) }
    }

    /// Those asked for, or all that are no impostors, of those that have images.
    fn enrolled_classes(&self, train: &Dataset, impostors: &[u16]) -> anyhow::Result<Vec<u16>> {
        let mut classes = if self.enrol_classes.is_empty() {
            train.filter_classes(&[], impostors)?.labels
        } else {
            train.filter_classes(&train.class_numbers(&self.enrol_classes)?, &[])?.labels
        };
        classes.sort_unstable();
        classes.dedup();
        Ok(classes)
    }

    /// Random shots of each class.
    fn enrol(
        &self,
        model: &LoadedModel,
        train: &Dataset,
        classes: &[u16],
    ) -> anyhow::Result<Enrolled> {
        let mut shots = Vec::new();
        for &class in classes {
            let mut rng = stream(self.seed, Purpose::Selection, u64::from(class));
            let mut images: Vec<u32> =
                (0..train.len() as u32).filter(|&i| train.labels[i as usize] == class).collect();
            anyhow::ensure!(
                images.len() >= self.shots as usize,
                "class {} has {} training images, fewer than {} shots",
                train.class_names[usize::from(class)],
                images.len(),
                self.shots
            );
            images.shuffle(&mut rng);
            shots.extend(&images[..self.shots as usize]);
        }
        let shots = train.subset(&shots);
        let embeddings = model.embed(&shots);
        Ok(Enrolled { embeddings, labels: shots.labels })
    }

    /// The items, or their prototypes.
    fn comparable(&self, enrolled: &Enrolled) -> Enrolled {
        if self.prototypes { enrolled.prototypes() } else { enrolled.clone() }
    }

    /// Every enrolled class plays the impostor against the others.
    fn each_in_turn(
        &self,
        model: &LoadedModel,
        train: &Dataset,
        enrolled: &Enrolled,
    ) -> anyhow::Result<Vec<Nearest>> {
        let mut classes = enrolled.labels.clone();
        classes.dedup();
        anyhow::ensure!(classes.len() > 1, "with one class enrolled, give --impostor-classes");
        let mut all = Vec::new();
        for class in classes {
            let others: Vec<usize> =
                (0..enrolled.labels.len()).filter(|&i| enrolled.labels[i] != class).collect();
            let others = Enrolled {
                embeddings: enrolled.embeddings.select(ndarray::Axis(0), &others),
                labels: others.iter().map(|&i| enrolled.labels[i]).collect(),
            };
            let images = train.filter_classes(&[class], &[])?;
            let queries = model.embed(&images);
            all.extend(self.comparable(&others).nearest(queries.view()));
        }
        Ok(all)
    }

    fn report(
        &self,
        model: &LoadedModel,
        test: &Dataset,
        (enrolled_classes, impostor_classes): (Vec<u16>, Vec<u16>),
        enrolled: &Enrolled,
        threshold: f32,
        calibration_impostors: usize,
    ) -> anyhow::Result<Report> {
        let comparable = self.comparable(enrolled);
        let decide = |classes: &[u16]| -> anyhow::Result<Option<Decisions>> {
            if !test.labels.iter().any(|label| classes.contains(label)) {
                return Ok(None);
            }
            let images = test.filter_classes(classes, &[])?;
            let nearest = comparable.nearest(model.embed(&images).view());
            Ok(Some(Decisions::new(&nearest, &images.labels, threshold)))
        };
        let mut stranger_classes = test.labels.clone();
        stranger_classes.sort_unstable();
        stranger_classes.dedup();
        stranger_classes.retain(|c| !enrolled_classes.contains(c) && !impostor_classes.contains(c));
        let Some(of_enrolled) = decide(&enrolled_classes)? else {
            anyhow::bail!("the test split has no image of the enrolled classes");
        };
        Ok(Report {
            threshold,
            false_accept_rate: self.false_accept_rate,
            rule: if self.prototypes { "nearest-prototype" } else { "nearest-item" },
            shots: self.shots,
            calibration_impostors,
            impostors: decide(&impostor_classes)?,
            strangers: decide(&stranger_classes)?,
            stranger_classes,
            enrolled: of_enrolled,
            enrolled_classes,
            impostor_classes,
            class_names: test.class_names.clone(),
        })
    }
}

/// Classes by name.
fn list(classes: &[u16], report: &Report) -> String {
    let name = |&class: &u16| report.class_names[usize::from(class)].as_str();
    classes.iter().map(name).collect::<Vec<_>>().join(",")
}

fn text(report: &Report) -> String {
    let rate = |r: &lookalike_trainer::retrieval::open_set::Rate| {
        let [low, high] = r.confidence_95;
        format!("{:>7.4} [{low:.4}, {high:.4}]  {} of {}", r.rate, r.count, r.of)
    };
    let mut text = format!(
        "threshold {:.6}, squared distance to the {}, for a false-accept rate of {}\n\
         calibrated with {} impostors; enrolled: {} shots of each of classes {}\n\n\
         on the test split, with 95 % intervals\n",
        report.threshold,
        report.rule.replace('-', " "),
        report.false_accept_rate,
        report.calibration_impostors,
        report.shots,
        list(&report.enrolled_classes, report),
    );
    if let Some(d) = &report.impostors {
        let classes = list(&report.impostor_classes, report);
        text += &format!("false accepts, impostor classes {classes}: {}\n", rate(&d.accepted));
    }
    if let Some(d) = &report.strangers {
        let classes = list(&report.stranger_classes, report);
        text += &format!("false accepts, other classes {classes}: {}\n", rate(&d.accepted));
    }
    text += &format!("detected, enrolled classes: {}\n", rate(&report.enrolled.accepted));
    text += &format!("identified, enrolled classes: {}\n", rate(&report.enrolled.identified));
    text
}
