//! Text that people read: what in it they would not see, or see in another place.

/// Whether a character steers a terminal, changes the order in which a line is read, or has no width:
/// a control character; a mark, embedding, override or isolate of Unicode's bidirectional algorithm
/// (UAX #9); a separator of lines or paragraphs; a space or joiner without width. It is shown by its
/// number.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    let is_format = matches!(
        c,
        '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
    );
    c.is_control() || is_format
}

/// A document of JSON in which such characters stand as `\uXXXX`: it says the same, and can be read.
#[must_use]
pub fn json_readable(document: String) -> String {
    // Between its texts there are none but line breaks, and none in them: JSON escapes those itself.
    let is_escaped = |c: char| c != '\n' && is_unseen(c);
    if !document.contains(is_escaped) {
        return document;
    }
    let mut readable = String::with_capacity(document.len());
    for c in document.chars() {
        if is_escaped(c) {
            let units = &mut [0; 2];
            let units = c.encode_utf16(units).iter();
            units.for_each(|unit| readable.push_str(&format!("\\u{unit:04x}")));
        } else {
            readable.push(c);
        }
    }
    readable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_json_says_the_same() {
        let value = serde_json::json!({
            "a\u{202e}b": "x\u{9b}\u{7f}\u{200b}\u{feff}y\n\u{1b}", "Nørrebro 港 🚒": "\u{2060}",
        });
        let told = serde_json::to_string_pretty(&value).unwrap();
        let readable = json_readable(told.clone());
        assert_eq!(
            readable,
            "{\n  \"Nørrebro 港 🚒\": \"\\u2060\",\n  \
             \"a\\u202eb\": \"x\\u009b\\u007f\\u200b\\ufeffy\\n\\u001b\"\n}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&readable).unwrap(), value);
        assert_eq!(json_readable("{}\n".to_owned()), "{}\n");
    }
}
