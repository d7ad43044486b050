//! The client's names of incidents: texts, or the numbers that many databases count them by.
//!
//! A number stays one until somebody wants to see it. Ids are shown for refused rows only; to print
//! the number of every row costs as much as everything else that is done with it.

use std::borrow::Cow;
use std::fmt;

use super::record::TextColumn;

/// The client's name of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IncidentId<'a> {
    /// As a text.
    Text(&'a str),
    /// As a whole number.
    Number(i64),
}

impl<'a> IncidentId<'a> {
    /// The name as people write it.
    #[must_use]
    pub fn text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(number.to_string()),
        }
    }
}

impl<'a> From<&'a str> for IncidentId<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl fmt::Display for IncidentId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// A column of optional ids, of either kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdColumn {
    /// Null where the id is a number.
    texts: TextColumn,
    /// As far as the last number; null where the id is a text.
    numbers: Vec<Option<i64>>,
}

impl IdColumn {
    /// Appends one value; `None` is null.
    #[inline]
    pub fn push(&mut self, value: Option<IncidentId<'_>>) {
        match value {
            Some(IncidentId::Number(number)) => {
                let row = self.texts.len();
                if self.numbers.len() < row {
                    self.numbers.resize(row, None);
                }
                self.numbers.push(Some(number));
                self.texts.push(None);
            }
            Some(IncidentId::Text(text)) => self.texts.push(Some(text)),
            None => self.texts.push(None),
        }
    }

    /// The value in `row`, or `None` where it is null or beyond the end.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<IncidentId<'_>> {
        let number = self.numbers.get(row).copied().flatten().map(IncidentId::Number);
        number.or_else(|| self.texts.get(row).map(IncidentId::Text))
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// An empty column with room for as many ids of the kinds that this one holds.
    pub(super) fn another(&self) -> Self {
        Self { texts: self.texts.another(), numbers: Vec::with_capacity(self.numbers.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::IncidentId::{Number, Text};
    use super::*;

    #[test]
    fn texts_numbers_and_nulls_stand_where_they_were() {
        let check = |values: &[Option<IncidentId<'_>>]| {
            let mut column = IdColumn::default();
            values.iter().for_each(|value| column.push(*value));
            let got: Vec<_> = (0..column.len()).map(|row| column.get(row)).collect();
            assert_eq!(got, values);
            assert_eq!((column.get(values.len()), column.is_empty()), (None, values.is_empty()));
        };
        check(&[]);
        check(&[None, None]);
        check(&[Some(Number(7)), None, Some(Number(-8))]);
        check(&[Some(Text("7")), None, Some(Text(""))]);
        check(&[None, Some(Number(7)), Some(Text("a")), None, Some(Number(0)), Some(Text("b"))]);
        check(&[Some(Text("a")), None, Some(Number(i64::MIN)), None]);
    }

    #[test]
    fn a_number_is_shown_as_an_export_writes_it() {
        let check = |id: IncidentId<'_>, expected: &str| {
            assert_eq!((id.text().as_ref(), id.to_string().as_str()), (expected, expected));
        };
        check(Number(-12), "-12");
        check(Number(i64::MIN), "-9223372036854775808");
        check(Text(" a "), " a ");
    }
}
