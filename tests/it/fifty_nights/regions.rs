//! Regions renamed, merged, lost, mixed up; and one station's clock.

use super::Expected::{Harmless, Kept, Refused, Warned};
use super::city::{Row, days, lot};
use super::{Feed, Night, night};

fn is_valby(row: &Row) -> bool {
    row.region == "Valby"
}

/// Regions in another order, the rest of the rows as it is.
fn reordered(feed: &mut Feed, order: impl Fn(usize) -> f64) {
    let mut regions: Vec<(f64, String)> =
        feed.rows.iter().enumerate().map(|(i, row)| (order(i), row.region.clone())).collect();
    regions.sort_by(|a, b| a.0.total_cmp(&b.0));
    feed.rows.iter_mut().zip(regions).for_each(|(row, (_, region))| row.region = region);
}

pub(super) const NIGHTS: &[Night] = &[
    night(
        "a region renamed",
        "`Valby West` for `Valby`",
        |feed| feed.each_of(is_valby, |row| "Valby West".clone_into(&mut row.region)),
        Warned("regions"),
    ),
    night(
        "regions merged",
        "`Amager` for `Valby`",
        |feed| feed.each_of(is_valby, |row| "Amager".clone_into(&mut row.region)),
        Warned("regions"),
    ),
    night(
        "one region missing",
        "no row of Valby",
        |feed| feed.rows.retain(|row| !is_valby(row)),
        Warned("regions"),
    ),
    night(
        "one region missing since yesterday",
        "no row of Valby on the newest day",
        |feed| feed.rows.retain(|row| !(is_valby(row) && row.is_new())),
        Harmless("its older records are there"),
    ),
    night(
        "six regions missing",
        "no row of every other region",
        |feed| feed.rows.retain(|row| (row.region.as_bytes()[0] % 2) == 0),
        Refused("regions"),
    ),
    night(
        "a new phantom region",
        "`Test` for one row in twelve",
        |feed| feed.each_of(|row| row.lot < 1.0 / 12.0, |row| "Test".clone_into(&mut row.region)),
        Warned("regions"),
    ),
    night(
        "test calls left in",
        "130 rows more, of region `Test`, 100 m in 15 s",
        |feed| {
            let test = |row: &Row| Row {
                id: format!("{}t", row.id),
                region: "Test".to_owned(),
                distance: "0.1".to_owned(),
                time: "15".to_owned(),
                ..row.clone()
            };
            let tests: Vec<Row> = feed.rows.iter().filter(|r| r.lot < 0.03).map(test).collect();
            feed.rows.extend(tests);
        },
        Warned("regions"),
    ),
    night(
        "test calls left in real regions",
        "one row in twenty more, 100 m in 20 s",
        |feed| {
            let test = |row: &Row| Row {
                id: format!("{}t", row.id),
                distance: "0.1".to_owned(),
                time: "20".to_owned(),
                ..row.clone()
            };
            let tests: Vec<Row> = feed.rows.iter().filter(|r| r.lot < 0.05).map(test).collect();
            feed.rows.extend(tests);
        },
        Warned("row_count"),
    ),
    night(
        "names in capitals",
        "`VALBY` for `Valby`",
        |feed| feed.each(|row| row.region = row.region.to_uppercase()),
        Refused("regions"),
    ),
    night(
        "names with blanks",
        "`Valby ` for `Valby`",
        |feed| feed.each(|row| row.region.push(' ')),
        Harmless("blanks around a name are left out"),
    ),
    night(
        "rows shuffled across regions",
        "regions in an order drawn by lot, as a join gone wrong leaves them",
        |feed| reordered(feed, |i| lot(i as u64)),
        Refused("history"),
    ),
    night(
        "regions of the row before",
        "every row has the region of the row before it",
        |feed| {
            let n = feed.rows.len();
            reordered(feed, |i| ((i + 1) % n) as f64);
        },
        Refused("history"),
    ),
    night(
        "two regions exchanged",
        "`Dragør` for `Indre By`, and the other way round",
        |feed| {
            feed.each(|row| {
                let other = match row.region.as_str() {
                    "Dragør" => "Indre By",
                    "Indre By" => "Dragør",
                    _ => return,
                };
                other.clone_into(&mut row.region);
            });
        },
        Warned("history"),
    ),
    night(
        "one region's rows twice",
        "rows of Valby twice, alike",
        |feed| {
            let twice: Vec<Row> = feed.rows.iter().filter(|row| is_valby(row)).cloned().collect();
            feed.rows.extend(twice);
        },
        Warned("regions"),
    ),
    night(
        "no region",
        "no region in 30 % of the rows, drawn by lot",
        |feed| feed.each_of(|row| row.lot < 0.3, |row| row.region.clear()),
        Refused("refused_others"),
    ),
    night(
        "a station's clock an hour ahead",
        "an hour more in times of Valby",
        |feed| feed.each_of(is_valby, |row| row.add_s(3600.0)),
        Kept("the median time"),
    ),
    night(
        "a station's clock an hour behind",
        "an hour less in times of Valby",
        |feed| feed.each_of(is_valby, |row| row.add_s(-3600.0)),
        Refused("refused_values"),
    ),
    night(
        "a station's clock two minutes ahead",
        "120 s more in times of Valby",
        |feed| feed.each_of(is_valby, |row| row.add_s(120.0)),
        Kept("the median time"),
    ),
    night(
        "a station's dates an hour later",
        "dates of Valby an hour later",
        |feed| feed.each_of(is_valby, |row| row.at += days(1) / 24),
        Harmless("no time of day or date enters the fit"),
    ),
];
