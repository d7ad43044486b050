//! A cron expression: which moments of a civil calendar it names. Knows nothing of time zones.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr as _;

use croner::errors::CronError;
use croner::{CivilDateTime, Cron, CronDateTime, Resolution};
use jiff::ToSpan as _;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

/// Minute, hour, day of the month, month, day of the week; with a sixth field in front, the second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CronExpression {
    text: String,
    cron: Cron,
}

impl CronExpression {
    /// The first moment after `moment`, or `None` where there is none.
    #[must_use]
    pub fn next_after(&self, moment: DateTime) -> Option<DateTime> {
        self.cron.find_next_occurrence(&Civil(moment), false).ok().map(|found| found.0)
    }

    /// The last moment up to `moment`, itself included, or `None` where there is none.
    #[must_use]
    pub fn last_up_to(&self, moment: DateTime) -> Option<DateTime> {
        self.cron.find_previous_occurrence(&Civil(moment), true).ok().map(|found| found.0)
    }
}

impl TryFrom<String> for CronExpression {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let cron = Cron::from_str(&text).map_err(|error| {
            format!("`{text}` is no cron expression: {}", error.to_string().to_lowercase())
        })?;
        let expression = Self { text, cron };
        // 30 February, for example: a schedule that waits for ever is a mistake.
        match expression.next_after(DateTime::constant(2000, 1, 1, 0, 0, 0, 0)) {
            Some(_) => Ok(expression),
            None => Err(format!("`{}` names a moment that never comes", expression.text)),
        }
    }
}

impl From<CronExpression> for String {
    fn from(expression: CronExpression) -> Self {
        expression.text
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// A civil time as the library of expressions wants it: every one of them is there, once.
#[derive(Debug, Clone, Copy)]
struct Civil(DateTime);

impl CronDateTime for Civil {
    fn to_civil(&self) -> CivilDateTime {
        let (date, time) = (self.0.date(), self.0.time());
        let part = |part: i8| part.unsigned_abs().into();
        CivilDateTime::new(
            croner::CivilDate::from_parts_unchecked(
                date.year().into(),
                part(date.month()),
                part(date.day()),
            ),
            croner::CivilTime::from_parts_unchecked(
                part(time.hour()),
                part(time.minute()),
                part(time.second()),
            ),
        )
    }

    fn civil_weekday(&self) -> croner::Weekday {
        let from_sunday = self.0.weekday().to_sunday_zero_offset().unsigned_abs();
        croner::Weekday::from_days_from_sunday(from_sunday.into())
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let part = |part: u32| i8::try_from(part).map_err(|_| CronError::InvalidTime);
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let moment = DateTime::new(
            year,
            part(civil.month())?,
            part(civil.day())?,
            part(civil.hour())?,
            part(civil.minute())?,
            part(civil.second())?,
            0,
        );
        let moment = moment.map_err(|_| CronError::InvalidDate)?;
        Ok(Resolution::Single(Self(moment)))
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(seconds.seconds()).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_found_on_both_sides() {
        let check = |cron: &str, at: &str, before: &str, after: &str| {
            let cron = CronExpression::try_from(cron.to_owned()).unwrap();
            let at: DateTime = at.parse().unwrap();
            assert_eq!(cron.last_up_to(at).unwrap().to_string(), before, "{cron}");
            assert_eq!(cron.next_after(at).unwrap().to_string(), after, "{cron}");
        };
        check("0 3 * * *", "2026-03-01T03:00", "2026-03-01T03:00:00", "2026-03-02T03:00:00");
        check("0 3 * * *", "2026-03-01T02:59:59.5", "2026-02-28T03:00:00", "2026-03-01T03:00:00");
        check("30 1 * * SUN", "2026-03-25T00:00", "2026-03-22T01:30:00", "2026-03-29T01:30:00");
        check("0 0 29 2 *", "2026-01-01T00:00", "2024-02-29T00:00:00", "2028-02-29T00:00:00");
        check("0 6 L * *", "2026-02-10T00:00", "2026-01-31T06:00:00", "2026-02-28T06:00:00");
        check("*/2 * * * * *", "2026-01-01T00:00:01", "2026-01-01T00:00:00", "2026-01-01T00:00:02");
        check("@daily", "2026-01-01T12:00", "2026-01-01T00:00:00", "2026-01-02T00:00:00");
    }

    #[test]
    fn what_is_no_expression_is_told() {
        let check = |cron: &str, expected: &str| {
            let error = CronExpression::try_from(cron.to_owned()).unwrap_err();
            assert_eq!(error, expected);
        };
        check("", "`` is no cron expression: cronpattern cannot be an empty string.");
        check("0 0 30 2 *", "`0 0 30 2 *` names a moment that never comes");
        let error = CronExpression::try_from("0 25 * * *".to_owned()).unwrap_err();
        assert!(
            error.starts_with("`0 25 * * *` is no cron expression: component error"),
            "{error}"
        );
        let error = CronExpression::try_from("at three".to_owned()).unwrap_err();
        assert!(error.starts_with("`at three` is no cron expression: "), "{error}");
    }
}
