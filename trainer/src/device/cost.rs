//! What members of the network family cost on a device, known from their
//! dimensions alone.

use clap::ValueEnum;
use lookalike::model::ModelPlan;
use lookalike::{ModelError, Network, Packing, U8};
use serde::Serialize;

use super::{BOARDS, budget};
use crate::quantize::coder;

/// How a model is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Deployment {
    /// In 32-bit floating point.
    F32,
    /// In 8-bit integers by direct convolution: the least flash and RAM.
    Compact,
    /// In 8-bit integers by Winograd's convolution: the fewest instructions.
    Fast,
}

impl Deployment {
    /// All of them.
    pub const ALL: [Deployment; 3] = [Deployment::F32, Deployment::Compact, Deployment::Fast];

    /// The packing of its parameters; `None` in floating point.
    pub fn packing(self) -> Option<Packing> {
        match self {
            Deployment::F32 => None,
            Deployment::Compact => Some(Packing::Compact),
            Deployment::Fast => Some(Packing::Fast),
        }
    }

    /// As it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Deployment::F32 => "f32",
            Deployment::Compact => "int8 compact",
            Deployment::Fast => "int8 fast",
        }
    }

    /// The smallest programs that were measured.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Deployment::F32 => &["f32"],
            Deployment::Compact => &["compact"],
            // Grey images and others go through different code.
            Deployment::Fast => &["fast", "colour"],
        }
    }

    /// The most that the smallest program takes on any board in flash besides
    /// the model and in RAM besides the workspace: what was measured, and the
    /// 1 % by which `scripts/firmware.sh` lets it change.
    fn program(self) -> [u64; 2] {
        ["code", "ram"].map(|figure| {
            let names = self.programs().iter().map(|name| format!("recogniser-{name}-{figure}"));
            let most = names
                .flat_map(|name| BOARDS.iter().filter_map(move |(board, _)| budget(board, &name)))
                .max();
            (most.unwrap_or_default() * 101).div_ceil(100)
        })
    }
}

/// What a model takes on a device: the program `recogniser` of the example
/// firmware, which opens it and a gallery, embeds an image and searches. A
/// gallery, what is enrolled and the image come on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// How it is deployed.
    pub deployment: Deployment,
    /// The model file, at most: an integer model's coder may be smaller.
    pub model_bytes: u64,
    /// The model file and the program around it.
    pub flash_bytes: u64,
    /// The workspace, exactly.
    pub workspace_bytes: u64,
    /// The workspace, the deepest stack and the program's variables.
    pub ram_bytes: u64,
}

/// Images that the trainer gives a model for its self-test.
pub(crate) const SELF_TEST_IMAGES: usize = 2;
/// Values of a projected embedding that `trainer quantize` learns by itself.
pub const PROJECTED: usize = 32;
const _: () = assert!(PROJECTED <= coder::MAX_OUTPUTS);

/// The files that models of one input and one set of classes would have.
#[derive(Clone, Debug)]
pub struct Planner {
    class_names: String,
    self_test_images: Vec<u8>,
}

impl Planner {
    /// For networks with this input and these classes, none without a classifier.
    pub fn new(input: [u16; 3], class_names: &[String]) -> Planner {
        let image: usize = input.into_iter().map(usize::from).product();
        Planner {
            class_names: class_names.join("\n"),
            self_test_images: vec![0; SELF_TEST_IMAGES * image],
        }
    }

    /// What a network costs.
    ///
    /// # Errors
    /// [`ModelError`] if its input or its classes are others than the planner's.
    pub fn cost(&self, network: &Network, deployment: Deployment) -> Result<Cost, ModelError> {
        let plan = ModelPlan {
            network: *network,
            packing: deployment.packing(),
            projected: PROJECTED,
            // If these make the better bits.
            thresholds: network.embedding_len(),
            class_names: &self.class_names,
            self_test_images: &self.self_test_images,
        };
        let model_bytes = plan.file_len()? as u64;
        let workspace_bytes = match deployment.packing() {
            None => network.workspace_bytes(),
            Some(packing) => network.int8_workspace_bytes(packing),
        } as u64;
        let [code, ram] = deployment.program();
        Ok(Cost {
            deployment,
            model_bytes,
            flash_bytes: model_bytes + code,
            workspace_bytes,
            ram_bytes: workspace_bytes + ram,
        })
    }

    /// [`Planner::cost`] of every deployment.
    ///
    /// # Errors
    /// As [`Planner::cost`].
    pub fn costs(&self, network: &Network) -> Result<Vec<Cost>, ModelError> {
        Deployment::ALL.into_iter().map(|deployment| self.cost(network, deployment)).collect()
    }
}

/// A member of the family and what it costs.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// Output channels of the three convolutions.
    pub widths: [usize; 3],
    /// Side of the average-pooling grid.
    pub grid: usize,
    /// Values of an embedding.
    pub embedding_dimensions: usize,
    /// Bytes of an item in a gallery of u8 codes.
    pub gallery_item_bytes: usize,
    /// Parameters, the classifier's included.
    pub parameters: usize,
    /// Multiply-accumulates of an embedding and its classification.
    pub multiply_accumulates: u64,
    /// What each deployment costs.
    pub costs: Vec<Cost>,
}

impl Member {
    /// What a network is and costs.
    ///
    /// # Errors
    /// As [`Planner::cost`].
    pub fn new(network: &Network, planner: &Planner) -> Result<Member, ModelError> {
        Ok(Member {
            widths: network.widths(),
            grid: network.grid(),
            embedding_dimensions: network.embedding_len(),
            gallery_item_bytes: 4 * U8::words(network.embedding_len()),
            parameters: network.parameters(),
            multiply_accumulates: network.multiply_accumulates().iter().sum(),
            costs: planner.costs(network)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_program_has_its_figures() {
        for deployment in Deployment::ALL {
            let [code, ram] = deployment.program();
            assert!((10_000..40_000).contains(&code), "{code}");
            assert!((1_000..4_000).contains(&ram), "{ram}");
        }
    }

    #[test]
    fn costs_are_those_of_the_reference_network() {
        let network = Network::REFERENCE.without_classifier();
        let planner = Planner::new([1, 28, 28], &[]);
        let [f32, compact, fast] = planner.costs(&network).unwrap().try_into().unwrap();
        assert_eq!([f32, compact, fast].map(|cost| cost.workspace_bytes), [9504, 4592, 5536]);
        // The files in firmware-example/assets; its coder has no thresholds, 512 bytes.
        assert_eq!([compact, fast].map(|cost| cost.model_bytes - 512), [39_532, 147_692]);
        assert!(f32.flash_bytes > f32.model_bytes && f32.ram_bytes > f32.workspace_bytes);
        let named = Planner::new([1, 28, 28], &["cup".into()]);
        assert!(named.cost(&Network::REFERENCE, Deployment::F32).is_err());
    }
}
