//! Values as the texts that an export to a file would show, without an allocation.

use tiberius::ColumnData;
use tiberius::numeric::Numeric;

/// Room for the longest: 38 digits with a sign, a point and a zero before it.
const ROOM: usize = 48;

/// Where one text is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextBuffer([u8; ROOM]);

impl TextBuffer {
    pub(super) const EMPTY: Self = Self([0; ROOM]);

    /// A whole number.
    fn whole(&mut self, value: i64) -> &str {
        let at = self.put(value.unsigned_abs(), ROOM);
        self.signed(value < 0, at)
    }

    /// A decimal with all the digits of its scale.
    fn decimal(&mut self, value: Numeric) -> &str {
        let (mut rest, scale) = (value.value().unsigned_abs(), usize::from(value.scale()));
        let mut at = ROOM;
        for n_digits in 0.. {
            if rest == 0 && n_digits > scale {
                break;
            }
            if n_digits == scale && scale > 0 {
                at = self.put_byte(b'.', at);
            }
            at = self.put_byte(digit(rest % 10), at);
            rest /= 10;
        }
        self.signed(value.value() < 0, at)
    }

    /// Digits from the last to the first, which ends before `at`; returns where the first stands.
    fn put(&mut self, mut rest: u64, mut at: usize) -> usize {
        loop {
            at = self.put_byte(digit(rest % 10), at);
            rest /= 10;
            if rest == 0 {
                return at;
            }
        }
    }

    /// A byte before `at`, where there is room.
    fn put_byte(&mut self, byte: u8, at: usize) -> usize {
        let Some(before) = at.checked_sub(1) else { return at };
        self.0[before] = byte;
        before
    }

    fn signed(&mut self, is_negative: bool, at: usize) -> &str {
        let at = if is_negative { self.put_byte(b'-', at) } else { at };
        str::from_utf8(&self.0[at..]).unwrap_or_default()
    }
}

/// One digit, which `rest` is.
fn digit(rest: impl TryInto<u8>) -> u8 {
    b'0' + rest.try_into().unwrap_or_default()
}

/// What a value says as a text: without blanks around it, `None` where nothing is left.
/// `Err` holds the value where it is of a type that is no text.
pub(super) fn text_of<'a>(
    value: &'a ColumnData<'static>,
    buffer: &'a mut TextBuffer,
) -> Result<Option<&'a str>, &'a ColumnData<'static>> {
    Ok(match value {
        ColumnData::String(text) => text.as_deref().map(str::trim).filter(|text| !text.is_empty()),
        ColumnData::I32(number) => number.map(|n| buffer.whole(n.into())),
        ColumnData::I64(number) => number.map(|n| buffer.whole(n)),
        ColumnData::I16(number) => number.map(|n| buffer.whole(n.into())),
        ColumnData::U8(number) => number.map(|n| buffer.whole(n.into())),
        ColumnData::Numeric(number) => number.map(|n| buffer.decimal(n)),
        // In upper case, as SQL Server shows it.
        ColumnData::Guid(id) => match id {
            Some(id) => Some(id.hyphenated().encode_upper(&mut buffer.0)),
            None => None,
        },
        other => return Err(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_an_export() {
        let check = |value: ColumnData<'static>, expected: Option<&str>| {
            let mut buffer = TextBuffer::EMPTY;
            assert_eq!(text_of(&value, &mut buffer), Ok(expected), "{value:?}");
        };
        check(ColumnData::String(Some(" Z01 \t".into())), Some("Z01"));
        check(ColumnData::String(Some("  ".into())), None);
        check(ColumnData::String(None), None);
        check(ColumnData::U8(Some(0)), Some("0"));
        check(ColumnData::I16(Some(-7)), Some("-7"));
        check(ColumnData::I32(Some(1_234_567_890)), Some("1234567890"));
        check(ColumnData::I64(Some(i64::MIN)), Some("-9223372036854775808"));
        check(ColumnData::I64(None), None);
        let decimal =
            |value, scale| ColumnData::Numeric(Some(Numeric::new_with_scale(value, scale)));
        check(decimal(12, 0), Some("12"));
        check(decimal(-1250, 2), Some("-12.50"));
        check(decimal(5, 3), Some("0.005"));
        check(decimal(0, 2), Some("0.00"));
        check(decimal(-(10_i128.pow(37)), 37), Some("-1.0000000000000000000000000000000000000"));
        check(decimal(10_i128.pow(38) - 1, 0), Some("99999999999999999999999999999999999999"));
        let id = "6F9619FF-8B86-D011-B42D-00C04FC964FF";
        check(ColumnData::Guid(id.parse().ok()), Some(id));
        let bit = ColumnData::Bit(Some(true));
        let mut buffer = TextBuffer::EMPTY;
        assert!(text_of(&bit, &mut buffer).is_err());
    }
}
