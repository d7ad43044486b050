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
        // Two at a time: divisions are what this costs.
        while rest >= 10 {
            let pair = rest % 100;
            rest /= 100;
            at = self.put_byte(digit(pair % 10), at);
            at = self.put_byte(digit(pair / 10), at);
        }
        if rest > 0 || at == ROOM { self.put_byte(digit(rest), at) } else { at }
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

/// Texts of whole numbers that come again and again, as those of regions do.
#[derive(Debug, Clone)]
pub(super) struct WholeTexts {
    /// One number for each remainder, with its text; none before the first. An empty text is no
    /// number's.
    slots: Vec<(i64, String)>,
    room: TextBuffer,
}

impl WholeTexts {
    /// Numbers remembered at the most: more than most cities have regions.
    const N_SLOTS: usize = 512;

    pub(super) const NONE: Self = Self { slots: Vec::new(), room: TextBuffer::EMPTY };

    /// The text of a number.
    pub(super) fn of(&mut self, number: i64) -> &str {
        let Self { slots, room } = self;
        if slots.is_empty() {
            slots.resize(Self::N_SLOTS, (0, String::new()));
        }
        // The lowest bits of a negative number tell it from its neighbours as well.
        let (held, text) = &mut slots[number.cast_unsigned() as usize % Self::N_SLOTS];
        if *held != number || text.is_empty() {
            *held = number;
            text.clear();
            text.push_str(room.whole(number));
        }
        text
    }

    /// Room for the text of another value.
    pub(super) fn room(&mut self) -> &mut TextBuffer {
        &mut self.room
    }
}

/// The number that a value of a type of whole numbers holds, `None` for every other type.
pub(super) fn whole_of(value: &ColumnData<'static>) -> Option<Option<i64>> {
    Some(match *value {
        ColumnData::I32(number) => number.map(i64::from),
        ColumnData::I64(number) => number,
        ColumnData::I16(number) => number.map(i64::from),
        ColumnData::U8(number) => number.map(i64::from),
        _ => return None,
    })
}

/// What a value says as a text: without blanks around it, `None` where nothing is left.
/// `Err` holds the value where it is of a type that is no text.
pub(super) fn text_of<'a>(
    value: &'a ColumnData<'static>,
    buffer: &'a mut TextBuffer,
) -> Result<Option<&'a str>, &'a ColumnData<'static>> {
    Ok(match value {
        ColumnData::String(text) => text.as_deref().map(str::trim).filter(|text| !text.is_empty()),
        ColumnData::Numeric(number) => number.map(|n| buffer.decimal(n)),
        // In upper case, as SQL Server shows it.
        ColumnData::Guid(id) => match id {
            Some(id) => Some(id.hyphenated().encode_upper(&mut buffer.0)),
            None => None,
        },
        other => match whole_of(other) {
            Some(number) => number.map(|number| buffer.whole(number)),
            None => return Err(other),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the order, a number has its own text: those that share a slot too.
    #[test]
    fn remembered_texts_are_not_mixed_up() {
        let n_slots = WholeTexts::N_SLOTS as i64;
        let mut texts = WholeTexts::NONE;
        let numbers = [0, 1, n_slots, -n_slots, -1, 7, 7 + n_slots, i64::MIN, i64::MAX];
        for _ in 0..3 {
            for number in numbers.into_iter().chain(numbers.into_iter().rev()).chain(-600..600) {
                assert_eq!(texts.of(number), number.to_string());
            }
        }
    }

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
        check(ColumnData::I32(Some(10)), Some("10"));
        check(ColumnData::I32(Some(100)), Some("100"));
        check(ColumnData::I32(Some(-9999)), Some("-9999"));
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
