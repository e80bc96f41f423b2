//! Views of a class as classes of their own.

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::settings::require;
use crate::data::View;

/// In which fixed views images are shown. Each view of a class is a class of
/// its own while training, so C classes become [`Views::count`] times C: a
/// network that must tell a class from its own turned and slanted images
/// learns more than what sets the given classes apart (Lee, Hwang and Shin,
/// "Self-supervised label augmentation via input transformations", ICML 2020).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Views {
    /// Turned by 0, 1, 2 and 3 quarter turns.
    pub quarter_turns: bool,
    /// As they are, and mirrored left and right.
    pub mirror: bool,
    /// Slanted by so many degrees, as well as upright; 0 for upright only.
    pub slant: f32,
}

impl Views {
    /// Number of views, 1 to 16.
    pub fn count(&self) -> u16 {
        self.turns() * self.sides() * if self.slant > 0.0 { 2 } else { 1 }
    }

    fn turns(&self) -> u16 {
        if self.quarter_turns { 4 } else { 1 }
    }

    fn sides(&self) -> u16 {
        if self.mirror { 2 } else { 1 }
    }

    /// View `index`, below [`Views::count`]; view 0 is the image as it is.
    pub(super) fn view(&self, index: u16) -> View {
        let (turns, sides) = (self.turns(), self.sides());
        let upright = index / (turns * sides) == 0;
        View {
            mirror: index / turns % sides == 1,
            turns: (index % turns) as u8,
            slant: if upright { 0.0 } else { self.slant },
        }
    }

    pub(super) fn check(&self, network: &lookalike::Network) -> Result<(), TrainError> {
        let shape = network.input();
        if self.quarter_turns {
            let found = format!("{}x{}", shape.height, shape.width);
            let rule = "only square images can be turned by 90 degrees";
            require(shape.height == shape.width, rule, found)?;
        }
        let rule = "the slant must be 0 to 60 degrees";
        require((0.0..=60.0).contains(&self.slant), rule, self.slant)?;
        let classes = network.classes();
        let most = usize::from(u16::MAX / self.count());
        let rule = "each view of a class is a class: there must be at most 65535 in all";
        require(classes <= most, rule, format!("{} views of {classes} classes", self.count()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_all_different_and_the_first_is_the_image() {
        for (quarter_turns, mirror, slant, count) in [
            (false, false, 0.0, 1),
            (true, false, 0.0, 4),
            (false, true, 20.0, 4),
            (true, true, 20.0, 16),
        ] {
            let views = Views { quarter_turns, mirror, slant };
            assert_eq!(views.count(), count);
            assert_eq!(views.view(0), View::default());
            let all: Vec<View> = (0..count).map(|i| views.view(i)).collect();
            for (i, view) in all.iter().enumerate() {
                assert!(!all[..i].contains(view), "{view:?}");
            }
        }
    }
}
