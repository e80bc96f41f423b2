//! Names in a file: one string, joined by line feeds.

/// An iterator over names that are joined by line feeds.
#[derive(Clone, Debug)]
pub struct Names<'a>(Option<&'a str>);

impl<'a> Names<'a> {
    /// An empty string is one empty name.
    pub(crate) const fn new(joined: &'a str) -> Self {
        Names(Some(joined))
    }

    /// An empty string is no name.
    pub(crate) const fn none_if_empty(joined: &'a str) -> Self {
        Names(if joined.is_empty() { None } else { Some(joined) })
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a str;

    // `str::split` links code that can panic.
    fn next(&mut self) -> Option<&'a str> {
        let joined = self.0?;
        let end = joined.bytes().position(|byte| byte == b'\n').unwrap_or(joined.len());
        self.0 = joined.get(end + 1..);
        joined.get(..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_split(joined in "[aé\n]{0,12}") {
            prop_assert!(Names::new(&joined).eq(joined.split('\n')));
            let none = if joined.is_empty() { 1 } else { 0 };
            prop_assert!(Names::none_if_empty(&joined).eq(joined.split('\n').skip(none)));
        }
    }
}
