//! The window as the server is told, and as it is kept.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use speedfit::adapters::sqlserver::{Partition, SourceOptions};
use speedfit::domain::{Selection, Window};
use speedfit::ports::ReadQuery;

use super::{Served, read, usual, usual_columns, wall};
use crate::support::at;
use crate::tds::{Column, ColumnType as T, Value};

fn window(from: &str, to: &str) -> ReadQuery {
    let window = Window { from: Some(at(from)), to: Some(at(to)) };
    ReadQuery { window, ..ReadQuery::default() }
}

/// Every quarter of an hour around a change of the clock, as each type has it, and one row without
/// a time: what comes is exactly what the moments say.
#[tokio::test]
async fn no_row_is_lost_or_added_where_the_clock_changes() {
    for (zone, around) in [
        ("Europe/London", "2026-03-29T01:00"),
        ("Europe/London", "2026-10-25T01:00"),
        ("America/New_York", "2026-07-04T12:00"),
        ("Pacific/Apia", "2011-12-30T00:00"),
    ] {
        let zone = TimeZone::get(zone).unwrap();
        let around: jiff::civil::DateTime = around.parse().unwrap();
        let walls: Vec<_> = (-200..200_i64)
            .map(|n| around.saturating_add(jiff::SignedDuration::from_mins(15 * n)))
            .collect();
        for kind in [T::DateTime2(3), T::DateTime, T::SmallDateTime, T::DateTimeOffset(0), T::Date]
        {
            let mut columns = usual_columns();
            columns[3] = Column::new("occurred_at", kind);
            let moment = |local: jiff::civil::DateTime| {
                let local = if kind == T::Date { local.date().at(0, 0, 0, 0) } else { local };
                zone.to_ambiguous_timestamp(local).compatible().unwrap()
            };
            let value = |local: jiff::civil::DateTime| match kind {
                T::DateTimeOffset(_) => Value::DateTimeOffset {
                    ticks_utc: moment(local).as_microsecond() * 10,
                    offset_min: 60,
                },
                T::Date => {
                    let days = local.date().since(jiff::civil::date(1970, 1, 1)).unwrap();
                    Value::Date(days.get_days())
                }
                _ => wall(&local.to_string()),
            };
            let rows = walls
                .iter()
                .enumerate()
                .map(|(n, &local)| vec!["a".into(), (n as f64).into(), 60.0.into(), value(local)]);
            let nameless = vec!["a".into(), (-1.0).into(), 60.0.into(), Value::Null];
            let served = Served::with(columns, rows.chain([nameless]).collect()).await;
            let middle = moment(around);
            for hours in [-30, -2, -1, 0, 1, 2, 30] {
                let from = middle + jiff::SignedDuration::from_mins(60 * hours - 7);
                let to = from + jiff::SignedDuration::from_hours(3);
                let query = window(&from.to_string(), &to.to_string());
                for partition in [Partition::Off, Partition::default()] {
                    let options =
                        SourceOptions { time_zone: zone.clone(), partition, ..served.incidents() };
                    let batch = read(options, &query).await.unwrap();
                    let mut found: Vec<f64> = batch.rows().filter_map(|r| r.distance_km).collect();
                    found.sort_by(f64::total_cmp);
                    let inside = walls.iter().enumerate().filter(|(_, local)| {
                        let at = moment(**local);
                        from <= at && at < to
                    });
                    let mut expected = vec![-1.0];
                    expected.extend(inside.map(|(n, _)| n as f64));
                    assert_eq!(found, expected, "{kind} {} {from}", zone.iana_name().unwrap());
                }
            }
        }
    }
}

/// What is shown as inside is inside, however the server rounds.
#[tokio::test]
async fn thirds_of_ten_milliseconds_are_what_the_server_shows() {
    let mut columns = usual_columns();
    columns[3] = Column::new("occurred_at", T::DateTime);
    let times = ["12:00:00.003", "12:00:00.007", "12:00:00.010", "12:00:00.013"];
    let rows = times.map(|time| usual("a", 1.0, &format!("2026-01-01T{time}"))).to_vec();
    let served = Served::with(columns, rows).await;
    let check = async |from: &str, to: &str, n: usize| {
        let query =
            window(&format!("2026-01-01T12:00:00{from}Z"), &format!("2026-01-01T12:00:00{to}Z"));
        assert_eq!(read(served.incidents(), &query).await.unwrap().len(), n, "{from} {to}");
    };
    check(".003", ".007", 1).await;
    check(".007", ".010", 1).await;
    check(".0035", ".0101", 2).await;
    check(".000", ".013", 3).await;
    check(".000", ".0131", 4).await;
}

/// The server leaves out what it can.
#[tokio::test]
async fn the_server_is_told_the_window_and_the_selection() {
    let rows = vec![usual("a", 1.0, "2026-01-01T00:00"), usual("b", 2.0, "2026-01-02T00:00")];
    let served = Served::with(usual_columns(), rows).await;
    let query = ReadQuery {
        selection: Selection::new(["a*", "no_such"]),
        ..window("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z")
    };
    let options =
        SourceOptions { time_zone: TimeZone::get("Europe/London").unwrap(), ..served.incidents() };
    assert_eq!(read(options, &query).await.unwrap().len(), 1);
    let names = ["describe_records", "span_of_records", "touch_records", "read_records"];
    // Those of the readers come in any order, and most are alike but for their parameters.
    let texts: BTreeSet<String> = names.iter().flat_map(|name| served.texts(name)).collect();
    insta::assert_snapshot!(Vec::from_iter(texts).join("\n\n"));
}

#[tokio::test]
async fn texts_are_kept_to_the_window_here() {
    let mut columns = usual_columns();
    columns[3] = Column::new("occurred_at", T::VarChar(40));
    let texts =
        ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00+01:00", "2026-01-02T00:00:00", "late"];
    let rows = texts.map(|text| vec!["a".into(), 1.0.into(), 60.0.into(), text.into()]).to_vec();
    let served = Served::with(columns, rows).await;
    let query = window("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    let batch = read(served.incidents(), &query).await.unwrap();
    // The one that cannot be read is refused by the job, and so has to come.
    assert_eq!(batch.len(), 3);
    assert_eq!(batch.faults.len(), 1);
}
