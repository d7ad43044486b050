//! Distances and times in other units.

use super::Expected::{Kept, Refused};
use super::city::Row;
use super::{Feed, Night, night};

const MILE: f64 = 1.609_344;

fn is_valby(row: &Row) -> bool {
    row.region == "Valby"
}

fn kilometres(feed: &mut Feed, of: impl Fn(&Row) -> bool, factor: f64) {
    feed.each_of(of, |row| row.times_km(factor));
}

fn seconds(feed: &mut Feed, of: impl Fn(&Row) -> bool, factor: f64) {
    feed.each_of(of, |row| row.times_s(factor));
}

pub(super) const NIGHTS: &[Night] = &[
    night(
        "distances in metres",
        "distances times 1,000",
        |feed| kilometres(feed, |_| true, 1000.0),
        Refused("distribution"),
    ),
    night(
        "distances in decametres",
        "distances times 100",
        |feed| kilometres(feed, |_| true, 100.0),
        Refused("distribution"),
    ),
    night(
        "distances in hectometres",
        "distances times 10",
        |feed| kilometres(feed, |_| true, 10.0),
        Refused("distribution"),
    ),
    night(
        "distances in miles",
        "distances by 1.609",
        |feed| kilometres(feed, |_| true, 1.0 / MILE),
        Refused("distribution"),
    ),
    night(
        "distances in feet",
        "distances times 3,281",
        |feed| kilometres(feed, |_| true, 1.0 / 0.000_304_8),
        Refused("distribution"),
    ),
    night(
        "metres since yesterday",
        "distances of the newest day times 1,000",
        |feed| kilometres(feed, Row::is_new, 1000.0),
        Refused("new_rows"),
    ),
    night(
        "miles since yesterday",
        "distances of the newest day by 1.609",
        |feed| kilometres(feed, Row::is_new, 1.0 / MILE),
        Refused("new_rows"),
    ),
    night(
        "one region in miles",
        "distances of Valby by 1.609",
        |feed| kilometres(feed, is_valby, 1.0 / MILE),
        Kept("columns.distance_unit"),
    ),
    night(
        "one region in metres",
        "distances of Valby times 1,000",
        |feed| kilometres(feed, is_valby, 1000.0),
        Refused("refused_values"),
    ),
    night(
        "half the rows in miles",
        "half of the distances, drawn by lot, by 1.609",
        |feed| kilometres(feed, |row| row.lot < 0.5, 1.0 / MILE),
        Refused("history"),
    ),
    night(
        "times in minutes",
        "times by 60",
        |feed| seconds(feed, |_| true, 1.0 / 60.0),
        Refused("distribution"),
    ),
    night(
        "times in hours",
        "times by 3,600",
        |feed| seconds(feed, |_| true, 1.0 / 3600.0),
        Refused("distribution"),
    ),
    night(
        "times in milliseconds",
        "times times 1,000",
        |feed| seconds(feed, |_| true, 1000.0),
        Refused("distribution"),
    ),
    night(
        "times as parts of a day",
        "times by 86,400, as spreadsheets have them",
        |feed| seconds(feed, |_| true, 1.0 / 86_400.0),
        Refused("distribution"),
    ),
    night(
        "minutes since yesterday",
        "times of the newest day by 60",
        |feed| seconds(feed, Row::is_new, 1.0 / 60.0),
        Refused("new_rows"),
    ),
    night(
        "one region in minutes",
        "times of Valby by 60",
        |feed| seconds(feed, is_valby, 1.0 / 60.0),
        Refused("refused_values"),
    ),
    night(
        "half the rows in minutes",
        "half of the times, drawn by lot, by 60",
        |feed| seconds(feed, |row| row.lot < 0.5, 1.0 / 60.0),
        Refused("refused_values"),
    ),
    night(
        "metres and milliseconds",
        "distances and times times 1,000: speeds are as they were",
        |feed| {
            kilometres(feed, |_| true, 1000.0);
            seconds(feed, |_| true, 1000.0);
        },
        Refused("distribution"),
    ),
];
