//! The feed as a whole: dead, half, twice, of another time.

use super::Expected::{Harmless, Refused, Warned};
use super::city::{NEWEST, Row, days};
use super::{Feed, Night, night};

/// Saturdays and Sundays; the first of January 2026 is a Thursday.
fn is_weekend(row: &Row) -> bool {
    matches!((row.day + 3) % 7, 5 | 6)
}

fn again(feed: &mut Feed, of: impl Fn(&Row) -> bool, id: impl Fn(&str) -> String) {
    let twice: Vec<Row> = feed.rows.iter().filter(|row| of(row)).cloned().collect();
    feed.rows.extend(twice.into_iter().map(|row| Row { id: id(&row.id), ..row }));
}

pub(super) const NIGHTS: &[Night] = &[
    night(
        "the file of yesterday",
        "no row of the newest day",
        |feed| feed.rows.retain(|row| !row.is_new()),
        Harmless("the records are those of yesterday, and so are the parameters"),
    ),
    night(
        "a feed dead for three days",
        "yesterday's file, two days later",
        |feed| {
            feed.rows.retain(|row| !row.is_new());
            feed.now += days(2);
        },
        Warned("stale"),
    ),
    night(
        "a feed dead for nine days",
        "yesterday's file, eight days later",
        |feed| {
            feed.rows.retain(|row| !row.is_new());
            feed.now += days(8);
        },
        Refused("stale"),
    ),
    night("an empty file", "the header only", |feed| feed.rows.clear(), Refused("row_count")),
    night(
        "half a feed",
        "half of the rows, drawn by lot",
        |feed| feed.rows.retain(|row| row.lot < 0.5),
        Refused("row_count"),
    ),
    night(
        "a quarter of the feed lost",
        "three rows in four, drawn by lot",
        |feed| feed.rows.retain(|row| row.lot < 0.75),
        Warned("row_count"),
    ),
    night(
        "a feed loaded twice",
        "every row twice, alike",
        |feed| again(feed, |_| true, str::to_owned),
        Refused("repeated_rows"),
    ),
    night(
        "a feed loaded twice under new ids",
        "every row twice, with another id",
        |feed| again(feed, |_| true, |id| format!("{id}b")),
        Refused("row_count"),
    ),
    night(
        "the newest day loaded twice",
        "rows of the newest day twice",
        |feed| again(feed, Row::is_new, str::to_owned),
        Harmless("72 of 4,464 rows"),
    ),
    night(
        "the window shifted",
        "the older half is gone",
        |feed| feed.rows.retain(|row| row.day > NEWEST / 2),
        Refused("row_count"),
    ),
    night(
        "dates of last year",
        "every date 365 days earlier",
        |feed| feed.each(|row| row.at -= days(365)),
        Refused("stale"),
    ),
    night(
        "dates of the future",
        "every date 365 days later",
        |feed| feed.each(|row| row.at += days(365)),
        Refused("future"),
    ),
    night(
        "the newest day dated next year",
        "dates of the newest day 365 days later",
        |feed| feed.each_of(Row::is_new, |row| row.at += days(365)),
        Refused("future"),
    ),
    night(
        "the newest day dated last year",
        "dates of the newest day 365 days earlier",
        |feed| feed.each_of(Row::is_new, |row| row.at -= days(365)),
        Harmless("no time of day or date enters the fit"),
    ),
    night(
        "all clocks an hour ahead",
        "every date an hour later",
        |feed| feed.each(|row| row.at += days(1) / 24),
        Harmless("no time of day or date enters the fit"),
    ),
    night(
        "weekends only",
        "rows of Saturdays and Sundays",
        |feed| feed.rows.retain(is_weekend),
        Refused("row_count"),
    ),
    night(
        "a file cut off",
        "the first three fifths of the rows",
        |feed| feed.rows.truncate(feed.rows.len() * 3 / 5),
        Refused("row_count"),
    ),
    night(
        "the first 4,000 rows only",
        "an export with a limit: the newest five days are missing",
        |feed| feed.rows.truncate(4000),
        Warned("stale"),
    ),
    night(
        "urgent calls only",
        "rows of priority 1",
        |feed| feed.rows.retain(|row| row.priority == "1"),
        Refused("row_count"),
    ),
    night(
        "one id for all",
        "the same id in every row",
        |feed| feed.each(|row| "0".clone_into(&mut row.id)),
        Harmless("ids name rows in messages and do nothing else"),
    ),
    night(
        "one id for all where repeats are refused",
        "the same id in every row",
        |feed| feed.each(|row| "0".clone_into(&mut row.id)),
        Refused("row_count"),
    )
    .with(&[("accept.repeated_ids", "refuse")]),
];
