//! Records: into the file whole or not at all, and out of it as they went in.

use std::sync::Arc;

use async_trait::async_trait;
use speedfit::adapters::embedded::{
    Embedded, ImportError, ImportFile, ImportOutcome, ImportSummary, Options,
};
use speedfit::adapters::memory::{Hold, MemorySource};
use speedfit::domain::record::RecordRef;
use speedfit::domain::{
    IncidentId, Limits, RecordBatch, RefusalReason, RowFault, Selection, Window,
};
use speedfit::ports::{FailureKind, Lengths, PortResult, ReadQuery, RecordSource};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Desk;
use crate::support::at;

fn file(name: &str) -> ImportFile {
    ImportFile { name: name.to_owned(), sha256: format!("sha of {name}"), allow_repeat: false }
}

async fn import(
    database: &Embedded,
    name: &str,
    source: &dyn RecordSource,
) -> Result<ImportOutcome, ImportError> {
    let now = at("2026-02-01T00:00:00Z");
    database.import(&file(name), source, now, &CancellationToken::new()).await
}

/// One of each kind: clean, odd, null, unreadable.
fn rows() -> Vec<RecordRef<'static>> {
    let clean = RecordRef {
        incident_id: Some(IncidentId::Text("1")),
        region: Some("North"),
        parent_region: Some("County"),
        priority: Some("A"),
        occurred_at_us: Some(at("2026-01-10T00:00:00.000001Z").as_microsecond()),
        distance_km: Some(0.1 + 0.2),
        travel_time_s: Some(240.0),
        weight: Some(2.0),
        lengths_km: &[],
        fault: None,
    };
    vec![
        clean,
        RecordRef { region: Some(" O'Hara/東京? "), weight: None, ..clean },
        RecordRef { occurred_at_us: None, ..clean },
        RecordRef { occurred_at_us: Some(i64::MIN), distance_km: Some(f64::MAX), ..clean },
        RecordRef { distance_km: Some(f64::NEG_INFINITY), ..clean },
        RecordRef {
            incident_id: Some(IncidentId::Text("ragged")),
            fault: Some(RowFault {
                reason: RefusalReason::UnreadableTime,
                what: "line 4: `1,234` in column `t` is not a number",
            }),
            ..RecordRef::default()
        },
        RecordRef { region: None, ..clean },
        RecordRef { region: Some("South"), ..clean },
    ]
}

async fn collect(source: &dyn RecordSource, query: &ReadQuery) -> PortResult<Vec<RecordBatch>> {
    let (batches, mut inlet) = mpsc::channel(2);
    let cancel = CancellationToken::new();
    let receive = async {
        let mut received = Vec::new();
        while let Some(batch) = inlet.recv().await {
            received.push(batch);
        }
        received
    };
    let (read, received) = tokio::join!(source.read(query, batches, &cancel), receive);
    read.map(|()| received)
}

fn ids_of(batches: &[RecordBatch]) -> Vec<(Option<&str>, Option<i64>)> {
    batches.iter().flat_map(RecordBatch::rows).map(|row| (row.region, row.occurred_at_us)).collect()
}

#[tokio::test]
async fn rows_come_out_as_they_went_in() {
    let desk = Desk::new();
    let database = desk.database().await;
    let source = MemorySource::of_rows(rows(), 3);
    let outcome = import(&database, "x.csv", &source).await.unwrap();
    let expected = ImportSummary { import_id: 1, n_rows: 8, n_faults: 1 };
    assert_eq!(outcome, ImportOutcome::Imported(expected));
    let batches = collect(&database, &ReadQuery::default()).await.unwrap();
    assert_eq!(batches.iter().flat_map(RecordBatch::rows).collect::<Vec<_>>(), rows());
    assert_eq!(database.n_rows_hint(&ReadQuery::default()).await.unwrap(), Some(8));
}

#[tokio::test]
async fn what_is_no_number_is_refused_as_such() {
    let desk = Desk::new();
    let database = desk.database().await;
    let odd = RecordRef { distance_km: Some(f64::NAN), ..rows()[0] };
    import(&database, "x.csv", &MemorySource::of_rows([odd], 1)).await.unwrap();
    let batches = collect(&database, &ReadQuery::default()).await.unwrap();
    let row = batches[0].rows().next().unwrap();
    assert_eq!(Limits::default().check(&row), Err(RefusalReason::NonFinite));
}

#[tokio::test]
async fn the_window_and_the_selection_are_kept_as_by_every_source() {
    let desk = Desk::new();
    let database = desk.database().await;
    let source = MemorySource::of_rows(rows(), 3);
    import(&database, "x.csv", &source).await.unwrap();
    let noon = rows()[0].occurred_at_us.map(|us| jiff::Timestamp::from_microsecond(us).unwrap());
    let after = noon.map(|at| at + jiff::SignedDuration::from_micros(1));
    let windows = [
        (Window::ALL, 8),
        (Window { from: noon, to: after }, 7),
        (Window { from: after, to: None }, 2),
        (Window { from: None, to: noon }, 3),
        (Window { from: after, to: noon }, 2),
    ];
    for (window, n_rows) in windows {
        let query = ReadQuery { window, ..ReadQuery::default() };
        let found = collect(&database, &query).await.unwrap();
        let expected = collect(&source, &query).await.unwrap();
        assert_eq!(ids_of(&found), ids_of(&expected), "{window}");
        assert_eq!(ids_of(&found).len(), n_rows, "{window}");
    }
    for (pattern, n_rows) in [("North", 4), ("O'Hara/*?", 1), ("*th", 5), ("*", 6), ("x", 0)] {
        let query = ReadQuery { selection: Selection::new([pattern]), ..ReadQuery::default() };
        let found = collect(&database, &query).await.unwrap();
        let expected = collect(&source, &query).await.unwrap();
        assert_eq!(ids_of(&found), ids_of(&expected), "{pattern}");
        assert_eq!(ids_of(&found).len(), n_rows, "{pattern}");
        assert_eq!(database.n_rows_hint(&query).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_repeated_file_is_known() {
    let desk = Desk::new();
    let database = desk.database().await;
    let source = MemorySource::of_rows(rows(), 3);
    import(&database, "x.csv", &source).await.unwrap();
    let renamed = ImportFile { name: "y.csv".to_owned(), ..file("x.csv") };
    let (now, cancel) = (at("2026-03-01T00:00:00Z"), CancellationToken::new());
    let outcome = database.import(&renamed, &source, now, &cancel).await.unwrap();
    let imported_at = at("2026-02-01T00:00:00Z");
    assert_eq!(outcome, ImportOutcome::AlreadyImported { import_id: 1, imported_at });
    assert_eq!(database.n_rows_hint(&ReadQuery::default()).await.unwrap(), Some(8));

    let on_purpose = ImportFile { allow_repeat: true, ..renamed };
    let outcome = database.import(&on_purpose, &source, now, &cancel).await.unwrap();
    assert!(matches!(outcome, ImportOutcome::Imported(s) if s.n_rows == 8), "{outcome:?}");
    let batches = collect(&database, &ReadQuery::default()).await.unwrap();
    assert_eq!(ids_of(&batches).len(), 16);
}

/// Sends a batch and panics, as a broken reader may.
struct Panicking;

#[expect(clippy::panic, reason = "the panic is what is tested")]
#[async_trait]
impl RecordSource for Panicking {
    fn describe(&self) -> String {
        "panic".to_owned()
    }

    async fn n_rows_hint(&self, _query: &ReadQuery) -> PortResult<Option<u64>> {
        Ok(None)
    }

    async fn read(
        &self,
        _query: &ReadQuery,
        batches: mpsc::Sender<RecordBatch>,
        _cancel: &CancellationToken,
    ) -> PortResult<()> {
        let mut batch = RecordBatch::default();
        batch.push(rows()[0]);
        batches.send(batch).await.unwrap();
        panic!("as ordered");
    }
}

fn assert_empty(desk: &Desk) {
    let shell = desk.shell();
    for table in ["import", "incident"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let n_rows: i64 = shell.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(n_rows, 0, "{table}");
    }
}

#[tokio::test]
async fn an_import_that_breaks_off_leaves_nothing() {
    let desk = Desk::new();
    let database = desk.database().await;
    for n_batches in 0..=3 {
        let source =
            MemorySource::of_rows(rows(), 3).failing_after(n_batches, FailureKind::Malformed);
        let error = import(&database, "x.csv", &source).await.unwrap_err();
        assert!(matches!(error, ImportError::Source(e) if e.kind == FailureKind::Malformed));
        assert_empty(&desk);
    }

    let (hold, cancel) = (Hold::default(), CancellationToken::new());
    let source = MemorySource::of_rows(rows(), 3).holding_after(2, hold.clone());
    let held = file("x.csv");
    let (outcome, ()) =
        tokio::join!(database.import(&held, &source, at("2026-02-01T00:00:00Z"), &cancel), async {
            hold.reached().await;
            cancel.cancel();
        });
    let error = outcome.unwrap_err();
    assert!(matches!(error, ImportError::Source(e) if e.kind == FailureKind::Cancelled));
    assert_empty(&desk);

    let shared = database.clone();
    let broken = tokio::spawn(async move { import(&shared, "x.csv", &Panicking).await });
    assert!(broken.await.unwrap_err().is_panic());
    // The same file may be imported once it is whole; this waits for the broken one to roll back.
    import(&database, "x.csv", &MemorySource::of_rows(rows(), 3)).await.unwrap();
    let batches = collect(&database, &ReadQuery::default()).await.unwrap();
    assert_eq!(ids_of(&batches).len(), 8);
}

#[tokio::test]
async fn an_import_without_room_leaves_nothing() {
    let desk = Desk::new();
    let quota = Options { max_pages: Some(40), ..Options::default() };
    let database = desk.database_with(quota).await;
    let many = rows().into_iter().cycle().take(100_000);
    let source = MemorySource::of_rows(many, RecordBatch::MAX_ROWS);
    let error = import(&database, "x.csv", &source).await.unwrap_err();
    assert!(matches!(error, ImportError::Store(e) if e.kind == FailureKind::Full));
    assert_empty(&desk);
}

#[tokio::test]
async fn a_read_stops_when_it_is_told_or_nobody_listens() {
    let desk = Desk::new();
    let database = Arc::new(desk.database().await);
    let many = rows().into_iter().cycle().take(5 * RecordBatch::MAX_ROWS);
    let source = MemorySource::of_rows(many, RecordBatch::MAX_ROWS);
    import(&database, "x.csv", &source).await.unwrap();
    let start = || {
        let (batches, inlet) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        let (reader, stop) = (Arc::clone(&database), cancel.clone());
        let query = ReadQuery::default();
        let read = tokio::spawn(async move { reader.read(&query, batches, &stop).await });
        (inlet, cancel, read)
    };

    let (mut inlet, cancel, read) = start();
    assert_eq!(inlet.recv().await.unwrap().len(), RecordBatch::MAX_ROWS);
    // The channel is full or will be, and nobody takes from it.
    cancel.cancel();
    assert_eq!(read.await.unwrap().unwrap_err().kind, FailureKind::Cancelled);

    let (inlet, _cancel, read) = start();
    drop(inlet);
    assert_eq!(read.await.unwrap().unwrap_err().kind, FailureKind::Cancelled);

    // A selection that matches nothing sends nothing, and stops all the same.
    let (batches, _inlet) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let query = ReadQuery { selection: Selection::new(["nowhere"]), ..ReadQuery::default() };
    let read = database.read(&query, batches, &cancel).await;
    assert_eq!(read.unwrap_err().kind, FailureKind::Cancelled);
}

/// Rows with lengths of these classes.
fn with_lengths(classes: &[&str], lengths: &[&[Option<f64>]]) -> MemorySource {
    let classes = classes.iter().map(|class| (*class).to_owned()).collect();
    let mut batch = RecordBatch::of_classes(&classes);
    for lengths_km in lengths {
        batch.push(RecordRef { lengths_km, ..rows()[0] });
    }
    MemorySource::new(vec![batch])
}

#[tokio::test]
async fn lengths_of_every_import_are_kept_by_class() {
    let desk = Desk::new();
    let database = desk.database().await;
    let needed = ReadQuery { lengths: Lengths::Needed, ..ReadQuery::default() };
    assert!(collect(&database, &needed).await.unwrap().is_empty());
    import(&database, "none.csv", &MemorySource::of_rows([rows()[0]], 1)).await.unwrap();
    let refused = collect(&database, &needed).await.unwrap_err();
    assert_eq!((refused.kind, refused.hint.is_some()), (FailureKind::Missing, true));
    let odd = [Some(0.1 + 0.2), None, Some(f64::NAN)];
    let first = with_lengths(&["a", "b", "c"], &[&odd, &[Some(-1.0), Some(0.0), Some(2.0)]]);
    import(&database, "abc.csv", &first).await.unwrap();
    let second = with_lengths(&["d", "b"], &[&[Some(4.0), Some(5.0)]]);
    import(&database, "db.csv", &second).await.unwrap();
    let expected = [
        [None, None, None, None],
        [Some(0.1 + 0.2), None, Some(f64::INFINITY), None],
        [Some(-1.0), Some(0.0), Some(2.0), None],
        [None, Some(5.0), None, Some(4.0)],
    ];
    let window = Window { to: rows()[0].occurred_at_us.map(after), ..Window::ALL };
    for query in [needed.clone(), ReadQuery { window, ..needed }] {
        let batches = collect(&database, &query).await.unwrap();
        assert_eq!(&*batches[0].classes, ["a", "b", "c", "d"]);
        let lengths = batches.iter().flat_map(RecordBatch::rows).map(|row| row.lengths_km);
        assert_eq!(lengths.collect::<Vec<_>>(), expected);
    }
    let batches = collect(&database, &ReadQuery::default()).await.unwrap();
    assert!(batches[0].classes.is_empty() && batches[0].lengths_km.is_empty());
    assert_eq!(batches[0].len(), 4);
}

fn after(us: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(us + 1).unwrap()
}
