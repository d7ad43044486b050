//! The records of a SQL Server: every type, every fault, every row once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod engine;
mod faults;
mod lengths;
mod mapping;
mod partitions;
mod types;
mod windows;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use speedfit::adapters::sqlserver::{
    Encryption, Login, RecordsFrom, ServerOptions, SourceOptions, SqlServerSource,
};
use speedfit::domain::record::RecordRef;
use speedfit::domain::{IncidentId, RecordBatch};
use speedfit::ports::{Clock, PortError, PortResult, ReadQuery, RecordSource as _, SystemClock};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::tds::{Column, ColumnType, Options, Reply, SqliteBackend, Table, TdsServer, Value};

/// A server with tables of its own.
struct Served {
    backend: SqliteBackend,
    server: TdsServer,
}

impl Served {
    async fn new() -> Self {
        let backend = SqliteBackend::new();
        let server = TdsServer::start(Options::default(), backend.clone()).await.unwrap();
        let served = Self { backend, server };
        served.isolation(true, false);
        served
    }

    /// With one table `dbo.incident`.
    async fn with(columns: Vec<Column>, rows: Vec<Vec<Value>>) -> Self {
        let served = Self::new().await;
        served.table("dbo.incident", columns, rows);
        served
    }

    fn table(&self, name: &str, columns: Vec<Column>, rows: Vec<Vec<Value>>) {
        self.backend.create(Table::new(name, columns));
        self.backend.insert(name, rows);
    }

    /// What the database says of its isolation, and does.
    fn isolation(&self, allows_snapshot: bool, is_rcsi: bool) {
        self.backend.allow_snapshots(allows_snapshot);
        self.backend.handle("database_isolation", move |_, _| {
            let state = Column::new("snapshot_isolation_state", ColumnType::TinyInt);
            let rcsi = Column::new("is_read_committed_snapshot_on", ColumnType::Bit);
            let state = (state, Value::Int(allows_snapshot.into()));
            Ok(Reply::row(vec![state, (rcsi, Value::Bit(is_rcsi))]))
        });
    }

    /// How it is reached, with limits that no test comes to by itself.
    fn options(&self) -> ServerOptions {
        let Options { user, password, databases, .. } = Options::default();
        let login = Login::Password { user, password: password.into() };
        let limit = Duration::from_secs(1000);
        ServerOptions {
            port: self.server.address().port(),
            encryption: Encryption::Off,
            connect_timeout: limit,
            command_timeout: limit,
            ..ServerOptions::new("127.0.0.1", &databases[0], login)
        }
    }

    /// A source of `dbo.incident`.
    fn incidents(&self) -> SourceOptions {
        table(&self.options(), "dbo.incident")
    }

    /// The statements of a name that came so far.
    fn texts(&self, name: &str) -> Vec<String> {
        self.server.journal().of(name).into_iter().map(|entry| entry.text).collect()
    }
}

/// The columns that are required, and the time: `region`, `distance_km`, `travel_time_s`,
/// `occurred_at`.
fn usual_columns() -> Vec<Column> {
    vec![
        Column::new("region", ColumnType::NVarChar(20)),
        Column::new("distance_km", ColumnType::Float),
        Column::new("travel_time_s", ColumnType::Float),
        Column::new("occurred_at", ColumnType::DateTime2(6)),
    ]
}

/// A row of [`usual_columns`].
fn usual(region: &str, distance_km: f64, occurred_at: &str) -> Vec<Value> {
    vec![region.into(), distance_km.into(), 60.0.into(), wall(occurred_at)]
}

/// A wall-clock time, as it is written.
fn wall(text: &str) -> Value {
    let local: jiff::civil::DateTime = text.parse().unwrap();
    let at = local.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    Value::from_micros(at.as_microsecond())
}

/// A source of a table, everything else as it is by default.
fn table(server: &ServerOptions, name: &str) -> SourceOptions {
    SourceOptions::new(server.clone(), RecordsFrom::Table(name.to_owned()))
}

/// A source of a query.
fn query(server: &ServerOptions, query: &str) -> SourceOptions {
    SourceOptions::new(server.clone(), RecordsFrom::Query(query.to_owned()))
}

/// A clock on which short waits are over at once and long ones last until the test ends them.
#[derive(Debug, Default)]
struct TestClock {
    expired: Notify,
    n_waiting: watch::Sender<usize>,
}

impl TestClock {
    /// Ends every long wait that is on now.
    fn expire(&self) {
        self.expired.notify_waiters();
    }

    /// Returns when there is no long wait.
    async fn until_idle(&self) {
        // Fails only without a sender, which `self` holds.
        let _ = self.n_waiting.subscribe().wait_for(|n| *n == 0).await;
    }
}

/// One long wait, however it ends.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n -= 1);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    async fn sleep(&self, duration: Duration) {
        if duration >= Duration::from_secs(100) {
            self.n_waiting.send_modify(|n| *n += 1);
            let _waiting = Waiting(&self.n_waiting);
            self.expired.notified().await;
        }
    }
}

/// Everything that the source delivers, in its order.
async fn read(options: SourceOptions, query: &ReadQuery) -> PortResult<RecordBatch> {
    let source = SqlServerSource::new(options, Arc::new(SystemClock))?;
    read_from(&source, query).await
}

async fn read_from(source: &SqlServerSource, query: &ReadQuery) -> PortResult<RecordBatch> {
    let (sender, mut batches) = mpsc::channel::<RecordBatch>(2);
    let cancel = CancellationToken::new();
    let collect = async {
        let mut all = RecordBatch::default();
        while let Some(batch) = batches.recv().await {
            assert!(!batch.is_empty() && batch.len() <= RecordBatch::MAX_ROWS);
            all.classes.clone_from(&batch.classes);
            batch.rows().for_each(|row| all.push(row));
        }
        all
    };
    let (outcome, all) = tokio::join!(source.read(query, sender, &cancel), collect);
    outcome.map(|()| all)
}

/// The rows, one a line, in the order of their texts.
fn shown(batch: &RecordBatch) -> String {
    let mut lines: Vec<String> = batch.rows().map(|row| line(&row)).collect();
    lines.sort();
    lines.join("\n")
}

fn line(row: &RecordRef<'_>) -> String {
    let text = |text: Option<&str>| text.map_or("-".to_owned(), |text| format!("`{text}`"));
    let number = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:?}"));
    // The last hours of the calendar are no timestamps any more.
    let shown =
        |us| Timestamp::from_microsecond(us).map_or(format!("{us} us"), |at| at.to_string());
    let at = row.occurred_at_us.map(shown);
    let mut line = format!(
        "{} region {} parent {} priority {} at {} {} km {} s weight {}",
        text(row.incident_id.map(IncidentId::text).as_deref()),
        text(row.region),
        text(row.parent_region),
        text(row.priority),
        at.unwrap_or("-".to_owned()),
        number(row.distance_km),
        number(row.travel_time_s),
        number(row.weight),
    );
    if let Some(fault) = row.fault {
        line.push_str(" FAULT ");
        line.push_str(fault.what);
    }
    line
}

/// An error with its causes, its kind and its remedy.
fn told(error: &PortError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!("\n  caused by: {inner}"));
        cause = inner.source();
    }
    // The port is another in every run.
    let text: String = match (text.find("127.0.0.1,"), text.find("`, database")) {
        (Some(from), Some(to)) => format!("{}127.0.0.1,PORT{}", &text[..from], &text[to..]),
        _ => text,
    };
    format!("{:?}: {text}\n  hint: {}", error.kind, error.remedy())
}
