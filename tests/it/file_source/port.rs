//! A file behind the port: selection, and the stop signal.

use speedfit::adapters::file::{FileOptions, FileSource, write_records};
use speedfit::domain::{RecordBatch, Selection};
use speedfit::ports::{FailureKind, PortError, ReadQuery, RecordSource};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::sample;

async fn read_all(source: &FileSource, query: &ReadQuery) -> Result<Vec<RecordBatch>, PortError> {
    let (sender, mut receiver) = mpsc::channel(2);
    let cancel = CancellationToken::new();
    let collect = async {
        let mut batches = Vec::new();
        while let Some(batch) = receiver.recv().await {
            batches.push(batch);
        }
        batches
    };
    let (done, batches) = tokio::join!(source.read(query, sender, &cancel), collect);
    done.map(|()| batches)
}

#[tokio::test]
async fn source_delivers_what_the_query_selects() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    write_records(&path, &sample(20_000)).unwrap();
    let source = FileSource::new(FileOptions::new(&path));
    assert!(source.describe().ends_with("x.parquet`"));
    let n_rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::len).sum::<usize>();
    let all = ReadQuery::default();
    assert_eq!(source.n_rows_hint(&all).await.unwrap(), Some(20_000));
    assert_eq!(n_rows(&read_all(&source, &all).await.unwrap()), 20_000);
    let some = ReadQuery { selection: Selection::new(["A"]), ..ReadQuery::default() };
    assert_eq!(source.n_rows_hint(&some).await.unwrap(), None);
    let batches = read_all(&source, &some).await.unwrap();
    assert_eq!(n_rows(&batches), (0..20_000).filter(|n| n % 3 == 0 && n % 5 != 0).count());
    assert!(batches.iter().flat_map(RecordBatch::rows).all(|row| row.region == Some("A")));
    let none = ReadQuery { selection: Selection::new(["Z*"]), ..ReadQuery::default() };
    assert!(read_all(&source, &none).await.unwrap().is_empty());
}

#[tokio::test]
async fn source_stops_when_it_is_told_or_nobody_listens() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.csv");
    write_records(&path, &sample(60_000)).unwrap();
    let source = FileSource::new(FileOptions::new(&path));
    assert_eq!(source.n_rows_hint(&ReadQuery::default()).await.unwrap(), None);
    let cancel = CancellationToken::new();
    // The channel is full and nobody takes from it: only the signal can end this.
    let (sender, receiver) = mpsc::channel(1);
    let query = ReadQuery::default();
    let stop = async {
        while receiver.is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (done, ()) = tokio::join!(source.read(&query, sender, &cancel), stop);
    assert_eq!(done.unwrap_err().kind, FailureKind::Cancelled);
    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    let done = source.read(&query, sender, &CancellationToken::new()).await;
    assert_eq!(done.unwrap_err().kind, FailureKind::Cancelled);
    let absent = FileSource::new(FileOptions::new(folder.path().join("absent.csv")));
    assert_eq!(read_all(&absent, &query).await.unwrap_err().kind, FailureKind::Missing);
}
