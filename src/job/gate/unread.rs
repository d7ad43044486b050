//! Texts that are no numbers: whether they stand for a value that was not recorded, and what form of a
//! number they look like.

/// A value of a row that could not be read, and its column, where the fault names one.
pub(super) fn value_of(fault: &str) -> Option<(&str, &str)> {
    let (_, rest) = fault.split_once('`')?;
    let (value, rest) = rest.split_once("` in column `")?;
    let (column, rest) = rest.split_once('`')?;
    rest.starts_with(" is not ").then_some((value, column))
}

/// Texts that stand for a value that was not recorded, in small letters.
const BLANKS: [&str; 17] = [
    "null",
    "none",
    "nil",
    "na",
    "nan",
    "n/a",
    "n.a.",
    "#n/a",
    "(null)",
    "\\n",
    "unknown",
    "missing",
    "empty",
    "not recorded",
    "not available",
    "undefined",
    "tbd",
];

/// Whether the text stands for no value at all: `NULL`, `n/a`, `-`. Rows without a value are no
/// selection by value; one of any other text may be, as `####` or `TIMEOUT` for what is too long.
pub(super) fn is_blank(value: &str) -> bool {
    let value = value.trim().to_lowercase();
    BLANKS.contains(&value.as_str()) || value.chars().all(|c| matches!(c, '-' | '.' | '?' | '–'))
}

/// What a text that is no number looks like.
pub(super) fn looks_like(value: &str) -> Option<&'static str> {
    let is_digit = |c: char| c.is_ascii_digit();
    if !value.is_empty() && value.chars().all(|c| c == '#') {
        return Some("a column that was too narrow for its number");
    }
    let bare = value.trim_start_matches(['-', '+']);
    if is_grouped(bare) {
        return Some("a number with thousands separators");
    }
    let mut parts = bare.split(':');
    if bare.contains(':') && parts.all(|part| part.starts_with(is_digit)) {
        return Some("a time as h:mm:ss");
    }
    let digits = |text: &str| !text.is_empty() && text.chars().all(is_digit);
    if bare.split_once(',').is_some_and(|(whole, rest)| digits(whole) && digits(rest)) {
        return Some("a number with a decimal comma");
    }
    if bare.starts_with(is_digit) && bare.ends_with(char::is_alphabetic) {
        return Some("a number with its unit");
    }
    None
}

/// Whether the digits stand in groups of three, with a part behind the point or comma or without.
fn is_grouped(text: &str) -> bool {
    const SEPARATORS: [char; 6] = [',', '.', '\'', ' ', '\u{a0}', '\u{202f}'];
    SEPARATORS.iter().any(|&separator| {
        let point = if separator == '.' { ',' } else { '.' };
        let (whole, rest) = text.split_once(point).unwrap_or((text, "0"));
        let mut groups = whole.split(separator);
        let is_number = |group: &str| group.chars().all(|c| c.is_ascii_digit());
        let first = groups.next().is_some_and(|g| (1..=3).contains(&g.len()) && is_number(g));
        let others: Vec<&str> = groups.collect();
        // `1.234` is a number of its own; only with more groups or a comma is it a grouped one.
        let is_sure = separator != '.' || others.len() > 1 || text.contains(',');
        first
            && is_sure
            && !others.is_empty()
            && others.iter().all(|g| g.len() == 3 && is_number(g))
            && is_number(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_value_and_column() {
        let check = |fault: &str, expected: Option<(&str, &str)>| {
            assert_eq!(value_of(fault), expected, "{fault}");
        };
        check("line 5: `1,234` in column `TRAVEL` is not a number", Some(("1,234", "TRAVEL")));
        check("line 5: 3 fields where the header has 6", None);
        check("line 5: `1` in column `x` was odd", None);
    }

    #[test]
    fn forms_of_numbers_are_recognised() {
        let check = |value: &str, expected: Option<&str>| {
            let found = looks_like(value);
            assert_eq!(found.is_some(), expected.is_some(), "{value}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{value}");
        };
        check("1,234", Some("thousands"));
        check("1 234.5", Some("thousands"));
        check("1'234", Some("thousands"));
        check("1.234,5", Some("thousands"));
        check("1.234.567", Some("thousands"));
        check("3,5", Some("decimal comma"));
        check("12,75", Some("decimal comma"));
        check("1h 02m", Some("unit"));
        check("5 min", Some("unit"));
        check("340s", Some("unit"));
        check("1:02:03", Some("h:mm:ss"));
        check("12:34", Some("h:mm:ss"));
        check("1,2E3", None);
        check("#1", None);
    }

    #[test]
    fn what_was_not_recorded_is_known_by_its_word() {
        for blank in ["NULL", "n/a", "N/A", "-", "--", "unknown", "", "\\N"] {
            assert!(is_blank(blank), "{blank}");
        }
        for text in ["1,234", "1h", "####", "TIMEOUT", "one hour", ">", "inf"] {
            assert!(!is_blank(text), "{text}");
        }
    }
}
