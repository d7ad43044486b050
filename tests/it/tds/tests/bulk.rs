//! Bulk loads: every type that is written, in one packet and in many, and what may go wrong.

use std::sync::{Arc, Mutex};

use tiberius::time::{Date, DateTime2, Time};
use tiberius::{ColumnData, IntoSql as _, TokenRow, Uuid};

use super::client::{config, connect_with, number};
use crate::tds::{Answers, Column, ColumnType, Fault, Options, Parameter, Reply, TdsServer, Value};

type Loaded = Arc<Mutex<Vec<Vec<Parameter>>>>;

fn columns() -> Vec<Column> {
    let column = |name, kind| Column::new(name, kind);
    vec![
        column("id", ColumnType::Int).not_null(),
        column("n", ColumnType::BigInt),
        column("ok", ColumnType::Bit),
        column("x]y", ColumnType::Float),
        column("short", ColumnType::NVarChar(20)),
        column("long", ColumnType::NVarCharMax),
        column("at", ColumnType::DateTime2(7)),
        column("key", ColumnType::UniqueIdentifier),
    ]
}

async fn server() -> (Loaded, TdsServer) {
    let loaded = Loaded::default();
    let rows = Arc::clone(&loaded);
    let answers = Answers::new(move |statement| {
        rows.lock().unwrap().push(statement.parameters.clone());
        Ok(Reply::none())
    });
    let backend = answers.with_table(columns());
    (loaded, TdsServer::start(Options::default(), backend).await.unwrap())
}

/// A row for the wire, and as it arrives.
fn row(id: i32, null: bool) -> (TokenRow<'static>, Vec<Value>) {
    let mut row = TokenRow::new();
    row.push(id.into_sql());
    if null {
        row.push(ColumnData::I64(None));
        row.push(ColumnData::Bit(None));
        row.push(ColumnData::F64(None));
        row.push(ColumnData::String(None));
        row.push(ColumnData::String(None));
        row.push(ColumnData::DateTime2(None));
        row.push(ColumnData::Guid(None));
        let mut values = vec![Value::Null; 8];
        values[0] = id.into();
        return (row, values);
    }
    let at = DateTime2::new(Date::new(739_678), Time::new(183_671_234_567, 7));
    let long = "Ω".repeat(3000);
    row.push((-i64::from(id)).into_sql());
    row.push((id % 2 == 0).into_sql());
    row.push((f64::from(id) / 3.0).into_sql());
    row.push(format!("row {id}").into_sql());
    row.push(long.clone().into_sql());
    row.push(ColumnData::DateTime2(Some(at)));
    row.push(Uuid::from_bytes(*b"0123456789abcdef").into_sql());
    let values = vec![
        id.into(),
        (-i64::from(id)).into(),
        (id % 2 == 0).into(),
        (f64::from(id) / 3.0).into(),
        format!("row {id}").into(),
        long.into(),
        Value::DateTime(17_726_007_671_234_567),
        Value::Guid(*b"0123456789abcdef"),
    ];
    (row, values)
}

#[tokio::test]
async fn rows_of_every_type_arrive() {
    for packet_size in [512, 32_767] {
        let (loaded, server) = server().await;
        let mut config = config(&server);
        config.packet_size(packet_size);
        let mut client = connect_with(&server, config).await.unwrap();
        let mut load = client.bulk_insert("[dbo].[stage]").await.unwrap();
        let rows: Vec<_> = (0..50).map(|id| row(id, id % 7 == 3)).collect();
        let (rows, expected): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        for row in rows {
            load.send(row).await.unwrap();
        }
        assert_eq!(load.finalize().await.unwrap().total(), 50);
        let loaded = loaded.lock().unwrap();
        let names: Vec<&str> = loaded[0].iter().map(|cell| cell.name.as_str()).collect();
        assert_eq!(names, ["@id", "@n", "@ok", "@x]y", "@short", "@long", "@at", "@key"]);
        let values: Vec<Vec<Value>> =
            loaded.iter().map(|row| row.iter().map(|cell| cell.value.clone()).collect()).collect();
        assert_eq!(values, expected);
        let names = server.journal().names();
        assert_eq!(names[2..], ["bulk_columns", "insert_bulk", "bulk_rows"]);
    }
}

#[tokio::test]
async fn some_columns_are_enough() {
    let (loaded, server) = server().await;
    let mut client = connect_with(&server, config(&server)).await.unwrap();
    let mut load = client.bulk_insert_columns("stage", &["[id]", "[x]]y]"]).await.unwrap();
    let mut row = TokenRow::new();
    row.push(7.into_sql());
    row.push(0.5.into_sql());
    load.send(row).await.unwrap();
    assert_eq!(load.finalize().await.unwrap().total(), 1);
    let loaded = loaded.lock().unwrap();
    let cells: Vec<_> = loaded[0].iter().map(|cell| (cell.name.as_str(), &cell.value)).collect();
    assert_eq!(cells, [("@id", &Value::Int(7)), ("@x]y", &Value::Float(0.5))]);
}

#[tokio::test]
async fn a_refused_load_says_why_and_the_connection_goes_on() {
    let (loaded, server) = server().await;
    let mut client = connect_with(&server, config(&server)).await.unwrap();
    server.faults().on("bulk_columns", 1, Fault::error(208));
    server.faults().on("insert_bulk", 1, Fault::error(1222));
    server.faults().on("bulk_rows", 1, Fault::error(2627));
    assert_eq!(number(client.bulk_insert("stage").await), Some(208));
    assert_eq!(number(client.bulk_insert("stage").await), Some(1222));
    let mut load = client.bulk_insert("stage").await.unwrap();
    load.send(row(1, false).0).await.unwrap();
    assert_eq!(number(load.finalize().await), Some(2627));
    assert!(loaded.lock().unwrap().is_empty());
    let mut load = client.bulk_insert("stage").await.unwrap();
    load.send(row(1, false).0).await.unwrap();
    assert_eq!(load.finalize().await.unwrap().total(), 1);
}
