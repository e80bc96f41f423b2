//! `trainer family`.

use clap::Args;
use lookalike::{Network, Shape};
use lookalike_trainer::device::{Deployment, Member, Planner, fits, grouped};
use lookalike_trainer::family::{FamilyError, FamilyOptions, Input, dimensions, list};
use serde::Serialize;

use super::UsageError;
use super::output::{print, print_json};

/// Compare what members of the network family cost on a device.
///
/// Flash is the model file and the smallest program that embeds and searches;
/// RAM is its workspace, stack and variables: the most of the three boards on
/// which the example firmware is measured. A gallery comes on top, and what is
/// enrolled, and the image.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer family --input 32x32x3 --fit flash=64K,ram=12K")]
pub struct Family {
    #[command(flatten)]
    family: FamilyOptions,
    /// Classes of a classifier, which only cross-entropy trains; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=4096))]
    classes: u16,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Widths that are compared if none are given: the reference network's
/// proportions.
const LADDER: [u16; 8] = [4, 8, 12, 16, 24, 32, 48, 64];
/// The reference network's input.
const INPUT: Shape = Shape { height: 28, width: 28, channels: 1 };

/// What `--json` prints.
#[derive(Serialize)]
struct Comparison {
    input: String,
    grid: u16,
    classes: u16,
    members: Vec<Entry>,
    /// The largest member that fits, if that was asked for.
    largest: Option<Entry>,
}

#[derive(Clone, Serialize)]
struct Entry {
    #[serde(flatten)]
    member: Member,
    /// Whether it fits, if that was asked for.
    fits: Option<bool>,
}

impl Family {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let input = self.family.input().unwrap_or(INPUT);
        let class_names: Vec<String> = (0..self.classes).map(|class| class.to_string()).collect();
        let network = |family: &FamilyOptions| -> Result<Network, UsageError> {
            let network = family.network(input, &class_names);
            network.map_err(|error: FamilyError| UsageError(error.to_string()))
        };
        let planner = Planner::new(dimensions(input), &class_names);
        let entry = |network: &Network| -> anyhow::Result<Entry> {
            let fits =
                self.family.fit.map(|fit| fits(&planner, network, fit.budget, fit.deployments()));
            Ok(Entry { member: Member::new(network, &planner)?, fits: fits.transpose()? })
        };
        let mut networks = Vec::new();
        for width in LADDER {
            let widths = Some(vec![width, width, 2 * width]);
            let family = FamilyOptions { widths, fit: None, ..self.family.clone() };
            networks.push(network(&family)?);
        }
        let chosen = network(&self.family)?;
        if !networks.contains(&chosen) {
            networks.push(chosen);
        }
        networks.sort_by_key(|network| network.multiply_accumulates().iter().sum::<u64>());
        let comparison = Comparison {
            input: Input(input).to_string(),
            grid: self.family.grid,
            classes: self.classes,
            members: networks.iter().map(entry).collect::<anyhow::Result<_>>()?,
            largest: self.family.fit.map(|_| entry(&chosen)).transpose()?,
        };
        if self.json { print_json(&comparison) } else { print(&self.table(&comparison)) }
    }

    fn table(&self, comparison: &Comparison) -> String {
        let mut text = format!(
            "input {}, grid {}, {} classes\n\n{:<12} {:>10} {:>12} {:>7}",
            comparison.input, comparison.grid, comparison.classes, "", "", "multiply-", "gallery"
        );
        for deployment in Deployment::ALL {
            text += &format!(" {:>20}", deployment.name());
        }
        text +=
            &format!("\n{:<12} {:>10} {:>12} {:>7}", "widths", "parameters", "accumulates", "item");
        for _ in Deployment::ALL {
            text += &format!(" {:>11} {:>8}", "flash", "RAM");
        }
        text.push('\n');
        for Entry { member, fits } in &comparison.members {
            text += &format!(
                "{:<12} {:>10} {:>12} {:>7}",
                list(member.widths),
                grouped(member.parameters as u64),
                grouped(member.multiply_accumulates),
                grouped(member.gallery_item_bytes as u64),
            );
            for cost in &member.costs {
                let (flash, ram) = (grouped(cost.flash_bytes), grouped(cost.ram_bytes));
                text += &format!(" {flash:>11} {ram:>8}");
            }
            text += match fits {
                Some(true) => "  fits\n",
                Some(false) => "  too large\n",
                None => "\n",
            };
        }
        text += "\nBytes; flash and RAM of the smallest program that embeds and searches, the most of\n\
                 three boards. A gallery of u8 codes takes the bytes of an item for each on top.\n";
        if let (Some(largest), Some(fit)) = (&comparison.largest, self.family.fit) {
            let widths = list(largest.member.widths);
            text += &format!(
                "The largest that fits {fit}: --widths {widths} --grid {}\n",
                comparison.grid
            );
        }
        text
    }
}
