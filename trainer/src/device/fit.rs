//! The largest member of the family that a device has room for.

use lookalike::{ModelError, Network};

use super::cost::{Cost, Deployment, Planner};

/// What a device has room for, in bytes; `None` for as much as one likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Flash of the model file and the smallest program around it.
    pub flash: Option<u64>,
    /// RAM of the workspace, the stack and the program's variables.
    pub ram: Option<u64>,
}

impl Budget {
    /// Whether a model fits.
    pub fn holds(&self, cost: &Cost) -> bool {
        self.flash.is_none_or(|flash| cost.flash_bytes <= flash)
            && self.ram.is_none_or(|ram| cost.ram_bytes <= ram)
    }
}

/// Widths are multiples of this: kernels work on so many channels at a time.
pub const STEP: u16 = 4;

/// The member that takes the most multiply-accumulates of those that fit the
/// budget in at least one of `deployments`; of equal ones that with the most
/// parameters, then that with the narrowest convolution 1, then 2. `None` if no
/// member fits.
///
/// Searched are widths a, b, c in steps of [`STEP`] with a <= b <= 2 a and
/// b <= c <= 2 b, in proportions between those of (1, 1, 1) and (1, 2, 4): the
/// reference network is (1, 1, 2). Without bounds the largest would be a network
/// of one wide convolution and two narrow ones. Multiply-accumulates are what
/// grows with every width and does not depend on how parameters are packed;
/// the number of parameters would leave convolution 1 at its narrowest.
///
/// # Errors
/// [`ModelError`] if the planner is for another input or other classes.
pub fn largest(
    planner: &Planner,
    (input, grid, classes): ([u16; 3], u16, u16),
    budget: Budget,
    deployments: &[Deployment],
) -> Result<Option<Network>, ModelError> {
    let mut best: Option<(u64, usize, Network)> = None;
    for a in steps(STEP, Network::MAX_WIDTH) {
        for b in steps(a, 2 * a) {
            for c in steps(b, 2 * b) {
                let Ok(network) = Network::new(input, [a, b, c], grid, classes) else { break };
                if !fits(planner, &network, budget, deployments)? {
                    // Wider ones cost more.
                    break;
                }
                let work = network.multiply_accumulates().iter().sum();
                let size = (work, network.parameters());
                if best.is_none_or(|(work, parameters, _)| size > (work, parameters)) {
                    best = Some((size.0, size.1, network));
                }
            }
        }
    }
    Ok(best.map(|(_, _, network)| network))
}

/// Multiples of [`STEP`] from the first to the last, at most the widest.
fn steps(first: u16, last: u16) -> impl Iterator<Item = u16> {
    (first..=last.min(Network::MAX_WIDTH)).step_by(usize::from(STEP))
}

/// Whether one of the deployments fits.
pub fn fits(
    planner: &Planner,
    network: &Network,
    budget: Budget,
    deployments: &[Deployment],
) -> Result<bool, ModelError> {
    for deployment in deployments {
        if budget.holds(&planner.cost(network, *deployment)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: [u16; 3] = [3, 32, 32];

    fn find(flash: Option<u64>, ram: Option<u64>, deployments: &[Deployment]) -> Option<Network> {
        let planner = Planner::new(INPUT, &[]);
        largest(&planner, (INPUT, 2, 0), Budget { flash, ram }, deployments).unwrap()
    }

    fn work(network: &Network) -> u64 {
        network.multiply_accumulates().iter().sum()
    }

    /// Every member that is searched, tried one by one.
    #[test]
    fn no_larger_member_fits() {
        let planner = Planner::new(INPUT, &[]);
        let integers = [Deployment::Compact, Deployment::Fast];
        for (flash, ram, deployments) in [
            (Some(64 << 10), Some(12 << 10), &integers[..]),
            (Some(64 << 10), None, &integers),
            (Some(128 << 10), Some(6 << 10), &integers[1..]),
            (None, Some(9 << 10), &[Deployment::F32]),
            (Some(100 << 10), Some(16 << 10), &[Deployment::F32]),
        ] {
            let budget = Budget { flash, ram };
            let found = find(flash, ram, deployments).unwrap();
            assert!(fits(&planner, &found, budget, deployments).unwrap());
            let mut others = 0;
            for a in (4..=128).step_by(4) {
                for b in (a..=2 * a).step_by(4) {
                    for c in (b..=2 * b).step_by(4) {
                        let other = Network::new(INPUT, [a, b, c], 2, 0).unwrap();
                        if work(&other) > work(&found) {
                            assert!(!fits(&planner, &other, budget, deployments).unwrap());
                            others += 1;
                        }
                    }
                }
            }
            assert!(others > 1000);
        }
    }

    #[test]
    fn the_budget_decides() {
        let integers = [Deployment::Compact, Deployment::Fast];
        assert_eq!(find(Some(10_000), None, &integers), None);
        assert_eq!(find(None, Some(1_000), &integers), None);
        let widest = find(None, None, &integers).unwrap();
        assert_eq!(widest.widths(), [512; 3]);
        let [small, large] =
            [64 << 10, 128 << 10].map(|flash| work(&find(Some(flash), None, &integers).unwrap()));
        assert!(small < large);
    }
}
