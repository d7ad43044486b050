//! Every type of column, over the wire.

use speedfit::adapters::file::{ColumnMap, DistanceUnit, Field, TimeUnit};
use speedfit::adapters::sqlserver::{Partition, SourceOptions};
use speedfit::ports::ReadQuery;

use super::{Served, query, read, shown, table, usual, usual_columns, wall};
use crate::tds::{Collation, Column, ColumnType as T, Table, Value};

const NEW_YEAR_DAY: i32 = 20_454;

fn decimal(unscaled: i128, scale: u8) -> Value {
    Value::Decimal { unscaled, scale }
}

/// Eight columns, in the order of the contract.
fn columns(kinds: [T; 8]) -> Vec<Column> {
    Field::ALL
        .iter()
        .zip(kinds)
        .map(|(field, kind)| Column::new(field.default_column(), kind))
        .collect()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of all types")]
async fn every_type_serves_where_it_can_and_null_everywhere() {
    let served = Served::new().await;
    let guid = [
        0x6f, 0x96, 0x19, 0xff, 0x8b, 0x86, 0xd0, 0x11, 0xb4, 0x2d, 0, 0xc0, 0x4f, 0xc9, 0x64, 0xff,
    ];
    let (half, null) = (|| wall("2026-03-01T12:30:00.5"), Value::Null);
    let tables = [
        // incident_id, region, occurred_at, priority, distance_km, travel_time_s, parent_region, weight
        (
            columns([
                T::BigInt,
                T::Int,
                T::DateTime2(7),
                T::TinyInt,
                T::Float,
                T::Real,
                T::SmallInt,
                T::Int,
            ]),
            vec![
                Value::Int(i64::MAX),
                Value::Int(-5),
                half(),
                Value::Int(255),
                Value::Float(0.1),
                Value::Float(0.5),
                Value::Int(-7),
                Value::Int(3),
            ],
        ),
        (
            columns([
                T::UniqueIdentifier,
                T::Char(6),
                T::DateTime,
                T::NChar(4),
                T::Decimal(9, 3),
                T::Numeric(28, 10),
                T::Decimal(5, 0),
                T::SmallInt,
            ]),
            vec![
                Value::Guid(guid),
                "Zoë".into(),
                half(),
                "é".into(),
                decimal(-12_345, 3),
                decimal(1, 10),
                decimal(12, 0),
                Value::Int(-2),
            ],
        ),
        (
            columns([
                T::VarChar(8000),
                T::VarChar(20),
                T::SmallDateTime,
                T::NVarChar(4000),
                T::Money,
                T::SmallMoney,
                T::Decimal(12, 2),
                T::BigInt,
            ]),
            vec![
                "x".repeat(20).into(),
                " Zoë \u{a0}".into(),
                wall("2026-03-01T12:30:00"),
                "日本 🚒".into(),
                decimal(123_456, 4),
                decimal(-5, 4),
                decimal(-350, 2),
                Value::Int(i64::MAX),
            ],
        ),
        (
            columns([
                T::NVarChar(9),
                T::NVarChar(20),
                T::Date,
                T::NVarChar(9),
                T::TinyInt,
                T::SmallInt,
                T::NVarChar(9),
                T::TinyInt,
            ]),
            vec![
                "".into(),
                "  ".into(),
                Value::Date(NEW_YEAR_DAY),
                "\t1".into(),
                Value::Int(2),
                Value::Int(600),
                "p".into(),
                Value::Int(1),
            ],
        ),
        (
            columns([
                T::NVarChar(9),
                T::NVarChar(20),
                T::DateTimeOffset(7),
                T::NVarChar(9),
                T::NVarChar(9),
                T::VarChar(9),
                T::NVarChar(9),
                T::Char(9),
            ]),
            vec![
                "i".into(),
                "a".into(),
                Value::DateTimeOffset { ticks_utc: 17_672_256_000_000_019, offset_min: 330 },
                "".into(),
                " 1.5e1 ".into(),
                "nan".into(),
                "p".into(),
                "2".into(),
            ],
        ),
        (
            columns([
                T::Int,
                T::NVarChar(20),
                T::VarChar(40),
                T::Int,
                T::NVarChar(9),
                T::Int,
                T::Int,
                T::Int,
            ]),
            vec![
                Value::Int(7),
                "a".into(),
                "2026-03-01 12:30:00+02:00".into(),
                null.clone(),
                "a lot".into(),
                Value::Int(1),
                null.clone(),
                null.clone(),
            ],
        ),
        (
            columns([
                T::Int,
                T::NVarChar(20),
                T::VarChar(40),
                T::Int,
                T::Float,
                T::Int,
                T::Int,
                T::Float,
            ]),
            vec![
                null.clone(),
                "a".into(),
                "noon".into(),
                null.clone(),
                Value::Float(-0.0),
                Value::Int(1),
                null.clone(),
                Value::Float(f64::MAX),
            ],
        ),
    ];
    let mut told = Vec::new();
    for (n, (columns, row)) in tables.into_iter().enumerate() {
        let name = format!("dbo.t{n}");
        served.table(&name, columns.clone(), vec![row.clone(), vec![Value::Null; 8]]);
        let batch = read(table(&served.options(), &name), &ReadQuery::default()).await.unwrap();
        // The same on the wire's other form, without nulls.
        if !row.contains(&Value::Null) {
            let name = format!("dbo.not_null{n}");
            served.table(&name, columns.into_iter().map(Column::not_null).collect(), vec![row]);
            let again = read(table(&served.options(), &name), &ReadQuery::default()).await.unwrap();
            let first = shown(&batch)
                .lines()
                .find(|line| !line.starts_with("- region - parent -"))
                .map(str::to_owned);
            assert_eq!(Some(shown(&again)), first);
        }
        told.push(shown(&batch));
    }
    insta::assert_snapshot!(told.join("\n\n"));
}

#[tokio::test]
async fn units_are_those_of_record_files() {
    let served = Served::with(usual_columns(), vec![usual("a", 12.345, "2026-01-01T00:00")]).await;
    let options = SourceOptions {
        distance_unit: DistanceUnit::Mi,
        time_unit: TimeUnit::Min,
        ..served.incidents()
    };
    let batch = read(options, &ReadQuery::default()).await.unwrap();
    let row = batch.rows().next().unwrap();
    assert_eq!(row.distance_km.map(f64::to_bits), Some(DistanceUnit::Mi.to_km(12.345).to_bits()));
    assert_eq!(row.travel_time_s, Some(3600.0));
}

#[tokio::test]
async fn names_may_be_as_odd_as_they_like() {
    let served = Served::new().await;
    let columns = vec![
        Column::new("Region ]of; the 'call'--", T::NVarChar(20)),
        Column::new("distance \"km\"", T::Float),
        Column::new("Travel_Time_S", T::Float),
        Column::new("from: date", T::DateTime2(6)),
    ];
    let row = usual("It's [a] %_ place", 1.0, "2026-01-01T00:00");
    served.backend.create(Table::new("dbo.odd ]t'x", columns));
    served.backend.insert("dbo.[odd ]]t'x]", [row]);
    let map = ColumnMap::default()
        .with(Field::Region, "region ]of; the 'call'--")
        .with(Field::Distance, "distance \"km\"")
        .with(Field::OccurredAt, "From: Date");
    let by_name =
        SourceOptions { columns: map.clone(), ..table(&served.options(), "dbo.[odd ]]t'x]") };
    let by_query = SourceOptions {
        columns: map,
        ..query(&served.options(), "SELECT * FROM dbo.[odd ]]t'x] -- all\n;")
    };
    for options in [by_name, by_query] {
        let selected = ReadQuery {
            selection: speedfit::domain::Selection::new(["It's [[]*", "It's [a] %_*e"]),
            ..ReadQuery::default()
        };
        let batch = read(options, &selected).await.unwrap();
        assert_eq!(
            batch.rows().map(|row| row.region).collect::<Vec<_>>(),
            [Some("It's [a] %_ place")]
        );
    }
}

/// Names are compared as they are written, whatever the database's collation does.
#[tokio::test]
async fn names_that_a_collation_holds_for_the_same_stay_apart() {
    let names = ["a", "A", "a ", " a", "á", "b"];
    let rows: Vec<_> = names.iter().map(|name| usual(name, 1.0, "2026-01-01T00:00")).collect();
    for collation in
        [Collation::Latin1CaseInsensitive, Collation::Latin1Binary, Collation::Utf8CaseInsensitive]
    {
        for kind in [T::NVarChar(5), T::VarChar(5)] {
            let mut columns = usual_columns();
            columns[0] = Column::new("region", kind).collated(collation);
            let served = Served::with(columns, rows.clone()).await;
            for partition in [Partition::Off, Partition::Region] {
                let options = SourceOptions { partition, ..served.incidents() };
                let selected = ReadQuery {
                    selection: speedfit::domain::Selection::new(["a"]),
                    ..ReadQuery::default()
                };
                let batch = read(options.clone(), &selected).await.unwrap();
                let found: Vec<_> = batch.rows().map(|row| row.region).collect();
                assert_eq!(found, [Some("a"); 3], "{collation:?} {kind:?}");
                assert_eq!(read(options, &ReadQuery::default()).await.unwrap().len(), names.len());
            }
        }
    }
}
