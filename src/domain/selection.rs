//! Which regions a run is asked for.

use serde::{Deserialize, Serialize};

/// Patterns on region names, `*` standing for any text. No pattern selects everything.
/// `?` has no special meaning: real region names contain it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    patterns: Vec<String>,
}

impl Selection {
    /// Selects the regions that match any of the patterns; surrounding blanks do not count.
    #[must_use]
    pub fn new(patterns: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let patterns = patterns.into_iter().map(|p| p.as_ref().trim().to_owned());
        Self { patterns: patterns.filter(|p| !p.is_empty()).collect() }
    }

    /// Whether every region is selected, nameless ones included.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The patterns, for messages and the ledger.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Whether the region is selected. Compares trimmed names, as groups do.
    #[must_use]
    pub fn contains(&self, region: &str) -> bool {
        self.is_all() || self.patterns.iter().any(|p| matches(p, region.trim()))
    }
}

/// Whether `text` matches `pattern`: the first piece is a prefix, the last a suffix, and the
/// pieces between are found in order, each as early as possible.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((prefix, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(prefix) else {
        return false;
    };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return text.ends_with(piece);
        }
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(Selection::new([pattern]).contains(text), expected, "{pattern} {text}");
        };
        check("B01", "B01", true);
        check("B01", "B011", false);
        check("Z0*", "Z024 Bloomingdale", true);
        check("*Park*", "Sunset Park West", true);
        check("*Park", "Sunset Park West", false);
        check("a*b*c", "aXbYbZc", true);
        check("a*a", "a", false);
        check("What?", "What?", true);
        check("What?", "Whats", false);
        check("*", "", true);
        check(" B01 ", "B01 ", true);
        assert!(Selection::default().contains("anything"));
        assert!(Selection::new(["", " "]).is_all());
    }
}
