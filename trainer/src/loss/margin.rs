//! The margin of the triplet loss.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How much farther a negative must be than a positive.
///
/// As text, a number or `soft`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Margin {
    /// A term is `max(d_ap - d_an + margin, 0)`; useful in (0, 2).
    Hinge(f32),
    /// A term is `ln(1 + exp(d_ap - d_an))` (Hermans, Beyer and Leibe, "In
    /// Defense of the Triplet Loss", 2017): there is no margin at which a
    /// triplet stops counting, its pull only fades.
    Soft,
}

impl Margin {
    /// The term of a positive and a negative at these distances, and its
    /// derivative by their difference; `None` if it is not above zero.
    pub(super) fn term(self, positive: f32, negative: f32) -> Option<(f64, f32)> {
        match self {
            Margin::Hinge(margin) => {
                let term = positive - negative + margin;
                // Negated, so that a NaN counts and is seen.
                if term <= 0.0 { None } else { Some((f64::from(term), 1.0)) }
            }
            Margin::Soft => {
                let x = f64::from(positive) - f64::from(negative);
                // The exponent is never above 0, so nothing overflows.
                let small = (-x.abs()).exp();
                let term = x.max(0.0) + small.ln_1p();
                let slope = if x > 0.0 { 1.0 } else { small } / (1.0 + small);
                Some((term, slope as f32))
            }
        }
    }
}

impl fmt::Display for Margin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Margin::Hinge(margin) => margin.fmt(f),
            Margin::Soft => f.write_str("soft"),
        }
    }
}

/// A text that is no [`Margin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number or `soft`")]
pub struct ParseMarginError;

impl FromStr for Margin {
    type Err = ParseMarginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "soft" => Ok(Margin::Soft),
            _ => text.parse().map(Margin::Hinge).map_err(|_| ParseMarginError),
        }
    }
}

/// In a text format a number or "soft"; in postcard an optional number.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    Number(f32),
    Name(Name),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Soft,
}

impl Serialize for Margin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = match *self {
            Margin::Hinge(margin) => Some(margin),
            Margin::Soft => None,
        };
        if serializer.is_human_readable() {
            number.map_or(Text::Name(Name::Soft), Text::Number).serialize(serializer)
        } else {
            number.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Margin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = if deserializer.is_human_readable() {
            match Text::deserialize(deserializer)
                .map_err(|_| serde::de::Error::custom(ParseMarginError))?
            {
                Text::Number(margin) => Some(margin),
                Text::Name(Name::Soft) => None,
            }
        } else {
            Option::deserialize(deserializer)?
        };
        Ok(number.map_or(Margin::Soft, Margin::Hinge))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Margin, &str, &str); 3] = [
        (Margin::Hinge(0.5), "0.5", "0.5"),
        (Margin::Hinge(-2.0), "-2", "-2.0"),
        (Margin::Soft, "soft", "\"soft\""),
    ];

    #[test]
    fn text_and_back() {
        for (margin, text, json) in ALL {
            assert_eq!(margin.to_string(), text);
            assert_eq!(text.parse(), Ok(margin));
            assert_eq!(serde_json::to_string(&margin).unwrap(), json);
            assert_eq!(serde_json::from_str::<Margin>(json).unwrap(), margin);
            let bytes = postcard::to_allocvec(&margin).unwrap();
            assert_eq!(postcard::from_bytes::<Margin>(&bytes).unwrap(), margin);
        }
        assert_eq!(serde_json::from_str::<Margin>("1").unwrap(), Margin::Hinge(1.0));
        assert_eq!("hard".parse::<Margin>(), Err(ParseMarginError));
        let error = serde_json::from_str::<Margin>("\"hard\"").unwrap_err().to_string();
        assert!(error.contains("`soft`"), "{error}");
    }

    #[test]
    fn soft_terms_neither_overflow_nor_vanish() {
        let (term, slope) = Margin::Soft.term(0.0, 0.0).unwrap();
        assert_eq!((term, slope), (std::f64::consts::LN_2, 0.5));
        let (term, slope) = Margin::Soft.term(1e4, 0.0).unwrap();
        assert_eq!((term, slope), (1e4, 1.0));
        let (term, slope) = Margin::Soft.term(0.0, 50.0).unwrap();
        assert!((term / (-50f64).exp() - 1.0).abs() < 1e-12 && slope > 0.0);
        for margin in [Margin::Soft, Margin::Hinge(0.5)] {
            assert!(margin.term(f32::NAN, 0.0).unwrap().0.is_nan());
        }
    }
}
