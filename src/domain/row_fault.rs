//! Why a row could not be read: what was wrong with it, and the reason under which it is counted.

use std::borrow::Cow;
use std::fmt;

use super::refusal::RefusalReason;

/// What is said of bytes that make up no character.
pub const NOT_UTF8: &str = "text in UTF-8";
/// What is said of a line with too few fields or too many.
pub const RAGGED: &str = "fields where the header has";
/// What is said where all fields beyond the header's are empty.
pub const NOTHING_BEYOND: &str = "nothing in those beyond";
/// What is said of quotation marks.
pub const QUOTATION_MARK: &str = "quotation mark";
/// What is said of a number.
pub const NOT_A_NUMBER: &str = "a number";

/// What to do about a source whose rows cannot be read; `what` is said of one of them.
#[must_use]
pub fn remedy(what: &str) -> &'static str {
    let remedies = [
        (NOT_UTF8, "save the file as UTF-8, such as by `iconv -f latin1 -t utf-8`"),
        (NOTHING_BEYOND, "take away the delimiters at the ends of the lines"),
        (RAGGED, "check `file.delimiter`; a value that holds it stands in quotation marks"),
        (QUOTATION_MARK, "close each quotation mark, and double those inside a quoted value"),
        (
            NOT_A_NUMBER,
            "write numbers as `1234.5`; the columns' names are settings under `columns`",
        ),
    ];
    let told = remedies.iter().find(|(phrase, _)| what.contains(phrase));
    told.map_or("check the names under `columns`, and how the values are written", |(_, text)| text)
}

/// Why a row could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowFault<'a> {
    /// One of those of which [`RefusalReason::is_unreadable`] is true.
    pub reason: RefusalReason,
    /// Where the row stands and what is wrong with it.
    pub what: &'a str,
}

impl<'a> RowFault<'a> {
    /// A row of which more than the travel time or the distance cannot be read.
    #[must_use]
    pub fn row(what: &'a str) -> Self {
        Self { reason: RefusalReason::Unreadable, what }
    }

    /// The text that a database keeps: what is wrong, behind the reason where that is of one field.
    #[must_use]
    pub fn stored(&self) -> Cow<'a, str> {
        match self.reason {
            RefusalReason::Unreadable => Cow::Borrowed(self.what),
            reason => Cow::Owned(format!("{reason} {}", self.what)),
        }
    }

    /// What [`stored`](Self::stored) made a text of, and versions that knew one reason only.
    #[must_use]
    pub fn from_stored(text: &'a str) -> Self {
        let told = text.split_once(' ').and_then(|(name, what)| {
            let reason = RefusalReason::from_name(name).filter(|reason| reason.is_unreadable())?;
            Some(Self { reason, what })
        });
        told.unwrap_or(Self::row(text))
    }
}

impl fmt::Display for RowFault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_text_keeps_the_reason() {
        let check = |reason, what, stored: &str| {
            let fault = RowFault { reason, what };
            assert_eq!(fault.stored(), stored);
            assert_eq!(RowFault::from_stored(stored), fault);
        };
        check(RefusalReason::Unreadable, "line 7: 5 fields, not 6", "line 7: 5 fields, not 6");
        check(RefusalReason::UnreadableTime, "line 7: `1,2`", "unreadable_time line 7: `1,2`");
        check(RefusalReason::UnreadableDistance, "row 2: `x`", "unreadable_distance row 2: `x`");
        check(RefusalReason::Unreadable, "", "");
        check(RefusalReason::Unreadable, "null_field of old", "null_field of old");
    }
}
