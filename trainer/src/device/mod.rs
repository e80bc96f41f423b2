//! What a model takes on the boards that the project's firmware is measured on.
//!
//! - [`footprints`]: of a model that there is, on each board
//! - [`Planner`]: of any member of the family, before it is trained
//! - [`largest`]: the largest one that a device has room for

mod cost;
mod fit;

use lookalike::{Network, Packing};
use serde::Serialize;

pub(crate) use cost::SELF_TEST_IMAGES;
pub use cost::{Cost, Deployment, Member, PROJECTED, Planner};
pub use fit::{Budget, STEP, fits, largest};

/// The figures that `scripts/firmware.sh` measures and holds the firmware to:
/// board, figure, one value for each compiler.
const BUDGETS: &str = include_str!("../../../firmware-example/budgets.txt");

/// A board, and what embedding takes there besides the model.
const BOARDS: [(&str, &str); 3] =
    [("mps2-an386", "Cortex-M4F"), ("microbit", "Cortex-M0"), ("virt", "RISC-V rv32imc")];

/// What embedding and searching take on one board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Footprint {
    /// The board, as its emulator calls it.
    pub board: &'static str,
    /// Its processor.
    pub processor: &'static str,
    /// The model file and the code that opens it, embeds and searches.
    pub flash_bytes: u64,
    /// Of those, the code: measured, within 1 %.
    pub code_bytes: u64,
    /// The workspace, exactly.
    pub static_ram_bytes: u64,
    /// The deepest stack of embedding and of searching: measured with the
    /// example firmware, within 1 %.
    pub stack_bytes: u64,
}

/// The largest value of a figure over the compilers; `None` if it is not listed.
fn budget(board: &str, figure: &str) -> Option<u64> {
    let line = BUDGETS.lines().filter(|line| !line.starts_with('#')).find(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(board) && words.next() == Some(figure)
    })?;
    line.split_whitespace().skip(2).filter_map(|value| value.parse().ok()).max()
}

/// The figures of code, of the stack of embedding and of that of searching.
fn figures(packing: Option<Packing>) -> [&'static str; 3] {
    match packing {
        None => ["code-bytes", "embed-stack", "search-stack"],
        Some(Packing::Compact) => ["int8-code-bytes", "compact-stack", "search-64-u8-stack"],
        Some(Packing::Fast) => ["int8-code-bytes", "fast-stack", "search-64-u8-stack"],
    }
}

/// What a model of `network`, whose file has `file_bytes`, takes on each board:
/// in f32, or in 8-bit integers in a packing.
pub fn footprints(network: &Network, packing: Option<Packing>, file_bytes: u64) -> Vec<Footprint> {
    let [code, embed_stack, search_stack] = figures(packing);
    let footprint = |(board, processor)| {
        let code_bytes = budget(board, code)?;
        let static_ram_bytes = match packing {
            None => network.workspace_bytes(),
            Some(packing) => network.int8_workspace_bytes(packing),
        };
        Some(Footprint {
            board,
            processor,
            flash_bytes: file_bytes + code_bytes,
            code_bytes,
            static_ram_bytes: static_ram_bytes as u64,
            stack_bytes: budget(board, embed_stack)?.max(budget(board, search_stack)?),
        })
    };
    BOARDS.into_iter().filter_map(footprint).collect()
}

/// 1234567 as 1,234,567.
pub fn grouped(n: impl Into<u64>) -> String {
    let digits = n.into().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_has_its_figures() {
        for (packing, workspace) in
            [(None, 9504), (Some(Packing::Compact), 4592), (Some(Packing::Fast), 5536)]
        {
            let footprints = footprints(&Network::REFERENCE, packing, 112_292);
            assert_eq!(footprints.len(), BOARDS.len());
            for footprint in footprints {
                assert_eq!(footprint.static_ram_bytes, workspace);
                assert!((5_000..50_000).contains(&footprint.code_bytes), "{footprint:?}");
                assert!((100..10_000).contains(&footprint.stack_bytes), "{footprint:?}");
                assert_eq!(footprint.flash_bytes, 112_292 + footprint.code_bytes);
            }
        }
        assert_eq!(budget("mps2-an386", "no such figure"), None);
    }

    #[test]
    fn the_workspace_is_the_measured_one() {
        assert_eq!(budget("mps2-an386", "embed-workspace"), Some(9504));
        assert_eq!(budget("microbit", "compact-workspace"), Some(4592));
        assert_eq!(budget("mps2-an386", "fast-workspace"), Some(5536));
    }
}
