//! The options of a training run, from a recipe, a file or the command line.

use std::path::{Path, PathBuf};

use clap::Args;
use lookalike::Network;
use serde::{Deserialize, Serialize};

use super::option_values::{Batches, LossName, OptimizerName, Teacher};
use super::{Classifier, Head, Objective, PairLoss, PairTerm, Settings, Similarity, Views};
use crate::data::{Augmentation, Dataset, Fill, Sampler};
use crate::family::{FamilyOptions, Fit, Input};
use crate::loss::{
    CosineSoftmax, Margin, Mining, Reduction, SmoothAp, SupervisedContrastive, Triplet,
};
use crate::optim::{OptimizerKind, Schedule};

/// The weight of teachers, if the options do not say.
const TEACHER_WEIGHT: f32 = 3.0;

/// Options of a training run. What is not given has a default, or what a
/// recipe says; see [`Options::over`]. In TOML the keys are the options' names.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// What to minimise; a classifier's loss and one on pairs can be added up,
    /// for example `cross-entropy,triplet`.
    #[arg(long, value_enum, value_name = "L", value_delimiter = ',')]
    pub loss: Option<Vec<LossName>>,
    /// What the loss on pairs is multiplied by [default: 1].
    #[arg(long, value_name = "W")]
    pub pair_weight: Option<f32>,
    /// Passes over the data [default: 20].
    #[arg(long, value_name = "N")]
    pub epochs: Option<u32>,
    /// Images of a shuffled batch [default: 64].
    #[arg(long, value_name = "B")]
    pub batch_size: Option<usize>,
    /// How batches are made: `shuffled`, or `PxK` for K images of each of P
    /// classes [default: shuffled].
    #[arg(long, value_name = "shuffled|PxK")]
    pub batches: Option<Batches>,
    /// Normalise activations over parts of a batch while training; the model
    /// has it folded into its weights.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub batch_norm: Option<bool>,
    /// Learning rate, at its peak [default: 0.001].
    #[arg(long, value_name = "X")]
    pub lr: Option<f32>,
    /// Update rule [default: adam].
    #[arg(long, value_enum, value_name = "O")]
    pub optimizer: Option<OptimizerName>,
    /// Momentum, with sgd [default: 0].
    #[arg(long, value_name = "M")]
    pub momentum: Option<f32>,
    /// Nesterov's momentum, with sgd.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub nesterov: Option<bool>,
    /// L2 penalty; with adamw decoupled [default: 0].
    #[arg(long, value_name = "W")]
    pub weight_decay: Option<f32>,
    /// How the learning rate changes over the run [default: constant].
    #[arg(long, value_enum, value_name = "S")]
    pub schedule: Option<Schedule>,
    /// Average the weights over steps with this decay, for example 0.999, and
    /// write the average; 0 for none [default: 0].
    #[arg(long, value_name = "DECAY")]
    pub ema: Option<f32>,
    /// Share of a label that is spread over all classes, with a classifier
    /// [default: 0].
    #[arg(long, value_name = "SHARE")]
    pub label_smoothing: Option<f32>,
    /// What the cosine softmax multiplies cosines by [default: 30].
    #[arg(long, value_name = "S")]
    pub cosine_scale: Option<f32>,
    /// What the cosine softmax takes from the cosine to an image's own class
    /// [default: 0.35].
    #[arg(long, value_name = "M")]
    pub cosine_margin: Option<f32>,
    /// Margin of the triplet loss, a number or `soft` [default: 0.5].
    #[arg(long, value_name = "M", allow_negative_numbers = true)]
    pub margin: Option<Margin>,
    /// Triplets that count [default: all].
    #[arg(long, value_enum)]
    pub mining: Option<Mining>,
    /// What the sum over triplets is divided by [default: mean-active].
    #[arg(long, value_enum)]
    pub reduction: Option<Reduction>,
    /// Only the first N images of a batch are anchors [default: all].
    #[arg(long, value_name = "N")]
    pub anchors: Option<usize>,
    /// Temperature of Smooth-AP [default: 0.01] or of the supervised
    /// contrastive loss [default: 0.1].
    #[arg(long, value_name = "T")]
    pub temperature: Option<f32>,
    /// Shift training images by up to so many pixels [default: 0].
    #[arg(long, value_name = "PIXELS")]
    pub shift: Option<f32>,
    /// Rotate training images by up to so many degrees [default: 0].
    #[arg(long, value_name = "DEGREES")]
    pub rotate: Option<f32>,
    /// Scale training images by a factor of 1 - S to 1 + S [default: 0].
    #[arg(long, value_name = "S")]
    pub scale: Option<f32>,
    /// Shear training images by up to so many degrees [default: 0].
    #[arg(long, value_name = "DEGREES")]
    pub shear: Option<f32>,
    /// Mirror half of the training images; for things that look alike mirrored.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub flip: Option<bool>,
    /// Erase a square of this share of the side in half of the training
    /// images [default: 0].
    #[arg(long, value_name = "SHARE")]
    pub erase: Option<f32>,
    /// What lies outside of a distorted image [default: edge].
    #[arg(long, value_enum)]
    pub fill: Option<Fill>,
    /// Make each quarter turn of a class a class of its own while training.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub quarter_turns: Option<bool>,
    /// Make mirrored images of a class a class of their own while training.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub mirror: Option<bool>,
    /// Show images upright and slanted by so many degrees, and make slanted
    /// ones classes of their own while training [default: 0].
    #[arg(long, value_name = "DEGREES")]
    pub slant: Option<f32>,
    /// Mix each batch with itself, images and labels (mixup).
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub mixup: Option<bool>,
    /// Who teaches which images are alike: `hog`, histograms of oriented
    /// gradients, whitened; `plain`, the same network, trained first for as many
    /// epochs with cross-entropy and nothing else; `untaught`, the same run
    /// without teachers, trained first; a model file. Several, separated by
    /// commas, teach their mean.
    #[arg(long, value_name = "hog|plain|untaught|MODEL", value_delimiter = ',')]
    pub teacher: Option<Vec<Teacher>>,
    /// What the loss of teaching is multiplied by; 0 for none [default: 3].
    #[arg(long, value_name = "W")]
    pub teacher_weight: Option<f32>,
    /// Height, width and channels of the network's input: `32x32x3` for colour,
    /// `32x32` or `32x32x1` for grey.
    ///
    /// Pictures in folders are scaled to it; images of MNIST and of IDX files
    /// must have it, and decide if it is left out. Without it, pictures keep
    /// their size if all have the same, of at most 64x64, else they become
    /// 32x32; they keep their colours if one of them has any.
    #[arg(long, value_name = "HxWxC")]
    pub input: Option<Input>,
    /// Output channels of the three convolutions [default: 32,32,64].
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub widths: Option<Vec<u16>>,
    /// Side of the average-pooling grid [default: 2].
    #[arg(long, value_name = "G")]
    pub grid: Option<u16>,
    /// Choose the widths: of the largest network for a device with so much
    /// flash and RAM, as `trainer family` finds it, for example
    /// `flash=64K,ram=12K`.
    #[arg(long, value_name = "flash=F,ram=R", conflicts_with = "widths")]
    pub fit: Option<Fit>,
    /// Where all random numbers come from [default: 0].
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
}

/// Why options make no run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// They contradict each other, or one that is needed is missing.
    #[error("{0}")]
    Usage(String),
    /// A file of options cannot be read.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: std::io::Error,
    },
    /// A file of options has something that is no option.
    #[error("{source_name}: {cause}")]
    Content {
        /// The file.
        source_name: String,
        /// Line, column and what is wrong.
        cause: Box<toml::de::Error>,
    },
}

impl Options {
    /// From TOML; `source_name` says in errors where it is from.
    ///
    /// # Errors
    /// For what is not TOML, or has a key or a value that there is not.
    pub fn from_toml(text: &str, source_name: &str) -> Result<Options, OptionsError> {
        toml::from_str(text).map_err(|cause| OptionsError::Content {
            source_name: source_name.to_owned(),
            cause: Box::new(cause),
        })
    }

    /// From a TOML file.
    ///
    /// # Errors
    /// When it cannot be read; as [`Options::from_toml`].
    pub fn load(path: &Path) -> Result<Options, OptionsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| OptionsError::File { path: path.to_owned(), cause })?;
        Options::from_toml(&text, &path.display().to_string())
    }

    /// As TOML, which [`Options::from_toml`] reads.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("options are TOML")
    }

    fn to_table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("options are TOML")
    }

    /// These options, and those of `base` where these are silent. Other losses
    /// than those of `base` do without what belongs to those, and of `batches`
    /// as P x K and `batch_size`, which exclude each other, these options' holds.
    pub fn over(&self, base: &Options) -> Options {
        let mut all = base.to_table();
        if let Some(losses) = &self.loss {
            for (option, _) in of_losses(losses).into_iter().filter(|(_, with)| with.is_some()) {
                all.remove(option);
            }
        }
        match (self.batches, self.batch_size) {
            (Some(Batches::PK { .. }), None) => all.remove("batch-size"),
            (None, Some(_)) => all.remove("batches"),
            _ => None,
        };
        all.extend(self.to_table());
        all.try_into().expect("options stay options")
    }

    /// The settings that these options and the defaults make for `data`.
    ///
    /// # Errors
    /// [`OptionsError::Usage`] when no loss is given, an option goes with
    /// another loss or optimiser only, or there is no such network.
    pub fn settings(&self, data: &Dataset) -> Result<Settings, OptionsError> {
        let objective = self.objective()?;
        let plain = Settings::plain(self.network(&objective, data)?, objective, 0);
        let sampler = match self.batches {
            Some(Batches::PK { classes, images }) => {
                if self.batch_size.is_some() {
                    return usage("--batch-size goes with shuffled batches only");
                }
                Sampler::PK { classes, images }
            }
            _ => Sampler::Shuffled { batch_size: self.batch_size.unwrap_or(64) },
        };
        Ok(Settings {
            batch_norm: self.batch_norm.unwrap_or(false),
            optimizer: self.optimizer()?,
            lr: self.lr.unwrap_or(plain.lr),
            schedule: self.schedule.unwrap_or(plain.schedule),
            epochs: self.epochs.unwrap_or(plain.epochs),
            sampler,
            augmentation: self.augmentation(),
            views: Views {
                quarter_turns: self.quarter_turns.unwrap_or(false),
                mirror: self.mirror.unwrap_or(false),
                slant: self.slant.unwrap_or(0.0),
            },
            mixup: self.mixup.unwrap_or(false),
            ema: self.ema.filter(|&decay| decay != 0.0),
            seed: self.seed.unwrap_or(0),
            ..plain
        })
    }

    fn augmentation(&self) -> Augmentation {
        let none = Augmentation::NONE;
        Augmentation {
            shift: self.shift.unwrap_or(none.shift),
            rotate: self.rotate.unwrap_or(none.rotate),
            scale: self.scale.unwrap_or(none.scale),
            shear: self.shear.unwrap_or(none.shear),
            flip: self.flip.unwrap_or(none.flip),
            erase: self.erase.unwrap_or(none.erase),
            fill: self.fill.unwrap_or(none.fill),
        }
    }

    fn objective(&self) -> Result<Objective, OptionsError> {
        let Some(losses) = &self.loss else {
            return usage("say what to minimise: --loss L, or --recipe NAME");
        };
        let similarity = self.similarity()?;
        let mut objective = Objective { classifier: None, pairs: None, similarity };
        let label_smoothing = self.label_smoothing.unwrap_or(0.0);
        for &loss in losses {
            let taken = match self.pair_loss(loss) {
                Some(loss) => {
                    let weight = self.pair_weight.unwrap_or(1.0);
                    objective.pairs.replace(PairTerm { loss, weight }).is_some()
                }
                None => {
                    let head = self.head(loss);
                    objective.classifier.replace(Classifier { head, label_smoothing }).is_some()
                }
            };
            if taken {
                return usage("--loss takes one loss of a classifier and one on pairs");
            }
        }
        let given = self.to_table();
        for (option, with) in of_losses(losses) {
            if let Some(with) = with.filter(|_| given.contains_key(option)) {
                return usage(format!("--{option} goes with {with} only"));
            }
        }
        Ok(objective)
    }

    /// What is taught, before the models among the teachers are known.
    fn similarity(&self) -> Result<Option<Similarity>, OptionsError> {
        let teachers = self.teachers();
        if teachers.is_empty() && self.teacher_weight.is_some_and(|weight| weight != 0.0) {
            return usage("--teacher-weight goes with --teacher only");
        }
        let weight = self.teacher_weight.unwrap_or(TEACHER_WEIGHT);
        let hog = teachers.contains(&Teacher::Hog);
        Ok((!teachers.is_empty()).then_some(Similarity { weight, hog, models: None }))
    }

    /// Who teaches; nobody where that has the weight 0.
    pub fn teachers(&self) -> &[Teacher] {
        match (&self.teacher, self.teacher_weight) {
            (Some(teachers), weight) if weight != Some(0.0) => teachers,
            _ => &[],
        }
    }

    /// The same options without teachers.
    pub fn untaught(&self) -> Options {
        Options { teacher: None, teacher_weight: None, ..self.clone() }
    }

    /// The settings of the teacher `plain`: the network and number of epochs of
    /// these options, cross-entropy, SGD with momentum at a constant rate, and
    /// images as they are. What is taught by a network that was told so little
    /// is what it sees, more than how it sorts.
    ///
    /// # Errors
    /// As [`Options::settings`].
    pub fn plain(&self, data: &Dataset) -> Result<Settings, OptionsError> {
        let objective = Objective::CROSS_ENTROPY;
        let plain = Settings::plain(
            self.network(&objective, data)?,
            objective,
            self.seed.unwrap_or_default(),
        );
        let optimizer = OptimizerKind::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
        Ok(Settings { optimizer, epochs: self.epochs.unwrap_or(plain.epochs), ..plain })
    }

    /// The classifier that a classifier's loss trains.
    fn head(&self, loss: LossName) -> Head {
        let cosine = CosineSoftmax::default();
        match loss {
            LossName::CosineSoftmax => Head::Cosine(CosineSoftmax {
                scale: self.cosine_scale.unwrap_or(cosine.scale),
                margin: self.cosine_margin.unwrap_or(cosine.margin),
            }),
            _ => Head::Linear,
        }
    }

    /// The loss on pairs of that name; `None` for a classifier's.
    fn pair_loss(&self, loss: LossName) -> Option<PairLoss> {
        let triplet = Triplet::default();
        match loss {
            LossName::CrossEntropy | LossName::CosineSoftmax => None,
            LossName::Triplet => Some(PairLoss::Triplet(Triplet {
                margin: self.margin.unwrap_or(triplet.margin),
                mining: self.mining.unwrap_or(triplet.mining),
                reduction: self.reduction.unwrap_or(triplet.reduction),
                anchors: self.anchors,
            })),
            LossName::SmoothAp => Some(PairLoss::SmoothAp(SmoothAp {
                temperature: self.temperature.unwrap_or(SmoothAp::default().temperature),
            })),
            LossName::SupervisedContrastive => {
                let temperature = SupervisedContrastive::default().temperature;
                let temperature = self.temperature.unwrap_or(temperature);
                Some(PairLoss::SupervisedContrastive(SupervisedContrastive { temperature }))
            }
        }
    }

    fn optimizer(&self) -> Result<OptimizerKind, OptionsError> {
        let weight_decay = self.weight_decay.unwrap_or(0.0);
        let name = self.optimizer.unwrap_or(OptimizerName::Adam);
        let of_sgd = self.momentum.is_some() || self.nesterov == Some(true);
        if name != OptimizerName::Sgd && of_sgd {
            return usage("--momentum and --nesterov go with --optimizer sgd only");
        }
        Ok(match name {
            OptimizerName::Sgd => OptimizerKind::Sgd {
                momentum: self.momentum.unwrap_or(0.0),
                nesterov: self.nesterov.unwrap_or(false),
                weight_decay,
            },
            OptimizerName::Adam => OptimizerKind::Adam { weight_decay },
            OptimizerName::Adamw => OptimizerKind::AdamW { weight_decay },
        })
    }

    /// The member of the network family that they choose.
    pub fn family(&self) -> FamilyOptions {
        FamilyOptions {
            input: self.input,
            widths: self.widths.clone(),
            grid: self.grid.unwrap_or(FamilyOptions::default().grid),
            fit: self.fit,
        }
    }

    /// The same options with the widths of a network instead of what chose them.
    pub fn with_widths(&self, network: &Network) -> Options {
        let widths = network.widths().map(|width| width as u16);
        let widths = self.fit.map_or_else(|| self.widths.clone(), |_| Some(widths.to_vec()));
        Options { fit: None, widths, ..self.clone() }
    }

    /// The network for images of `data`, with a classifier if one is trained.
    fn network(&self, objective: &Objective, data: &Dataset) -> Result<Network, OptionsError> {
        let class_names = if objective.classifier.is_some() { &data.class_names[..] } else { &[] };
        self.family().network(data.shape, class_names).or_else(|error| usage(error.to_string()))
    }
}

/// The options that belong to losses, each with what it goes with where that is
/// none of `losses`.
fn of_losses(losses: &[LossName]) -> [(&'static str, Option<&'static str>); 9] {
    use LossName::{CosineSoftmax, CrossEntropy, SmoothAp, SupervisedContrastive, Triplet};
    let missing = |of: &[LossName], with| (!of.iter().any(|l| losses.contains(l))).then_some(with);
    let triplet = missing(&[Triplet], "--loss triplet");
    let cosine = missing(&[CosineSoftmax], "--loss cosine-softmax");
    let temperature =
        missing(&[SmoothAp, SupervisedContrastive], "--loss smooth-ap or supervised-contrastive");
    let pairs = missing(&[Triplet, SmoothAp, SupervisedContrastive], "a loss on pairs");
    let classifier = missing(&[CrossEntropy, CosineSoftmax], "a classifier's loss");
    [
        ("cosine-scale", cosine),
        ("cosine-margin", cosine),
        ("margin", triplet),
        ("mining", triplet),
        ("reduction", triplet),
        ("anchors", triplet),
        ("temperature", temperature),
        ("pair-weight", pairs),
        ("label-smoothing", classifier),
    ]
}

fn usage<T>(text: impl Into<String>) -> Result<T, OptionsError> {
    Err(OptionsError::Usage(text.into()))
}
