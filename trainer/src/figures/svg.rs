//! What all plots share.

use plotters::style::RGBColor;

/// Okabe and Ito's palette, which colour-blind readers can tell apart, without
/// its yellow, which is too pale for a line on white.
pub const PALETTE: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// The drawing library rounds coordinates to whole units, which would show as
/// steps in the curves: units are this many times finer than pixels.
pub(super) const FINE: u32 = 8;

/// A plot could not be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plot could not be drawn: {0}")]
pub struct FigureError(pub(super) String);

/// Gives a document of [`FINE`] units its size in pixels; the view box keeps
/// the fine units.
pub(super) fn in_pixels(svg: &str, (width, height): (u32, u32)) -> String {
    let fine = format!("width=\"{}\" height=\"{}\"", width * FINE, height * FINE);
    svg.replacen(&fine, &format!("width=\"{width}\" height=\"{height}\""), 1)
}

/// The document with a text alternative: what it is called, and what it shows.
///
/// # Panics
/// When `svg` has no element.
pub fn described(svg: &str, title: &str, description: &str) -> String {
    let end = svg.find('>').expect("an SVG document has an element");
    let (title, description) = (escaped(title), escaped(description));
    format!(
        "{} role=\"img\" aria-label=\"{title}\"><title>{title}</title><desc>{description}</desc>{}",
        &svg[..end],
        &svg[end + 1..]
    )
}

/// Text for an element's content or an attribute in double quotes.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A number without digits that say nothing: at most three after the point.
pub fn short(value: f64) -> String {
    let rounded = (value * 1000.0).round() / 1000.0;
    // Not "-0".
    format!("{}", rounded + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_escaped_and_comes_first() {
        let svg = described("<svg width=\"1\"><rect/></svg>", "a \"b\" & <c>", "d > e");
        let name = "a &quot;b&quot; &amp; &lt;c&gt;";
        assert_eq!(
            svg,
            format!(
                "<svg width=\"1\" role=\"img\" aria-label=\"{name}\"><title>{name}</title>\
                 <desc>d &gt; e</desc><rect/></svg>"
            )
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.5, 2.0, 0.12345, -0.0001].map(short), ["0.5", "2", "0.123", "0"]);
    }
}
