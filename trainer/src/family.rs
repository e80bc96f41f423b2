//! The network family: what chooses a member of it.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use lookalike::{ModelError, Network, NetworkError, Shape};
use serde::{Deserialize, Serialize};

use crate::device::{Budget, Cost, Deployment, Member, Planner, STEP, grouped, largest};

/// Why options choose no member of the family.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FamilyError {
    /// A dimension is out of its range.
    #[error("no such network: {0}")]
    Network(#[from] NetworkError),
    /// The widths are not three.
    #[error("--widths takes three numbers, for example 32,32,64")]
    Widths,
    /// Widths and what chooses them are both given.
    #[error("--fit chooses the widths: leave --widths out")]
    Both,
    /// No member fits the budget.
    #[error(
        "no network fits --fit {fit}: the smallest, widths {STEP},{STEP},{STEP}, takes {} bytes of flash and {} of RAM; raise the budget, or choose a smaller --input or --grid",
        grouped(least.flash_bytes), grouped(least.ram_bytes)
    )]
    Budget {
        /// What was asked for.
        fit: Fit,
        /// What the smallest member costs.
        least: Cost,
    },
    /// Its file cannot be planned.
    #[error("no such network: {0}")]
    Model(#[from] ModelError),
}

/// Which member of the network family.
#[derive(Args, Clone, Debug)]
pub struct FamilyOptions {
    /// Height, width and channels of the network's input: `32x32x3` for colour,
    /// `32x32` or `32x32x1` for grey.
    #[arg(long, value_name = "HxWxC")]
    pub input: Option<Input>,
    /// Output channels of the three convolutions [default: 32,32,64].
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', conflicts_with = "fit")]
    pub widths: Option<Vec<u16>>,
    /// Side of the average-pooling grid.
    #[arg(long, value_name = "G", default_value_t = 2)]
    pub grid: u16,
    /// Choose the widths: of the largest network for a device with so much
    /// flash and RAM, for example `flash=64K,ram=12K`.
    ///
    /// K is 1024 bytes, M 1024 K. The model file and the smallest program around
    /// it must fit the flash, workspace, stack and variables the RAM; a gallery,
    /// what is enrolled and the image come on top. The model is to be deployed as
    /// int8 in any packing, which `compact` always is first to fit; `as=fast` asks
    /// for that packing, `as=f32` for a model that is not quantised.
    #[arg(long, value_name = "flash=F,ram=R")]
    pub fit: Option<Fit>,
}

impl Default for FamilyOptions {
    fn default() -> Self {
        FamilyOptions { input: None, widths: None, grid: 2, fit: None }
    }
}

/// Output channels of the reference network.
const WIDTHS: [u16; 3] = [32, 32, 64];

impl FamilyOptions {
    /// The input that was asked for.
    pub fn input(&self) -> Option<Shape> {
        self.input.map(|Input(shape)| shape)
    }

    /// The network for images of a shape; with a classifier for `class_names`,
    /// if there are any.
    ///
    /// # Errors
    /// Dimensions are out of range, or no member fits.
    pub fn network(&self, data: Shape, class_names: &[String]) -> Result<Network, FamilyError> {
        let input = dimensions(data);
        let classes = to_u16(class_names.len());
        let Some(fit) = self.fit else {
            let widths = match &self.widths {
                None => WIDTHS,
                Some(widths) => widths.as_slice().try_into().map_err(|_| FamilyError::Widths)?,
            };
            return Ok(Network::new(input, widths, self.grid, classes)?);
        };
        if self.widths.is_some() {
            return Err(FamilyError::Both);
        }
        let smallest = Network::new(input, [STEP; 3], self.grid, classes)?;
        let planner = Planner::new(input, class_names);
        let found = largest(&planner, (input, self.grid, classes), fit.budget, fit.deployments())?;
        match found {
            Some(network) => Ok(network),
            None => {
                let least = planner.cost(&smallest, fit.deployments()[0])?;
                Err(FamilyError::Budget { fit, least })
            }
        }
    }

    /// What the network costs on a device: to be read before it is trained.
    ///
    /// # Errors
    /// [`ModelError`] for another number of names than classes.
    pub fn costs(&self, network: &Network, class_names: &[String]) -> Result<String, ModelError> {
        let planner = Planner::new(dimensions(network.input()), class_names);
        let member = Member::new(network, &planner)?;
        let mut text = format!(
            "network: input {}, widths {}, grid {}, embedding of {} values\n\
             {} parameters, {} multiply-accumulates an image\n",
            Input(network.input()),
            list(member.widths),
            member.grid,
            member.embedding_dimensions,
            grouped(member.parameters as u64),
            grouped(member.multiply_accumulates),
        );
        for cost in &member.costs {
            let fits = match self.fit {
                Some(fit) if fit.budget.holds(cost) => ", fits",
                Some(_) => ", does not fit",
                None => "",
            };
            text += &format!(
                "as {:<12} {:>9} bytes of flash, {:>7} bytes of RAM{fits}\n",
                cost.deployment.name(),
                grouped(cost.flash_bytes),
                grouped(cost.ram_bytes),
            );
        }
        Ok(text)
    }
}

/// Channels, height, width, as the core takes them; what does not fit is out of
/// its range, too.
pub fn dimensions(shape: Shape) -> [u16; 3] {
    [shape.channels, shape.height, shape.width].map(to_u16)
}

fn to_u16(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Widths as they are given.
pub fn list(widths: [usize; 3]) -> String {
    widths.map(|width| width.to_string()).join(",")
}

/// Height x width x channels; one channel if they are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Input(pub Shape);

impl FromStr for Input {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<u16>> = text.split('x').map(|number| number.parse().ok()).collect();
        let (height, width, channels) = match numbers.as_deref() {
            Some(&[height, width]) => (height, width, 1),
            Some(&[height, width, channels]) => (height, width, channels),
            _ => return Err("expected height x width x channels, for example 32x32x3".into()),
        };
        // The widths do not matter here.
        Network::new([channels, height, width], [1; 3], 1, 0).map_err(|error| error.to_string())?;
        let [height, width, channels] = [height, width, channels].map(usize::from);
        Ok(Input(Shape { height, width, channels }))
    }
}

impl Display for Input {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Input(Shape { height, width, channels }) = self;
        write!(f, "{height}x{width}x{channels}")
    }
}

/// What must fit, and how the model is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fit {
    /// What the device has room for.
    pub budget: Budget,
    /// How the model is deployed; as int8 in any packing if not said.
    pub deployment: Option<Deployment>,
}

impl Fit {
    /// How the model may be deployed.
    pub fn deployments(&self) -> &'static [Deployment] {
        let only = |deployment| Deployment::ALL.iter().position(|each| *each == deployment);
        match self.deployment.and_then(only) {
            Some(i) => &Deployment::ALL[i..=i],
            None => &Deployment::ALL[1..],
        }
    }
}

impl FromStr for Fit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected for example flash=64K,ram=12K".to_owned();
        let mut fit = Fit { budget: Budget::default(), deployment: None };
        for part in text.split(',') {
            let (key, value) = part.split_once('=').ok_or_else(expected)?;
            let size = || bytes(value).ok_or_else(|| format!("`{value}` is no size such as 64K"));
            match key {
                "flash" if fit.budget.flash.is_none() => fit.budget.flash = Some(size()?),
                "ram" if fit.budget.ram.is_none() => fit.budget.ram = Some(size()?),
                "as" if fit.deployment.is_none() => {
                    let named = Deployment::from_str(value, false);
                    let named = named.map_err(|_| "`as` takes f32, compact or fast".to_owned());
                    fit.deployment = Some(named?);
                }
                _ => return Err(expected()),
            }
        }
        if fit.budget == Budget::default() { Err(expected()) } else { Ok(fit) }
    }
}

impl Display for Fit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sizes = [("flash", self.budget.flash), ("ram", self.budget.ram)];
        let parts = sizes.into_iter().filter_map(|(key, size)| Some(format!("{key}={}", size?)));
        let deployed = self.deployment.and_then(|deployment| deployment.to_possible_value());
        let deployed = deployed.map(|value| format!("as={}", value.get_name()));
        f.write_str(&parts.chain(deployed).collect::<Vec<_>>().join(","))
    }
}

/// A number of bytes, K (1024) or M (1024 K).
fn bytes(text: &str) -> Option<u64> {
    let (digits, unit) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix(['M', 'm']).map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

macro_rules! as_string {
    ($($name:ident),*) => {
        $(impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        })*
    };
}
as_string!(Input, Fit);

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference network's input.
    const INPUT: Shape = Shape { height: 28, width: 28, channels: 1 };

    #[test]
    fn inputs_are_parsed() {
        let parse = |text: &str| text.parse::<Input>().map(|Input(shape)| shape);
        assert_eq!(parse("32x24x3"), Ok(Shape { height: 32, width: 24, channels: 3 }));
        assert_eq!(parse("32x24"), Ok(Shape { height: 32, width: 24, channels: 1 }));
        for text in ["32", "32x32x3x1", "17x32x1", "32x32x17", "x", "32X32X3", "-1x2x3"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!("32x24x3".parse::<Input>().unwrap().to_string(), "32x24x3");
    }

    #[test]
    fn budgets_are_parsed() {
        let parse = |text: &str| text.parse::<Fit>();
        let fit = parse("flash=64K,ram=12K").unwrap();
        assert_eq!(fit.budget, Budget { flash: Some(65_536), ram: Some(12_288) });
        assert_eq!(fit.deployments(), [Deployment::Compact, Deployment::Fast]);
        assert_eq!(parse(&fit.to_string()), Ok(fit));
        let fit = parse("ram=1M,as=f32").unwrap();
        assert_eq!(fit.budget, Budget { flash: None, ram: Some(1 << 20) });
        assert_eq!(fit.deployments(), [Deployment::F32]);
        assert_eq!(parse(&fit.to_string()), Ok(fit));
        for text in [
            "",
            "64K",
            "flash",
            "flash=",
            "flash=x",
            "flash=-1",
            "flash=64KB",
            "rom=1",
            "flash=1,flash=2",
            "as=fast",
            "flash=1,as=f64",
            "flash=99999999999999999999",
            "ram=99999999999999999M",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn options_choose_a_network() {
        let options = FamilyOptions::default();
        let names = ["a".to_owned(), "b".to_owned()];
        assert_eq!(options.network(INPUT, &[]).unwrap(), Network::REFERENCE.without_classifier());
        assert_eq!(options.network(INPUT, &names).unwrap().classes(), 2);
        let two = FamilyOptions { widths: Some(vec![4, 8]), ..options.clone() };
        assert!(two.network(INPUT, &[]).is_err());
        let wide = FamilyOptions { widths: Some(vec![4, 8, 513]), ..options.clone() };
        assert!(wide.network(INPUT, &[]).is_err());

        let colour = Shape { height: 32, width: 32, channels: 3 };
        let fit = FamilyOptions { fit: Some("flash=64K,ram=12K".parse().unwrap()), ..options };
        let network = fit.network(colour, &[]).unwrap();
        assert_eq!((network.input(), network.grid()), (colour, 2));
        let text = fit.costs(&network, &[]).unwrap();
        assert!(text.contains("int8 compact") && text.contains("does not fit"), "{text}");
        let tiny = FamilyOptions { fit: Some("flash=10K".parse().unwrap()), ..fit };
        let error = tiny.network(colour, &[]).unwrap_err().to_string();
        assert!(error.contains("widths 4,4,4, takes"), "{error}");
    }
}
