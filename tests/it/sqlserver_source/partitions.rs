//! Over several connections, every row comes once.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use speedfit::adapters::sqlserver::{Partition, SourceOptions};
use speedfit::domain::{RecordBatch, Selection, Window};
use speedfit::ports::ReadQuery;

use super::{Served, query, read, usual, usual_columns, wall};
use crate::support::at;
use crate::tds::{Column, ColumnType as T, Value};

const NAMES: [&str; 9] = ["a", "A", "a ", "b", "ß", "ss", "", "é", "B"];

/// Columns by which to cut, of every kind, behind the usual ones.
fn columns() -> Vec<Column> {
    let mut columns = usual_columns();
    for (name, kind) in [
        ("i", T::SmallInt),
        ("b", T::BigInt),
        ("f", T::Float),
        ("r", T::Real),
        ("d", T::Decimal(9, 2)),
        ("m", T::Money),
        ("day", T::Date),
        ("at", T::DateTime),
        ("small_at", T::SmallDateTime),
        ("offset_at", T::DateTimeOffset(3)),
        ("t", T::NVarChar(5)),
    ] {
        columns.push(Column::new(name, kind));
    }
    columns
}

/// A row numbered by its distance; its other values by a number, some of them null.
fn row(n: usize, region: Option<&str>, value: Option<i16>) -> Vec<Value> {
    let of = |make: &dyn Fn(i64) -> Value| value.map_or(Value::Null, |v| make(v.into()));
    let time = |minutes: i64| {
        let first = jiff::civil::date(2026, 1, 1).at(0, 0, 0, 0);
        wall(&first.saturating_add(jiff::SignedDuration::from_mins(minutes)).to_string())
    };
    vec![
        region.into(),
        (n as f64).into(),
        60.0.into(),
        of(&time),
        of(&Value::Int),
        of(&|v| Value::Int(v << 40)),
        of(&|v| Value::Float(v as f64 / 7.0)),
        of(&|v| Value::Float(f64::from(v as f32 / 7.0))),
        of(&|v| Value::Decimal { unscaled: v.into(), scale: 2 }),
        of(&|v| Value::Decimal { unscaled: v.into(), scale: 4 }),
        of(&|v| Value::Date(20_000 + (v / 100) as i32)),
        of(&time),
        of(&time),
        of(&|v| Value::DateTimeOffset { ticks_utc: v * 600_000_000, offset_min: 60 }),
        of(&|v| v.to_string().into()),
    ]
}

fn numbers(batch: &RecordBatch) -> Vec<usize> {
    let mut numbers: Vec<usize> =
        batch.rows().map(|row| row.distance_km.unwrap() as usize).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn every_row_comes_once_by_any_partition() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let value = prop_oneof![1 => Just(None), 6 => any::<i16>().prop_map(Some), 2 => (0..4_i16).prop_map(Some)];
    let region = prop::option::weighted(0.9, prop::sample::select(&NAMES[..]));
    let rows = prop::collection::vec((region, value), 0..60);
    let how = (1..5_usize, any::<bool>(), any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 12, ..Config::default() });
    runner
        .run(&(rows, how), |(rows, (connections, is_windowed, is_selected))| {
            runtime.block_on(check(&rows, connections, is_windowed, is_selected));
            Ok(())
        })
        .unwrap();
}

async fn check(
    rows: &[(Option<&str>, Option<i16>)],
    connections: usize,
    is_windowed: bool,
    is_selected: bool,
) {
    let values = rows.iter().enumerate().map(|(n, (region, value))| row(n, *region, *value));
    let served = Served::with(columns(), values.collect()).await;
    let mut wanted = ReadQuery::default();
    if is_windowed {
        wanted.window =
            Window { from: Some(at("2025-12-31T00:00:00Z")), to: Some(at("2026-01-10T00:00:00Z")) };
    }
    if is_selected {
        wanted.selection = Selection::new(["a", "*ß", "B"]);
    }
    let read_by = async |partition: Partition, as_query: bool| {
        let options = SourceOptions {
            connections: NonZeroUsize::new(connections).unwrap(),
            partition,
            ..if as_query {
                query(&served.options(), "SELECT * FROM dbo.incident")
            } else {
                served.incidents()
            }
        };
        numbers(&read(options, &wanted).await.unwrap())
    };
    let expected = read_by(Partition::Off, false).await;
    if !is_windowed && !is_selected {
        assert_eq!(expected, (0..rows.len()).collect::<Vec<_>>());
    }
    assert_eq!(read_by(Partition::Region, false).await, expected);
    assert_eq!(read_by(Partition::default(), true).await, expected);
    for column in
        ["occurred_at", "i", "b", "f", "r", "d", "m", "day", "at", "small_at", "offset_at", "t"]
    {
        let partition = Partition::Range { column: Some(column.to_owned()) };
        assert_eq!(read_by(partition, false).await, expected, "{column}");
    }
}

#[tokio::test]
async fn readers_share_the_work_and_see_one_state() {
    let rows: Vec<_> = (0..1000)
        .map(|n| {
            usual(["a", "b", "c"][n % 3], n as f64, &format!("2026-01-{:02}T00:00", n % 28 + 1))
        })
        .collect();
    let served = Served::with(usual_columns(), rows).await;
    for (partition, n_statements) in
        [(Partition::default(), 9), (Partition::Region, 4), (Partition::Off, 1)]
    {
        let before = served.texts("read_records").len();
        let options = SourceOptions { partition, ..served.incidents() };
        assert_eq!(read(options, &ReadQuery::default()).await.unwrap().len(), 1000);
        assert_eq!(served.texts("read_records").len() - before, n_statements);
    }
    let entries = served.server.journal().entries();
    let connections: Vec<u64> =
        entries.iter().filter(|e| e.name == "read_records").map(|e| e.connection).collect();
    // Two for each of the first two readings, one for the last.
    assert!(connections.iter().all(|n| (1..=5).contains(n)), "{connections:?}");
    // Every snapshot of a reading is begun before its first row is read.
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let first_read = names.iter().position(|name| *name == "read_records").unwrap();
    assert_eq!(names[..first_read].iter().filter(|name| **name == "touch_records").count(), 2);
    assert_eq!(names.iter().filter(|n| **n == "begin").count(), 5);
    assert_eq!(names.iter().filter(|n| **n == "commit").count(), 5);
}

#[tokio::test]
async fn a_table_of_zero_rows_is_read_to_its_end() {
    let served = Served::with(usual_columns(), vec![]).await;
    for partition in [Partition::default(), Partition::Region, Partition::Off] {
        let options = SourceOptions { partition, ..served.incidents() };
        assert_eq!(read(options, &ReadQuery::default()).await.unwrap().len(), 0);
    }
}
