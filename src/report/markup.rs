//! HTML in the making.
//!
//! Markup enters as literals of this program only; whatever comes from data can enter only through
//! [`Html::text`] and [`Html::attribute`], which escape it.

use std::fmt::Display;

use crate::domain::text::is_unseen;

/// A document, or a part of one.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Appends markup; a literal, so that no data can pass this way.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Appends text, escaped.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        escape_into(&text.to_string(), &mut self.0);
        self
    }

    /// Appends a sentence, escaped, in which what stands between backticks is code.
    pub(super) fn prose(&mut self, text: impl Display) -> &mut Self {
        let text = text.to_string();
        let mut parts = text.split('`');
        if let Some(first) = parts.next() {
            self.text(first);
        }
        while let Some(code) = parts.next() {
            match parts.next() {
                Some(rest) => self.element("code", code).text(rest),
                // One without its like is only a character.
                None => self.text("`").text(code),
            };
        }
        self
    }

    /// Appends an attribute, led by a blank, its value escaped and quoted.
    pub(super) fn attribute(&mut self, name: &'static str, value: impl Display) -> &mut Self {
        self.raw(" ").raw(name).raw("=\"").text(value).raw("\"")
    }

    /// Appends `<tag>text</tag>`, the text escaped.
    pub(super) fn element(&mut self, tag: &'static str, text: impl Display) -> &mut Self {
        self.raw("<").raw(tag).raw(">").text(text).raw("</").raw(tag).raw(">")
    }

    /// Appends a finished drawing.
    pub(super) fn drawing(&mut self, svg: &super::plot::Drawing) -> &mut Self {
        self.0.push_str(svg.as_str());
        self
    }

    /// The document.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Escapes for element content and quoted attributes alike. Control characters, which HTML does not
/// permit, and characters that nobody would see are shown by their numbers, as on a terminal.
fn escape_into(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if is_unseen(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_between_backticks_are_code() {
        let check = |text: &str, expected: &str| {
            let mut html = Html::default();
            html.prose(text);
            assert_eq!(html.finish(), expected);
        };
        check("set `a.b` to \"m\"", "set <code>a.b</code> to &quot;m&quot;");
        check("`<b>` and `c`", "<code>&lt;b&gt;</code> and <code>c</code>");
        check("one ` alone", "one ` alone");
        check("", "");
    }

    #[test]
    fn text_and_attributes_are_escaped() {
        let mut html = Html::default();
        html.raw("<p")
            .attribute("title", "a\" onload='x'")
            .raw(">")
            .text("<b>&amp;\u{0}\u{202e}Zü\u{200b}rich?");
        assert_eq!(
            html.finish(),
            "<p title=\"a&quot; onload=&#39;x&#39;\">&lt;b&gt;&amp;amp;\\u{0}\\u{202e}Zü\\u{200b}rich?"
        );
    }
}
