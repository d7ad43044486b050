//! A cron expression: which moments of a civil calendar it names. Knows nothing of time zones.

mod fields;

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
        let no_expression = |why: &str| format!("`{text}` is no cron expression: {why}");
        fields::check(&text).map_err(|why| no_expression(&why))?;
        let cron = Cron::from_str(&text)
            .map_err(|error| no_expression(&error.to_string().to_lowercase()))?;
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
    fn every_form_of_a_field_is_taken() {
        for cron in [
            "0 3 * * MON-FRI",
            "0 3 1-15/2 jan,Mar-may sun",
            "5,35 */2 ? * FRI-SUN",
            "0 3 L * *",
            "0 3 LW,15W * *",
            "0 3 * * FRI#2",
            "0 3 * * 5L",
            "0 3 1 * +MON",
            "*/59 * * * 0-7",
            "30 0 3 * * *",
            " @Daily ",
        ] {
            assert!(CronExpression::try_from(cron.to_owned()).is_ok(), "{cron}");
        }
    }

    #[test]
    fn an_error_names_the_field() {
        let check = |cron: &str, expected: &str| {
            let error = CronExpression::try_from(cron.to_owned()).unwrap_err();
            let why = error.strip_prefix(&format!("`{cron}` is no cron expression: "));
            assert_eq!(why.unwrap_or(&error), expected);
        };
        check("", "it has 0 fields, five or six are needed");
        check("at three", "it has 2 fields, five or six are needed");
        check("0 0 3 * * * 2027", "it has 7 fields, five or six are needed");
        check(
            "@nightly",
            "the nicknames are @yearly, @annually, @monthly, @weekly, @daily, @hourly",
        );
        check("0 25 * * *", "hour: `25` is not a number from 0 to 23");
        check("0 FEB * * *", "hour: `FEB` is not a number from 0 to 23");
        check("JAN 3 * * *", "minute: `JAN` is not a number from 0 to 59");
        check("0 3 MON * *", "day of the month: `MON` is not a number from 1 to 31");
        let day = "day of the week: `JAN` is not a number from 0 to 7 or a name from SUN to SAT";
        check("0 3 * * JAN", day);
        let month = "month: `MON` is not a number from 1 to 12 or a name from JAN to DEC";
        check("0 3 * MON *", month);
        check("*/70 * * * *", "minute: `*/70` has a step that is not a number from 1 to 59");
        check("*/0 * * * *", "minute: `*/0` has a step that is not a number from 1 to 59");
        check("0 8-12/5 * * *", "hour: `8-12/5` has a step that is not a number from 1 to 4");
        check(
            "5/10 * * * *",
            "minute: `5/10` has a step without a range; write `*` or a range before `/`",
        );
        check("0 18-6 * * *", "hour: `18-6` runs backwards");
        check("0,,5 * * * *", "minute: `` is not a number from 0 to 59");
        check("0 +3 * * *", "hour: `+3` is not a number from 0 to 23");
        check("0 L * * *", "hour: `L` is not a number from 0 to 23");
        check(
            "0 3 * * 5#6",
            "day of the week: `5#6` is not a number from 0 to 7 or a name from SUN to SAT",
        );
        check("0 0 30 2 *", "`0 0 30 2 *` names a moment that never comes");
    }
}
