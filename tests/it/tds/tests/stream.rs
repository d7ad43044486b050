//! Long results: bounded memory, and a client that stops reading or stops the statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt as _;
use tiberius::QueryItem;
use tokio_util::sync::CancellationToken;

use super::client::{connect, server};
use crate::tds::{Chunk, Column, ColumnType, Reply, Value};

const N_ROWS: i64 = 60_000;

/// Most that the two ends' sockets can hold, in bytes, with room to spare.
const MAX_AHEAD_BYTES: u64 = 24 << 20;

fn columns() -> Vec<Column> {
    let int = Column::new("n", ColumnType::BigInt).not_null();
    vec![int, Column::new("text", ColumnType::NVarChar(400))]
}

#[tokio::test]
async fn an_idle_reader_stops_the_server() {
    let made = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&made);
    let server = server(move |_| {
        let counter = Arc::clone(&counter);
        let rows = (0..N_ROWS).map(move |n| {
            counter.fetch_add(1, Ordering::Relaxed);
            vec![Value::Int(n), "four hundred ".repeat(30).into()]
        });
        Ok(Reply::stream(columns(), rows))
    })
    .await;
    let mut client = connect(&server).await;
    let stream = client.simple_query("SELECT").await.unwrap();
    server.stalled().await;
    assert!(server.bytes_sent() < MAX_AHEAD_BYTES, "{}", server.bytes_sent());
    assert!(made.load(Ordering::Relaxed) < N_ROWS.unsigned_abs() / 2);
    let mut n_rows = 0;
    let mut rows = stream.into_row_stream();
    while let Some(row) = rows.next().await {
        assert_eq!(row.unwrap().get(0), Some(n_rows));
        n_rows += 1;
    }
    assert_eq!(n_rows, N_ROWS);
}

#[tokio::test]
async fn encoded_rows_are_rows() {
    let server = server(|_| {
        let row = |n| vec![Value::Int(n), if n % 2 == 0 { Value::Null } else { "x".into() }];
        let chunks = (0..10).map(move |chunk| {
            let rows: Vec<_> = (0..100).map(|n| row(chunk * 100 + n)).collect();
            Chunk::of(&columns(), &rows)
        });
        Ok(Reply::encoded(columns(), chunks))
    })
    .await;
    let mut client = connect(&server).await;
    let rows = client.query("SELECT", &[]).await.unwrap().into_first_result().await.unwrap();
    assert_eq!(rows.len(), 1000);
    assert_eq!((rows[998].get(0), rows[998].get::<&str, _>(1)), (Some(998_i64), None));
    assert_eq!((rows[999].get(0), rows[999].get(1)), (Some(999_i64), Some("x")));
}

#[tokio::test]
async fn an_attention_stops_a_long_result() {
    let server = server(|statement| match statement.name.as_deref() {
        Some("endless") => {
            let rows = (0..).map(|n| vec![Value::Int(n), Value::Null]);
            Ok(Reply::stream(columns(), rows))
        }
        _ => Ok(Reply::rows(columns(), vec![vec![Value::Int(1), Value::Null]])),
    })
    .await;
    let mut client = connect(&server).await;
    let mut stream = client.simple_query("-- endless\nSELECT").await.unwrap();
    let Some(Ok(QueryItem::Metadata(_))) = stream.next().await else { panic!("metadata") };
    drop(stream);
    client.cancel_query().await.unwrap();
    assert_eq!(server.journal().names().last().unwrap(), "attention");
    let row = client.simple_query("SELECT").await.unwrap().into_row().await.unwrap().unwrap();
    assert_eq!(row.get(0), Some(1_i64));
}

#[tokio::test]
async fn an_attention_stops_a_held_statement() {
    let server = server(|_| Ok(Reply::affected(1))).await;
    let hold = server.faults().hold("slow", 1);
    let mut client = connect(&server).await;
    let stop = CancellationToken::new();
    tokio::join!(
        async {
            tokio::select! {
                _ = client.execute("-- slow\nUPDATE", &[]) => panic!("not released"),
                () = stop.cancelled() => {}
            }
        },
        async {
            hold.reached().await;
            stop.cancel();
        }
    );
    client.cancel_query().await.unwrap();
    assert_eq!(client.execute("-- slow\nUPDATE", &[]).await.unwrap().total(), 1);
}
