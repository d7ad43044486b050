//! Times as the server keeps them: `datetime2(6)` in UTC, to the microsecond.

use jiff::Timestamp;
use tiberius::time::{Date, DateTime2, Time};
use tiberius::{ColumnData, FromSql, ToSql};

use super::error::UnitError;

const MICROS_PER_DAY: i64 = 24 * 60 * 60 * 1_000_000;
/// Days from 1 January of the year 1, where `datetime2` starts, to 1 January 1970.
const EPOCH_DAYS: i64 = 719_162;
/// Digits of a second.
const SCALE: u8 = 6;

/// A time on its way to the server, or what came from there: a time, or none.
///
/// Statements take no time that is none, but a bit beside it that says so. Babelfish differs: it
/// refuses the type `NULLTYPE`, by which the driver sends a missing time or text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment(Option<DateTime2>);

impl Moment {
    /// The time as the server keeps it; earlier ones than the year 1, which it cannot keep, as its
    /// first moment.
    pub(super) fn new(at: Timestamp) -> Self {
        let micros = at.as_microsecond();
        let days = (micros.div_euclid(MICROS_PER_DAY) + EPOCH_DAYS).max(0);
        let in_day = micros.rem_euclid(MICROS_PER_DAY);
        // Both are in range: no timestamp is past the year 9999, and the rest is not negative.
        let date = Date::new(u32::try_from(days).unwrap_or_default());
        let time = Time::new(in_day.cast_unsigned(), SCALE);
        Self(Some(DateTime2::new(date, time)))
    }

    /// The time that the server gave.
    ///
    /// # Errors
    /// [`UnitError::Value`] past the end of time, where only a broken answer can be.
    pub(super) fn timestamp(self, column: &str) -> Result<Option<Timestamp>, UnitError> {
        let Some(moment) = self.0 else { return Ok(None) };
        let unreadable =
            || UnitError::Value { column: column.to_owned(), what: "is no time".to_owned() };
        let scale = u32::from(moment.time().scale());
        let micros = match scale.checked_sub(u32::from(SCALE)) {
            // Finer than ours: cut off.
            Some(finer) => moment.time().increments() / 10_u64.pow(finer),
            None => moment.time().increments() * 10_u64.pow(u32::from(SCALE) - scale),
        };
        let days = i64::from(moment.date().days()) - EPOCH_DAYS;
        i64::try_from(micros)
            .ok()
            .and_then(|micros| micros.checked_add(days * MICROS_PER_DAY))
            .and_then(|micros| Timestamp::from_microsecond(micros).ok())
            .map(Some)
            .ok_or_else(unreadable)
    }
}

/// Whether the time that the server kept is this one, which may be finer than the server keeps.
pub(super) fn is_kept(kept: Option<Timestamp>, at: Timestamp) -> bool {
    kept.is_some_and(|kept| kept.as_microsecond() == at.as_microsecond())
}

impl ToSql for Moment {
    fn to_sql(&self) -> ColumnData<'_> {
        ColumnData::DateTime2(self.0)
    }
}

impl<'a> FromSql<'a> for Moment {
    fn from_sql(value: &'a ColumnData<'static>) -> tiberius::Result<Option<Self>> {
        match value {
            ColumnData::DateTime2(moment) => Ok(Some(Self(*moment))),
            other => Err(tiberius::error::Error::Conversion(
                format!("`{other:?}` is no `datetime2`").into(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_and_increments_are_those_of_the_documentation() {
        let check = |text: &str, days: u32, increments: u64| {
            let at: Timestamp = text.parse().unwrap();
            let Moment(Some(moment)) = Moment::new(at) else { panic!("{text}") };
            assert_eq!((moment.date().days(), moment.time().increments()), (days, increments));
            assert_eq!(moment.time().scale(), 6);
            assert_eq!(Moment(Some(moment)).timestamp("at").ok(), Some(Some(at)), "{text}");
        };
        check("0001-01-01T00:00:00Z", 0, 0);
        check("1970-01-01T00:00:00Z", 719_162, 0);
        check("1969-12-31T23:59:59.999999Z", 719_161, 86_399_999_999);
        check("9999-12-30T21:59:59.999999Z", 3_652_057, 79_199_999_999);
    }

    #[test]
    fn what_it_cannot_keep_is_its_first_moment() {
        let first = Moment::new("-000044-03-15T00:00:00Z".parse().unwrap());
        assert_eq!(first.timestamp("at").unwrap(), Some("0001-01-01T00:00:00Z".parse().unwrap()));
        assert_eq!(Moment(None).timestamp("at").unwrap(), None);
    }

    #[test]
    fn other_scales_and_broken_answers() {
        let check = |time: Time, micros: Option<i64>| {
            let moment = Moment(Some(DateTime2::new(Date::new(719_162), time)));
            let read = moment.timestamp("at").ok().flatten();
            assert_eq!(read.map(Timestamp::as_microsecond), micros, "{time:?}");
        };
        check(Time::new(1_234_567, 7), Some(123_456));
        check(Time::new(12, 0), Some(12_000_000));
        check(Time::new(u64::MAX, 6), None);
        let late = DateTime2::new(Date::new(0xff_ffff), Time::new(0, 6));
        assert!(Moment(Some(late)).timestamp("at").is_err());
        assert!(Moment::from_sql(&ColumnData::I32(Some(1))).is_err());
    }

    proptest! {
        #[test]
        fn every_microsecond_comes_back(
            micros in -62_135_596_800_000_000_i64..=253_402_207_200_000_000,
        ) {
            let at = Timestamp::from_microsecond(micros).unwrap();
            prop_assert_eq!(Moment::new(at).timestamp("at").unwrap(), Some(at));
        }
    }
}
