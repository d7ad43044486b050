//! What goes wrong on the way, and how the reading ends.

use std::sync::Arc;

use speedfit::adapters::sqlserver::{Isolation, Partition, SourceOptions, SqlServerSource};
use speedfit::domain::RecordBatch;
use speedfit::ports::{FailureKind, PortResult, ReadQuery, RecordSource as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Served, TestClock, read_from, told, usual, usual_columns};
use crate::tds::{Column, ColumnType as T, Fault, Reply, Value};

/// Rows with an incident's id of so many letters.
async fn served(n_rows: usize, n_letters: usize) -> Served {
    let mut columns = usual_columns();
    columns.push(Column::new("incident_id", T::NVarChar(400)));
    let rows = (0..n_rows).map(|n| {
        let mut row = usual("a", n as f64, &format!("2026-01-{:02}T00:00", n % 28 + 1));
        row.push(Value::from("i".repeat(n_letters)));
        row
    });
    Served::with(columns, rows.collect()).await
}

/// All over one connection, so that the order of things is one.
fn over_one(served: &Served) -> SourceOptions {
    SourceOptions { partition: Partition::Off, ..served.incidents() }
}

fn source(options: SourceOptions) -> (Arc<TestClock>, SqlServerSource) {
    let clock = Arc::new(TestClock::default());
    let source = SqlServerSource::new(options, clock.clone()).unwrap();
    (clock, source)
}

fn outcome(result: &PortResult<RecordBatch>) -> String {
    match result {
        Ok(batch) => format!("{} rows", batch.len()),
        Err(error) => format!("{:?}", error.kind),
    }
}

/// Every fault at every statement: before the first row it is begun anew where that is worth it,
/// afterwards the reading ends with what kind of failure it was. Never a hang, never a panic.
#[tokio::test]
async fn faults_before_the_first_row_are_repeated_and_later_ones_are_told() {
    let mut table = Vec::new();
    let statements = [
        "login",
        "set_session",
        "describe_records",
        "database_isolation",
        "begin",
        "touch_records",
        "read_records",
        "commit",
    ];
    // More than a batch: the rest of it waits for the commit.
    let served = served(9000, 1).await;
    for statement in statements {
        for fault in [
            Fault::error(1205),
            Fault::error(229),
            Fault::DropBefore,
            Fault::DropAfterExecuting,
            Fault::DropInside(None),
            Fault::Garbage,
            Fault::Malformed,
        ] {
            let count = served.server.journal().count(statement);
            served.server.faults().clear();
            served.server.faults().on(statement, count + 1, fault.clone());
            let (_, source) = source(over_one(&served));
            let result = read_from(&source, &ReadQuery::default()).await;
            let fault = match fault {
                Fault::Error { number, .. } => number.to_string(),
                other => format!("{other:?}"),
            };
            table.push(format!("{statement}: {fault}: {}", outcome(&result)));
            served.server.opened(0).await;
        }
    }
    insta::assert_snapshot!(table.join("\n"));
}

#[tokio::test]
async fn faults_after_rows_were_handed_over_end_the_reading() {
    let served = served(12_000, 1).await;
    let options = over_one(&served);
    for (fault, expected) in [
        (Fault::ErrorInside { after_rows: 10_000, number: 1205 }, "Conflict"),
        (Fault::ErrorInside { after_rows: 10_000, number: 245 }, "Malformed"),
        (Fault::DropInside(Some(10_000)), "Unreachable"),
        // Before a batch is full nothing was handed over: it is begun anew.
        (Fault::ErrorInside { after_rows: 100, number: 1205 }, "12000 rows"),
        (Fault::DropInside(Some(100)), "12000 rows"),
    ] {
        let count = served.server.journal().count("read_records");
        served.server.faults().clear();
        served.server.faults().on("read_records", count + 1, fault.clone());
        let (_, source) = source(options.clone());
        let result = read_from(&source, &ReadQuery::default()).await;
        assert_eq!(outcome(&result), expected, "{fault:?}");
        served.server.opened(0).await;
    }
}

#[tokio::test]
async fn a_server_that_never_comes_back_is_given_up() {
    let served = served(1, 1).await;
    served.server.faults().always("describe_records", Fault::DropBefore);
    let (_, source) = source(served.incidents());
    let result = read_from(&source, &ReadQuery::default()).await;
    assert_eq!(outcome(&result), "Unreachable");
    assert_eq!(served.server.journal().count("describe_records"), 6);
}

/// At whatever statement the server falls silent, the limit ends it.
#[tokio::test]
async fn silence_ends_at_the_limit() {
    for statement in
        ["login", "describe_records", "span_of_records", "touch_records", "read_records"]
    {
        let served = served(100, 1).await;
        let mut options = served.incidents();
        options.retry.attempts = 1;
        let hold = served.server.faults().hold(statement, 1);
        let (clock, source) = source(options);
        let query = ReadQuery::default();
        let expire = async {
            hold.reached().await;
            clock.expire();
        };
        let (result, ()) = tokio::join!(read_from(&source, &query), expire);
        assert_eq!(outcome(&result), "TimedOut", "{statement}");
        hold.release();
        served.server.opened(0).await;
    }
}

#[tokio::test]
async fn the_stop_signal_ends_it_wherever_it_is() {
    for statement in ["login", "describe_records", "begin", "read_records"] {
        let served = served(100, 1).await;
        let hold = served.server.faults().hold(statement, 1);
        let (_, source) = source(served.incidents());
        let (sender, _batches) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        let stop = async {
            hold.reached().await;
            cancel.cancel();
        };
        let query = ReadQuery::default();
        let (result, ()) = tokio::join!(source.read(&query, sender, &cancel), stop);
        assert_eq!(result.unwrap_err().kind, FailureKind::Cancelled, "{statement}");
        hold.release();
        // Every connection is closed, and what it had open with it.
        served.server.opened(0).await;
    }
}

/// A receiver that does not take rows holds the server up, without a limit; one that goes ends it.
#[tokio::test]
async fn a_slow_receiver_holds_the_server_up_and_one_that_goes_ends_it() {
    let served = served(1, 1).await;
    // More than any socket holds.
    served.backend.handle("read_records", |_, _| {
        let [region, distance, time, at] = usual_columns().try_into().unwrap();
        let id = Column::new("incident_id", T::NVarChar(400));
        let row = || {
            let id = Value::from("i".repeat(400));
            vec![id, "a".into(), Value::Null, 1.0.into(), 60.0.into()]
        };
        Ok(Reply::stream(vec![id, region, at, distance, time], std::iter::repeat_with(row)))
    });
    let (clock, source) = source(over_one(&served));
    let (sender, mut batches) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let receive = async {
        assert!(batches.recv().await.is_some());
        // The wait is for the receiver, not for the server: there is no limit that could end it.
        clock.until_idle().await;
        clock.expire();
        assert!(batches.recv().await.is_some());
        drop(batches);
    };
    let query = ReadQuery::default();
    let (result, ()) = tokio::join!(source.read(&query, sender, &cancel), receive);
    assert_eq!(result.unwrap_err().kind, FailureKind::Cancelled);
    served.server.opened(0).await;
}

#[tokio::test]
async fn snapshots_are_taken_where_they_are_to_be_had() {
    let check = async |allows: bool, says: bool, isolation, expected: &str, n_begun: usize| {
        let served = Served::with(usual_columns(), vec![usual("a", 1.0, "2026-01-01T00:00")]).await;
        served.isolation(says, false);
        served.backend.allow_snapshots(allows);
        let options = SourceOptions { isolation, partition: Partition::Off, ..served.incidents() };
        let (_, source) = source(options);
        let result = read_from(&source, &ReadQuery::default()).await;
        assert_eq!(outcome(&result), expected, "{allows} {says} {isolation:?}");
        assert_eq!(served.server.journal().count("begin"), n_begun);
        result.err().map(|error| told(&error)).unwrap_or_default()
    };
    check(true, true, Isolation::Auto, "1 rows", 1).await;
    check(false, false, Isolation::Auto, "1 rows", 0).await;
    // Another database that the records come from may not allow what this one does.
    check(false, true, Isolation::Auto, "1 rows", 1).await;
    check(true, true, Isolation::ReadCommitted, "1 rows", 0).await;
    check(true, true, Isolation::Snapshot, "1 rows", 1).await;
    let refused = check(false, false, Isolation::Snapshot, "Malformed", 1).await;
    insta::assert_snapshot!(refused);
}
