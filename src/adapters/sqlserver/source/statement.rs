//! A statement with its bound parameters, and the conditions of which it is made.

use tiberius::time::{Date, DateTime, DateTime2, DateTimeOffset, Time};
use tiberius::{ColumnData, ToSql};

use super::kinds::Reading;
use super::wall_clock::WallClock;
use crate::domain::{RegionTerm, Selection, Window};

/// Days from 0001-01-01 and from 1900-01-01 to 1970-01-01.
const DAYS_FROM_YEAR_1: i64 = 719_162;
const DAYS_FROM_1900: i64 = 25_567;
/// 0001-01-01 and 1753-01-01, from which the types count or have their first day, and 9999-12-31,
/// the last of both; days since 1970-01-01.
const DAY_YEAR_1: i64 = -DAYS_FROM_YEAR_1;
const DAY_1753: i64 = -79_258;
const LAST_DAY: i64 = 2_932_896;

const DAY_US: i64 = 86_400_000_000;

/// `datetime` counts thirds of 10 ms and is read as the milliseconds that it is shown with: a bound
/// so much wider holds whatever is shown inside.
const DATETIME_SLACK_US: i64 = 4000;

/// Most patterns of a selection that the server sees, and longest one in UTF-16 units, below
/// SQL Server's limits of parameters and of `LIKE`; beyond, everything is read.
const MAX_PATTERNS: usize = 200;
const MAX_PATTERN_UNITS: usize = 2000;

/// Text with its parameters `@P1`, `@P2` ….
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) parameters: Vec<ColumnData<'static>>,
}

impl Statement {
    /// A statement whose first line names it.
    pub(super) fn named(name: &str) -> Self {
        Self { sql: format!("-- {name}\n"), parameters: Vec::new() }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    /// Binds a value; returns its name.
    pub(super) fn bind(&mut self, value: ColumnData<'static>) -> String {
        self.parameters.push(value);
        format!("@P{}", self.parameters.len())
    }

    /// Appends conditions that all must hold.
    pub(super) fn push_where(&mut self, conditions: &[String]) {
        for (n, condition) in conditions.iter().enumerate() {
            self.push(if n == 0 { "\nWHERE (" } else { "\n  AND (" });
            self.push(condition);
            self.push(")");
        }
    }

    pub(super) fn bound(&self) -> Vec<&dyn ToSql> {
        self.parameters.iter().map(|value| value as &dyn ToSql).collect()
    }
}

/// The window in the terms of a quoted column, as wide as it must be; `None` where the server cannot
/// tell. Rows without a time are not in it.
pub(super) fn within_window(
    statement: &mut Statement,
    window: Window,
    column: &str,
    reading: Reading,
    clock: &WallClock,
) -> Option<String> {
    let (low, high) = match reading {
        Reading::Offset => {
            (window.from.map(|at| at.as_microsecond()), window.to.map(|at| at.as_microsecond()))
        }
        _ => (window.from.map(|at| clock.not_after(at)), window.to.map(|at| clock.not_before(at))),
    };
    let low = low.and_then(|us| bound_value(reading, us, Edge::Low));
    let high = high.and_then(|us| bound_value(reading, us, Edge::High));
    let mut sides = Vec::new();
    for (value, sign) in [(low, ">="), (high, "<")] {
        if let Some(value) = value {
            sides.push(format!("{column} {sign} {}", statement.bind(value)));
        }
    }
    (!sides.is_empty()).then(|| sides.join(" AND "))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    Low,
    High,
}

/// A bound in the column's own type, widened to what the type can say; `None` where it is beyond
/// the type's range and so no bound at all, or where the type is none of a time.
fn bound_value(reading: Reading, us: i64, edge: Edge) -> Option<ColumnData<'static>> {
    match reading {
        Reading::DateTime2 => Some(ColumnData::DateTime2(Some(datetime2(us)?))),
        Reading::Offset => {
            Some(ColumnData::DateTimeOffset(Some(DateTimeOffset::new(datetime2(us)?, 0))))
        }
        Reading::Date => {
            let whole_days = us.div_euclid(DAY_US);
            let has_rest = us.rem_euclid(DAY_US) > 0;
            let day = whole_days + i64::from(edge == Edge::High && has_rest);
            Some(ColumnData::Date(Some(date(day)?)))
        }
        Reading::DateTime => {
            let us = us + if edge == Edge::Low { -DATETIME_SLACK_US } else { DATETIME_SLACK_US };
            Some(ColumnData::DateTime(Some(datetime(us)?)))
        }
        Reading::Text
        | Reading::Whole
        | Reading::Guid
        | Reading::Decimal
        | Reading::Money
        | Reading::Float => None,
    }
}

fn date(day: i64) -> Option<Date> {
    let day = (DAY_YEAR_1..=LAST_DAY).contains(&day).then_some(day + DAYS_FROM_YEAR_1)?;
    u32::try_from(day).ok().map(Date::new)
}

fn datetime2(us: i64) -> Option<DateTime2> {
    let time = u64::try_from(us.rem_euclid(DAY_US)).ok()?;
    Some(DateTime2::new(date(us.div_euclid(DAY_US))?, Time::new(time * 10, 7)))
}

fn datetime(us: i64) -> Option<DateTime> {
    let day = us.div_euclid(DAY_US);
    if !(DAY_1753..=LAST_DAY).contains(&day) {
        return None;
    }
    let fragments = us.rem_euclid(DAY_US) * 3 / 10_000;
    Some(DateTime::new(i32::try_from(day + DAYS_FROM_1900).ok()?, u32::try_from(fragments).ok()?))
}

/// Regions that may be selected, in the terms of a quoted column: every name that holds the pieces of
/// a pattern, or a name, in order, code point by code point. Blanks around a name do not count here,
/// and no collation has a say. `None` where the server is not asked.
pub(super) fn of_selection(
    statement: &mut Statement,
    selection: &Selection,
    column: &str,
    reading: Reading,
) -> Option<String> {
    let terms = selection.region_terms()?;
    let texts = terms.iter().map(|term| match term {
        RegionTerm::Pattern(text) | RegionTerm::Name(text) => text,
    });
    let is_too_long = |text: &&str| text.encode_utf16().count() > MAX_PATTERN_UNITS;
    if terms.is_empty() || terms.len() > MAX_PATTERNS || texts.into_iter().any(is_too_long) {
        return None;
    }
    // By way of nvarchar: another collation would change the code page of a varchar.
    let text = format!("CAST({column} AS nvarchar(4000)) COLLATE Latin1_General_100_BIN2");
    let mut any: Vec<String> = terms
        .into_iter()
        .map(|term| {
            let value = ColumnData::String(Some(contains(term).into()));
            format!("{text} LIKE {} ESCAPE '\\'", statement.bind(value))
        })
        .collect();
    if reading == Reading::Text {
        // Longer than the cast keeps.
        any.push(format!("LEN({column}) > 4000"));
    }
    Some(any.join(" OR "))
}

/// A pattern of `LIKE` for every text that holds the pieces of a pattern, or a name.
fn contains(term: RegionTerm<'_>) -> String {
    let (text, has_wildcards) = match term {
        RegionTerm::Pattern(text) => (text, true),
        RegionTerm::Name(text) => (text, false),
    };
    let mut like = String::from("%");
    for c in text.chars() {
        match c {
            '*' if has_wildcards => like.push('%'),
            '%' | '_' | '[' | ']' | '^' | '\\' => like.extend(['\\', c]),
            c => like.push(c),
        }
    }
    like.push('%');
    like
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::domain::GroupKey;

    fn window(from: &str, to: &str) -> Window {
        Window { from: from.parse().ok(), to: to.parse().ok() }
    }

    fn shown(window: Window, reading: Reading, zone: &str) -> String {
        let clock = WallClock::new(TimeZone::get(zone).unwrap());
        let mut statement = Statement::default();
        let condition = within_window(&mut statement, window, "[t]", reading, &clock);
        format!("{} {:?}", condition.unwrap_or_default(), statement.parameters)
    }

    #[test]
    fn windows_are_told_in_the_columns_own_type() {
        let check = |reading, zone: &str| {
            shown(window("2026-01-01T00:00:00Z", "2026-01-02T00:00:00.000001Z"), reading, zone)
        };
        insta::assert_snapshot!([
            check(Reading::DateTime2, "UTC"),
            check(Reading::DateTime2, "America/New_York"),
            check(Reading::Offset, "America/New_York"),
            check(Reading::Date, "UTC"),
            check(Reading::DateTime, "UTC"),
            check(Reading::Text, "UTC"),
        ].join("\n"), @r"
        [t] >= @P1 AND [t] < @P2 [DateTime2(Some(DateTime2 { date: Date(739616), time: Time { increments: 0, scale: 7 } })), DateTime2(Some(DateTime2 { date: Date(739617), time: Time { increments: 10, scale: 7 } }))]
        [t] >= @P1 AND [t] < @P2 [DateTime2(Some(DateTime2 { date: Date(739615), time: Time { increments: 684000000000, scale: 7 } })), DateTime2(Some(DateTime2 { date: Date(739616), time: Time { increments: 684000000010, scale: 7 } }))]
        [t] >= @P1 AND [t] < @P2 [DateTimeOffset(Some(DateTimeOffset { datetime2: DateTime2 { date: Date(739616), time: Time { increments: 0, scale: 7 } }, offset: 0 })), DateTimeOffset(Some(DateTimeOffset { datetime2: DateTime2 { date: Date(739617), time: Time { increments: 10, scale: 7 } }, offset: 0 }))]
        [t] >= @P1 AND [t] < @P2 [Date(Some(Date(739616))), Date(Some(Date(739618)))]
        [t] >= @P1 AND [t] < @P2 [DateTime(Some(DateTime { days: 46020, seconds_fragments: 25919998 })), DateTime(Some(DateTime { days: 46022, seconds_fragments: 1 }))]
         []
        ");
    }

    #[test]
    fn bounds_beyond_the_types_are_left_out() {
        let ancient = window("-000300-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        assert!(shown(ancient, Reading::DateTime2, "UTC").starts_with("[t] < @P1"));
        let ancient = window("1700-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        assert!(shown(ancient, Reading::DateTime, "UTC").starts_with("[t] < @P1"));
        assert_eq!(shown(Window::ALL, Reading::Date, "UTC"), " []");
    }

    #[test]
    fn selections_are_told_as_patterns() {
        let mut statement = Statement::default();
        let selection = Selection::new(["50% [a]_\\^*x", "b"]);
        let condition = of_selection(&mut statement, &selection, "[r]", Reading::Text).unwrap();
        assert_eq!(
            condition,
            "CAST([r] AS nvarchar(4000)) COLLATE Latin1_General_100_BIN2 LIKE @P1 ESCAPE '\\' \
             OR CAST([r] AS nvarchar(4000)) COLLATE Latin1_General_100_BIN2 LIKE @P2 ESCAPE '\\' \
             OR LEN([r]) > 4000"
        );
        let text = |text: &'static str| ColumnData::String(Some(text.into()));
        assert_eq!(statement.parameters, [text(r"%50\% \[a\]\_\\\^%x%"), text("%b%")]);
        let none = of_selection(&mut statement, &Selection::default(), "[r]", Reading::Text);
        assert_eq!(none, None);
    }

    #[test]
    fn names_are_told_literally() {
        let mut statement = Statement::default();
        let selection = Selection::of_groups(["B0*", "50%"].map(GroupKey::region));
        let condition = of_selection(&mut statement, &selection, "[r]", Reading::Whole).unwrap();
        assert_eq!(
            condition,
            "CAST([r] AS nvarchar(4000)) COLLATE Latin1_General_100_BIN2 LIKE @P1 ESCAPE '\\' \
             OR CAST([r] AS nvarchar(4000)) COLLATE Latin1_General_100_BIN2 LIKE @P2 ESCAPE '\\'"
        );
        let text = |text: &'static str| ColumnData::String(Some(text.into()));
        assert_eq!(statement.parameters, [text(r"%50\%%"), text("%B0*%")]);
    }
}
