//! Every type both ways: as a column, nullable and not, and as a parameter.

use tiberius::time::{Date, DateTime2, Time};
use tiberius::{ColumnData, Row, Uuid};

use super::client::{connect, server};
use crate::tds::{Collation, Column, ColumnType, Reply, Value};

/// Ticks of 2026-03-04 05:06:07.1234567.
const TICKS: i64 = 17_726_007_671_234_567;

/// A value of each type, and what tiberius prints of it.
fn samples() -> Vec<(ColumnType, Value, &'static str)> {
    let decimal = |unscaled, scale| Value::Decimal { unscaled, scale };
    let text = |text: &str| Value::from(text);
    vec![
        (ColumnType::Bit, Value::Bit(true), "Bit(Some(true))"),
        (ColumnType::TinyInt, Value::Int(255), "U8(Some(255))"),
        (ColumnType::SmallInt, Value::Int(-32_768), "I16(Some(-32768))"),
        (ColumnType::Int, Value::Int(-2_147_483_648), "I32(Some(-2147483648))"),
        (ColumnType::BigInt, Value::Int(i64::MIN), "I64(Some(-9223372036854775808))"),
        (ColumnType::Real, Value::Float(1.5), "F32(Some(1.5))"),
        (ColumnType::Float, Value::Float(-1.0e-300), "F64(Some(-1e-300))"),
        (ColumnType::Decimal(9, 2), decimal(-12_345, 2), "Numeric(Some(-123.45))"),
        (ColumnType::Numeric(19, 4), decimal(123_456_789_012, 4), "Numeric(Some(12345678.9012))"),
        (
            ColumnType::Decimal(38, 0),
            decimal(99_999_999_999_999_999_999_999_999_999_999_999_999, 0),
            "Numeric(Some(99999999999999999999999999999999999999.0))",
        ),
        (ColumnType::Decimal(28, 3), decimal(7, 3), "Numeric(Some(0.007))"),
        (ColumnType::Money, decimal(-12_345, 4), "F64(Some(-1.2345))"),
        (ColumnType::SmallMoney, decimal(12_345, 4), "F64(Some(1.2345))"),
        (ColumnType::Date, Value::Date(20_516), "Date(Some(Date(739678)))"),
        (
            ColumnType::Time(7),
            Value::Time(183_671_234_567),
            "Time(Some(Time { increments: 183671234567, scale: 7 }))",
        ),
        (
            ColumnType::SmallDateTime,
            Value::DateTime(TICKS),
            "SmallDateTime(Some(SmallDateTime { days: 46083, seconds_fragments: 306 }))",
        ),
        (
            ColumnType::DateTime,
            Value::DateTime(TICKS),
            "DateTime(Some(DateTime { days: 46083, seconds_fragments: 5510137 }))",
        ),
        (
            ColumnType::DateTimeOffset(7),
            Value::DateTimeOffset { ticks_utc: TICKS, offset_min: -330 },
            "DateTimeOffset(Some(DateTimeOffset { datetime2: DateTime2 { date: Date(739678), \
             time: Time { increments: 183671234567, scale: 7 } }, offset: -330 }))",
        ),
        (ColumnType::Char(5), text("né"), "String(Some(\"né   \"))"),
        (ColumnType::VarChar(20), text("10 €"), "String(Some(\"10 €\"))"),
        (ColumnType::VarCharMax, text(""), "String(Some(\"\"))"),
        (ColumnType::NChar(4), text("Ωx"), "String(Some(\"Ωx  \"))"),
        (ColumnType::NVarChar(10), text("Ω 𝄞"), "String(Some(\"Ω 𝄞\"))"),
        (ColumnType::NVarCharMax, text(""), "String(Some(\"\"))"),
        (
            ColumnType::UniqueIdentifier,
            Value::Guid(*b"0123456789abcdef"),
            "Guid(Some(30313233-3435-3637-3839-616263646566))",
        ),
        (ColumnType::Binary(3), Value::Binary(vec![1, 2, 3]), "Binary(Some([1, 2, 3]))"),
        (ColumnType::VarBinary(8), Value::Binary(vec![]), "Binary(Some([]))"),
        (ColumnType::VarBinaryMax, Value::Binary(vec![9; 2]), "Binary(Some([9, 9]))"),
    ]
}

fn cells(row: Row) -> Vec<String> {
    row.into_iter().map(|cell| format!("{cell:?}")).collect()
}

#[tokio::test]
async fn columns_of_every_type_arrive() {
    let server = server(|statement| {
        let nullable = statement.name.as_deref() == Some("nullable");
        let columns = samples().into_iter().enumerate().map(|(at, (kind, ..))| {
            let column = Column::new(&format!("c{at}"), kind);
            if nullable { column } else { column.not_null() }
        });
        let row: Vec<Value> = samples().into_iter().map(|(_, value, _)| value).collect();
        let nulls = vec![Value::Null; row.len()];
        let rows = if nullable { vec![row.clone(), nulls, row] } else { vec![row] };
        Ok(Reply::rows(columns.collect(), rows))
    })
    .await;
    let mut client = connect(&server).await;
    let expected: Vec<&str> = samples().into_iter().map(|(.., expected)| expected).collect();
    let query = client.simple_query("-- not_null\nSELECT").await.unwrap();
    let rows = query.into_first_result().await.unwrap();
    assert_eq!(rows.into_iter().map(cells).collect::<Vec<_>>(), std::slice::from_ref(&expected));
    let query = client.simple_query("-- nullable\nSELECT").await.unwrap();
    let mut rows = query.into_first_result().await.unwrap().into_iter().map(cells);
    assert_eq!(rows.next().unwrap(), expected);
    assert!(rows.next().unwrap().iter().all(|cell| cell.ends_with("(None)")));
    assert_eq!(rows.next().unwrap(), expected);
}

#[tokio::test]
async fn datetime2_arrives_at_every_scale() {
    let server = server(|_| {
        let columns = (0..8).map(|scale| Column::new("at", ColumnType::DateTime2(scale)));
        Ok(Reply::rows(columns.collect(), vec![vec![Value::DateTime(TICKS); 8]]))
    })
    .await;
    let mut client = connect(&server).await;
    let row = client.simple_query("SELECT").await.unwrap().into_row().await.unwrap().unwrap();
    for (scale, cell) in (0_u8..).zip(row) {
        let increments = 183_671_234_567 / 10_u64.pow(7 - u32::from(scale));
        let expected = DateTime2::new(Date::new(739_678), Time::new(increments, scale));
        assert_eq!(cell, ColumnData::DateTime2(Some(expected)));
    }
}

#[tokio::test]
async fn collations_decide_the_bytes_of_varchar() {
    let server = server(|_| {
        let column = |collation| Column::new("c", ColumnType::VarChar(20)).collated(collation);
        let columns = vec![column(Collation::Latin1Binary), column(Collation::Utf8CaseInsensitive)];
        Ok(Reply::rows(columns, vec![vec!["é€".into(), "é".into()]]))
    })
    .await;
    let mut client = connect(&server).await;
    let row = client.simple_query("SELECT").await.unwrap().into_row().await.unwrap().unwrap();
    assert_eq!(row.get::<&str, _>(0), Some("é€"));
    // tiberius 0.13 knows no UTF-8 collations: it takes their bytes for code page 1252.
    assert_eq!(row.get::<&str, _>(1), Some("Ã©"));
}

#[tokio::test]
async fn parameters_of_every_type_arrive() {
    let server = server(|_| Ok(Reply::none())).await;
    let mut client = connect(&server).await;
    let long = "ß".repeat(5000);
    let date = DateTime2::new(Date::new(739_678), Time::new(183_671_234_567, 7));
    let numeric = tiberius::numeric::Numeric::new_with_scale(-12_345, 2);
    let guid = Uuid::from_bytes(*b"0123456789abcdef");
    client
        .query(
            "-- parameters\nSELECT @P1",
            &[
                &true,
                &7_u8,
                &-7_i16,
                &-7_i32,
                &-7_i64,
                &1.5_f32,
                &-2.5_f64,
                &"Ω",
                &long.as_str(),
                &guid,
                &ColumnData::DateTime2(Some(date)),
                &ColumnData::Numeric(Some(numeric)),
                &[1_u8, 2].as_slice(),
                &None::<i32>,
                &None::<&str>,
            ],
        )
        .await
        .unwrap()
        .into_results()
        .await
        .unwrap();
    let [entry] = &server.journal().of("parameters")[..] else { panic!("one entry") };
    let values: Vec<Value> = entry.parameters.iter().map(|p| p.value.clone()).collect();
    let expected: Vec<Value> = vec![
        true.into(),
        7.into(),
        (-7).into(),
        (-7).into(),
        (-7).into(),
        1.5.into(),
        (-2.5).into(),
        "Ω".into(),
        long.into(),
        Value::Guid(*b"0123456789abcdef"),
        Value::DateTime(TICKS),
        Value::Decimal { unscaled: -12_345, scale: 2 },
        Value::Binary(vec![1, 2]),
        Value::Null,
        Value::Null,
    ];
    assert_eq!(values, expected);
    assert_eq!(entry.parameters[13].name, "@P14");
    assert_eq!(entry.parameters[4].kind, ColumnType::BigInt);
}
