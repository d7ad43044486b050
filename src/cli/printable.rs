//! Text that may reach a terminal: whatever came from records, settings, flags or file names, without
//! characters that steer the terminal, change the order in which a line is read, or are not seen.

use std::borrow::Cow;

use crate::domain::text::is_unseen;

/// One line or cell: control characters, marks of direction and characters without width are shown as
/// escapes.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// Text of several lines, likewise; line breaks and tabs stay.
pub(super) fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_escaped = |c: char| !is_kept(c) && is_unseen(c);
    if !text.chars().any(is_escaped) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| {
        if is_escaped(c) { c.escape_default().to_string() } else { c.into() }
    };
    Cow::Owned(text.chars().map(shown).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        let check = |text: &str, line: &str, lines: &str| {
            assert_eq!(printable(text), line);
            assert_eq!(printable_lines(text), lines);
        };
        check("Nørrebro, Köln-Süd, 港", "Nørrebro, Köln-Süd, 港", "Nørrebro, Köln-Süd, 港");
        check("\u{1b}[31mred\na\tb", r"\u{1b}[31mred\na\tb", "\\u{1b}[31mred\na\tb");
        check("a\r\u{9b}2Jb\0", r"a\r\u{9b}2Jb\u{0}", r"a\r\u{9b}2Jb\u{0}");
        check("evil\u{202e}vsc.x", r"evil\u{202e}vsc.x", r"evil\u{202e}vsc.x");
        check("No\u{200b}rth\u{feff}", r"No\u{200b}rth\u{feff}", r"No\u{200b}rth\u{feff}");
        check(
            "\u{2066}a\u{2069}\u{200f}",
            r"\u{2066}a\u{2069}\u{200f}",
            r"\u{2066}a\u{2069}\u{200f}",
        );
    }
}
