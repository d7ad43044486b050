//! Distances and times that are numbers, and not what they should be.

use super::Expected::{Harmless, Refused};
use super::city::Row;
use super::{Expected, Feed, Night, night};

/// The nights after it are not; `docs/gate.md` says so.
const CREEPS: Expected = Harmless("a sixtieth of the rows");

fn turnout(row: &mut Row) {
    row.add_s(60.0 + 30.0 * row.lot);
}

/// Distances in another order, the rest of the rows as it is.
fn mixed_up(feed: &mut Feed) {
    let mut distances: Vec<(f64, String)> =
        feed.rows.iter().map(|row| (row.lot, row.distance.clone())).collect();
    distances.sort_by(|a, b| a.0.total_cmp(&b.0));
    feed.rows.iter_mut().zip(distances).for_each(|(row, (_, km))| row.distance = km);
}

pub(super) const NIGHTS: &[Night] = &[
    night(
        "constant times",
        "300 s in every row",
        |feed| feed.each(|row| "300".clone_into(&mut row.time)),
        Refused("constant"),
    ),
    night(
        "constant distances",
        "1 km in every row",
        |feed| feed.each(|row| "1".clone_into(&mut row.distance)),
        Refused("constant"),
    ),
    night(
        "times rounded to minutes",
        "the nearest minute",
        |feed| feed.each(|row| row.time = format!("{:.0}", (row.s() / 60.0).round() * 60.0)),
        Refused("history"),
    ),
    night(
        "truncated times",
        "the minute begun is left out",
        |feed| feed.each(|row| row.time = format!("{:.0}", (row.s() / 60.0).floor() * 60.0)),
        Refused("history"),
    ),
    night(
        "times cut off",
        "600 s for more than 600 s",
        |feed| feed.each(|row| row.time = format!("{:.0}", row.s().min(600.0))),
        Refused("history"),
    ),
    night(
        "zero distances",
        "0 km in 15 % of the rows, drawn by lot",
        |feed| feed.each_of(|row| row.lot < 0.15, |row| "0".clone_into(&mut row.distance)),
        Refused("zero_values"),
    ),
    night(
        "distances in whole kilometres",
        "the nearest kilometre",
        |feed| feed.each(|row| row.distance = format!("{:.0}", row.km().round())),
        Refused("history"),
    ),
    night(
        "some times tenfold",
        "5 % of the times, drawn by lot, times 10",
        |feed| feed.each_of(|row| row.lot < 0.05, |row| row.times_s(10.0)),
        Refused("history"),
    ),
    night(
        "some distances tenfold",
        "5 % of the distances, drawn by lot, times 10",
        |feed| feed.each_of(|row| row.lot < 0.05, |row| row.times_km(10.0)),
        Refused("refused_values"),
    ),
    night(
        "a default for what was not measured",
        "999 s in 4 % of the rows, drawn by lot",
        |feed| feed.each_of(|row| row.lot < 0.04, |row| "999".clone_into(&mut row.time)),
        Refused("history"),
    ),
    night(
        "by road for straight lines",
        "distances times 1.3",
        |feed| feed.each(|row| row.times_km(1.3)),
        Refused("history"),
    ),
    night(
        "by road since yesterday",
        "distances of the newest day times 1.3",
        |feed| feed.each_of(Row::is_new, |row| row.times_km(1.3)),
        CREEPS,
    ),
    night(
        "turnout included",
        "60 to 90 s more in every time",
        |feed| feed.each(turnout),
        Refused("distribution"),
    ),
    night(
        "turnout included since yesterday",
        "60 to 90 s more in times of the newest day",
        |feed| feed.each_of(Row::is_new, turnout),
        CREEPS,
    ),
    night(
        "there and back",
        "times doubled",
        |feed| feed.each(|row| row.times_s(2.0)),
        Refused("distribution"),
    ),
    night(
        "negative longitudes lost",
        "1,200 km more in half of the distances, drawn by lot",
        |feed| {
            feed.each_of(
                |row| row.lot < 0.5,
                |row| row.distance = format!("{:.4}", row.km() + 1200.0),
            );
        },
        Refused("refused_values"),
    ),
    night(
        "negative distances",
        "a minus before half of the distances, drawn by lot",
        |feed| feed.each_of(|row| row.lot < 0.5, |row| row.distance.insert(0, '-')),
        Refused("refused_values"),
    ),
    night(
        "latitude and longitude swapped",
        "distances times 1 to 1.6, by their direction",
        |feed| feed.each(|row| row.times_km(1.0 + 0.6 * row.lot)),
        Refused("history"),
    ),
    night(
        "distances of other rows",
        "distances in an order drawn by lot, as a join gone wrong leaves them",
        mixed_up,
        Refused("distribution"),
    ),
];
