//! How fast records come from a SQL Server: the source beside a bare loop over the driver, over one
//! connection and over two.
//!
//! The server is the tests' own, in this process and without TLS; its rows are encoded beforehand,
//! so that the client is the limit. `cargo bench --bench sqlserver -- 5000000 5` names the number of
//! records and of repetitions.
//!
//! Wall times of a shared machine drift. So bare loop and source follow upon each other, by turns
//! the one and the other first, and the ratio is the median of the ratios of such pairs. Beside it
//! stands the processor time of the client's threads, which others on the machine hardly change.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

#[path = "../tests/it/tds/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests use the rest of it")]
pub mod tds;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use futures_util::TryStreamExt as _;
use speedfit::adapters::file::{ColumnMap, Field};
use speedfit::adapters::sqlserver::{
    Encryption, Login, RecordsFrom, ServerOptions, SourceOptions, SqlServerSource,
};
use speedfit::ports::{ReadQuery, RecordSource as _, SystemClock};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, QueryItem};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::compat::TokioAsyncWriteCompatExt as _;
use tokio_util::sync::CancellationToken;

use tds::{
    Answers, Chunk, Column, ColumnType, Options, Reply, SqlError, Statement, TdsServer, Value,
};

const N_RECORDS: usize = 5_000_000;
const N_REPETITIONS: usize = 5;
const CHUNK_ROWS: usize = 1000;
/// Name of the server's threads.
const SERVER: &str = "server";
/// Batches that may wait for the job, as in a run.
const BATCHES_IN_FLIGHT: usize = 4;

/// 2026-01-01 and a step between records, in ticks of 100 ns since 1970-01-01.
const FIRST_TICKS: i64 = 17_672_256_000_000_000;
const STEP_TICKS: i64 = 60_000_000;

fn columns() -> Vec<Column> {
    vec![
        Column::new("incident_id", ColumnType::BigInt),
        Column::new("region", ColumnType::Int),
        Column::new("distance_km", ColumnType::Float),
        Column::new("travel_time_s", ColumnType::Float),
        Column::new("occurred_at", ColumnType::DateTime2(7)),
    ]
}

/// The columns in the order in which the source selects them.
fn selected() -> Vec<Column> {
    let [id, region, distance, time, at] = columns().try_into().unwrap();
    vec![id, region, at, distance, time]
}

fn ticks_of(row: usize) -> i64 {
    FIRST_TICKS + row as i64 * STEP_TICKS
}

/// All rows as the wire has them, each chunk with the time of its first row.
fn encoded(n_records: usize) -> Vec<(i64, Chunk)> {
    let columns = selected();
    let row = |n: usize| {
        vec![
            Value::Int(n as i64 + 10_000_000_000),
            Value::Int((n * 7919 % 200) as i64),
            Value::DateTime(ticks_of(n)),
            Value::Float(0.3 + (n % 1000) as f64 / 97.0),
            Value::Float(60.0 + (n % 3571) as f64 / 3.0),
        ]
    };
    let starts = (0..n_records).step_by(CHUNK_ROWS);
    starts
        .map(|from| {
            let rows: Vec<_> = (from..n_records.min(from + CHUNK_ROWS)).map(row).collect();
            (ticks_of(from), Chunk::of(&columns, &rows))
        })
        .collect()
}

/// The bounds that a statement sets on the time.
fn bounds(statement: &Statement) -> (i64, i64) {
    let mut parameters = statement.parameters.iter().filter_map(|p| p.value.ticks());
    let low = statement.text.contains(">= @P").then(|| parameters.next().unwrap());
    let high = statement.text.contains("< @P").then(|| parameters.next().unwrap());
    (low.unwrap_or(i64::MIN), high.unwrap_or(i64::MAX))
}

fn answer(rows: &Arc<Vec<(i64, Chunk)>>, n_records: usize, statement: &Statement) -> Reply {
    let whole = |name: &str, n: i64| (Column::new(name, ColumnType::Int), Value::Int(n));
    match statement.name.as_deref() {
        Some("describe_records") => Reply::rows(columns(), Vec::new()),
        Some("database_isolation") => Reply::row(vec![whole("state", 1), whole("rcsi", 0)]),
        Some("touch_records") => Reply::row(vec![whole("one", 1)]),
        Some("span_of_records") => {
            let at = |name: &str, row: usize| {
                let column = Column::new(name, ColumnType::DateTime2(7));
                (column, Value::DateTime(ticks_of(row)))
            };
            Reply::row(vec![at("low", 0), at("high", n_records - 1)])
        }
        Some("read_records") if statement.text.contains("IS NULL") => {
            Reply::rows(selected(), Vec::new())
        }
        Some("read_records") => {
            let ((low, high), rows) = (bounds(statement), Arc::clone(rows));
            let first = rows.partition_point(|(at, _)| *at < low);
            let end = rows.partition_point(|(at, _)| *at < high);
            Reply::encoded(selected(), (first..end).map(move |n| rows[n].1.clone()))
        }
        Some(name) => match part(name) {
            Some((n, of)) => {
                let (first, end) = (rows.len() * n / of, rows.len() * (n + 1) / of);
                let rows = Arc::clone(rows);
                Reply::encoded(selected(), (first..end).map(move |n| rows[n].1.clone()))
            }
            None => Reply::none(),
        },
        None => Reply::none(),
    }
}

/// Which part of the table a bare loop wants: `bare_0_of_2`.
fn part(name: &str) -> Option<(usize, usize)> {
    let (n, of) = name.strip_prefix("bare_")?.split_once("_of_")?;
    Some((n.parse().ok()?, of.parse().ok()?))
}

async fn serve(n_records: usize) -> TdsServer {
    let rows = Arc::new(encoded(n_records));
    let backend = Answers::new(move |statement| -> Result<Reply, SqlError> {
        Ok(answer(&rows, n_records, statement))
    });
    TdsServer::start(Options::default(), backend).await.unwrap()
}

fn options(server: &TdsServer) -> ServerOptions {
    let Options { user, password, databases, .. } = Options::default();
    let login = Login::Password { user, password: password.into() };
    let mut options = ServerOptions::new("127.0.0.1", &databases[0], login);
    options.port = server.address().port();
    options.encryption = Encryption::Off;
    options
}

/// Rows that one bare loop drains.
async fn drain(options: ServerOptions, text: String) -> usize {
    let mut config = Config::new();
    config.host(&options.host);
    config.port(options.port);
    config.database(&options.database);
    config.packet_size(options.packet_size);
    config.encryption(EncryptionLevel::NotSupported);
    let Login::Password { user, password } = &options.login else { unreachable!() };
    let secret = secrecy::ExposeSecret::expose_secret(password);
    config.authentication(AuthMethod::sql_server(user, secret));
    let tcp = TcpStream::connect(("127.0.0.1", options.port)).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let mut client = Client::connect(config, tcp.compat_write()).await.unwrap();
    let mut rows = client.simple_query(text).await.unwrap();
    let mut n_rows = 0;
    while let Some(item) = rows.try_next().await.unwrap() {
        if let QueryItem::Row(row) = item {
            n_rows += 1;
            std::hint::black_box(row);
        }
    }
    n_rows
}

/// The halves of the table, or the whole of it.
async fn bare(options: &ServerOptions, n_connections: usize) -> usize {
    let mut loops = JoinSet::new();
    for n in 0..n_connections {
        loops.spawn(drain(options.clone(), format!("-- bare_{n}_of_{n_connections}\nSELECT 1")));
    }
    loops.join_all().await.into_iter().sum()
}

async fn source(options: &ServerOptions, n_connections: usize) -> usize {
    let records = RecordsFrom::Table("dbo.incident".to_owned());
    let options = SourceOptions {
        connections: NonZeroUsize::new(n_connections).unwrap(),
        columns: ColumnMap::default().with(Field::OccurredAt, "occurred_at"),
        ..SourceOptions::new(options.clone(), records)
    };
    let source = SqlServerSource::new(options, Arc::new(SystemClock)).unwrap();
    let (sender, mut batches) = mpsc::channel(BATCHES_IN_FLIGHT);
    let reading = tokio::spawn(async move {
        source.read(&ReadQuery::default(), sender, &CancellationToken::new()).await.unwrap();
    });
    let mut n_rows = 0;
    while let Some(batch) = batches.recv().await {
        n_rows += std::hint::black_box(batch).len();
    }
    reading.await.unwrap();
    n_rows
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn runtime(name: &str, n_threads: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(n_threads).thread_name(name).enable_all().build().unwrap()
}

/// Processor time of all threads but the server's so far, ns; zero where the system does not tell.
fn client_ns() -> f64 {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return 0.0 };
    let times = threads.filter_map(|thread| {
        let folder = thread.ok()?.path();
        let name = std::fs::read_to_string(folder.join("comm")).ok()?;
        let times = std::fs::read_to_string(folder.join("schedstat")).ok()?;
        let ns: f64 = times.split_whitespace().next()?.parse().ok()?;
        (name.trim() != SERVER).then_some(ns)
    });
    times.sum()
}

/// One reading.
#[derive(Clone, Copy)]
struct Reading {
    rows_per_s: f64,
    /// The client's processor time for a row, ns.
    ns_per_row: f64,
}

/// Both readings of one repetition.
#[derive(Clone, Copy)]
struct Pair {
    bare: Reading,
    source: Reading,
}

/// The medians of the pairs as a line of the table.
fn line(n_connections: usize, pairs: &[Pair]) -> String {
    let of = |value: &dyn Fn(&Pair) -> f64| median(pairs.iter().map(value));
    let (bare, source) = (of(&|p| p.bare.rows_per_s), of(&|p| p.source.rows_per_s));
    let ratio = of(&|p| p.source.rows_per_s / p.bare.rows_per_s);
    let (bare_ns, source_ns) = (of(&|p| p.bare.ns_per_row), of(&|p| p.source.ns_per_row));
    let ns_ratio = of(&|p| p.bare.ns_per_row / p.source.ns_per_row);
    format!(
        "{n_connections:>11} {bare:>12.0} {source:>10.0} {ratio:>7.3} {bare_ns:>12.0} \
         {source_ns:>9.0} {ns_ratio:>7.3}"
    )
}

fn main() {
    // Cargo adds `--bench`.
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let n_records: usize = numbers.next().unwrap_or(N_RECORDS);
    let n_repetitions: usize = numbers.next().unwrap_or(N_REPETITIONS);
    let (there, here) = (runtime(SERVER, 2), runtime("client", 2));
    let server = there.block_on(serve(n_records));
    let options = options(&server);

    let read = |is_source: bool, n_connections: usize| {
        let (begun, ns_before) = (Instant::now(), client_ns());
        let n_rows = here.block_on(async {
            if is_source {
                source(&options, n_connections).await
            } else {
                bare(&options, n_connections).await
            }
        });
        assert_eq!(n_rows, n_records);
        let n_rows = n_rows as f64;
        Reading {
            rows_per_s: n_rows / begun.elapsed().as_secs_f64(),
            ns_per_row: (client_ns() - ns_before) / n_rows,
        }
    };
    let pair = |is_source_first: bool, n_connections: usize| {
        let first = read(is_source_first, n_connections);
        let second = read(!is_source_first, n_connections);
        let (bare, source) = if is_source_first { (second, first) } else { (first, second) };
        Pair { bare, source }
    };
    let mut pairs = [const { Vec::new() }; 2];
    for repetition in 0..=n_repetitions {
        for (pairs, n_connections) in pairs.iter_mut().zip([1, 2]) {
            let measured = pair(repetition % 2 == 0, n_connections);
            // The first round warms up.
            if repetition > 0 {
                pairs.push(measured);
            }
        }
    }
    let [one, two] = &pairs;
    println!("{n_records} records, medians of {n_repetitions} pairs");
    println!("                   rows per second          client's processor, ns per row");
    println!("connections  bare driver     source   ratio  bare driver    source   ratio");
    println!("{}\n{}", line(1, one), line(2, two));
    let more = |of: fn(&Pair) -> Reading| {
        let both = one.iter().zip(two);
        median(both.map(|(one, two)| of(two).rows_per_s / of(one).rows_per_s))
    };
    let (bare, source) = (more(|pair| pair.bare), more(|pair| pair.source));
    println!("two connections over one: bare driver {bare:.2}, source {source:.2}");
}
