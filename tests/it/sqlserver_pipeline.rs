//! Real incident files in a SQL Server give the parameters, bit for bit, that they give in the
//! embedded database: on the TDS test server always, on a real engine where one is named.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use secrecy::ExposeSecret as _;
use speedfit::adapters::file::{FileOptions, FileSource};
use speedfit::adapters::sqlserver::{Encryption, Login, ServerOptions, Trust};
use speedfit::domain::record::RecordRef;
use speedfit::domain::{IncidentId, RecordBatch};
use speedfit::ports::{ReadQuery, RecordSource as _};
use tiberius::time::{Date, DateTime2, Time};
use tiberius::{ColumnData, TokenRow};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::support::program::{Desk, Ended, incidents};
use crate::support::sqlserver::{TestDatabase, connect};
use crate::tds_store::StoreServer;

/// The parameters, one line each, without scope and number of the run.
fn parameters(desk: &Desk) -> Vec<String> {
    let text = fs::read_to_string(desk.path("parameters.csv")).unwrap();
    let without_run = |line: &str| line.splitn(3, ',').nth(2).unwrap().to_owned();
    let mut lines: Vec<String> = text.lines().map(without_run).collect();
    lines.sort();
    lines
}

/// What the file gives in the embedded database.
fn by_embedded(file: &Path) -> Vec<String> {
    let desk = Desk::new();
    desk.expect(0, &["import", &file.display().to_string()]);
    let run = desk.run(&["run"]);
    assert!(matches!(run.code, Some(0 | 6)), "{}", run.stderr);
    desk.expect(0, &["export", "--output", "parameters.csv"]);
    parameters(&desk)
}

/// What the table gives that a server holds.
fn by_server(server: &ServerOptions) -> Vec<String> {
    let desk = Desk::new();
    fs::create_dir(desk.path("config")).unwrap();
    let reached = settings(server);
    let table = "[sqlserver]\ntable = \"dbo.incident\"\n";
    let both = [("source", ""), ("store", table)]
        .map(|(section, more)| format!("[{section}]\nkind = \"sqlserver\"\n{reached}{more}"));
    // A scope of its own: Babelfish holds application locks across databases.
    let scope = format!("scope = \"{}\"\n", server.database);
    desk.write("config/there.toml", &format!("{scope}{}", both.concat()));
    let Login::Password { password, .. } = &server.login else { unreachable!() };
    let run = |args: &[&str]| {
        let mut command: Command = desk.command(args);
        command.env("SPEEDFIT_ENV", "there");
        for name in ["SPEEDFIT_SOURCE_PASSWORD", "SPEEDFIT_STORE_PASSWORD"] {
            command.env(name, password.expose_secret());
        }
        Ended::of(command.output().unwrap())
    };
    for (args, codes) in [
        (&["migrate"][..], &[0][..]),
        (&["run"], &[0, 6]),
        (&["export", "--output", "parameters.csv"], &[0]),
    ] {
        let ended = run(args);
        assert!(codes.contains(&ended.code.unwrap()), "{args:?}: {}", ended.stderr);
    }
    parameters(&desk)
}

/// How a server is reached, as settings.
pub(crate) fn settings(server: &ServerOptions) -> String {
    let Login::Password { user, .. } = &server.login else { unreachable!() };
    let ServerOptions { host, port, database, .. } = server;
    let encryption = match server.encryption {
        Encryption::Strict => "strict",
        Encryption::Required => "required",
        Encryption::LoginOnly => "login_only",
        Encryption::Off => "off",
    };
    let trusts_any = server.trust == Trust::AnyCertificate;
    let mut text = String::new();
    writeln!(text, "host = \"{host}\"\nport = {port}\ndatabase = \"{database}\"").unwrap();
    writeln!(text, "user = \"{user}\"\nencryption = \"{encryption}\"").unwrap();
    writeln!(text, "trust_any_certificate = {trusts_any}").unwrap();
    text
}

/// Every row of the file, dirt included.
async fn batches(file: &Path) -> Vec<RecordBatch> {
    let source = FileSource::new(FileOptions::new(file));
    let (sender, mut receiver) = mpsc::channel(4);
    let collect = async {
        let mut batches = Vec::new();
        while let Some(batch) = receiver.recv().await {
            batches.push(batch);
        }
        batches
    };
    let (query, cancel) = (ReadQuery::default(), CancellationToken::new());
    let (outcome, batches) = tokio::join!(source.read(&query, sender, &cancel), collect);
    outcome.unwrap();
    batches
}

async fn check_on_test_server(name: &str) {
    let Some(folder) = incidents() else { return };
    let file = folder.join(format!("{name}.raw.csv.gz"));
    let server = StoreServer::start().await;
    server.load(batches(&file).await.iter().flat_map(RecordBatch::rows));
    let found = by_server(&server.server_options());
    assert_eq!(found, by_embedded(&file));
    // Read in shares, over two connections.
    assert!(server.server.journal().count("read_records") > 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn london_on_the_test_server() {
    check_on_test_server("lfb_incidents_2017").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_york_on_the_test_server() {
    check_on_test_server("nyc_green_2023q1").await;
}

async fn check_on_engine(name: &str) {
    let Some(folder) = incidents() else { return };
    let Some(database) = TestDatabase::create().await else { return };
    let file = folder.join(format!("{name}.raw.csv.gz"));
    load(&database, batches(&file).await.iter().flat_map(RecordBatch::rows)).await;
    assert_eq!(by_server(&database.options), by_embedded(&file));
}

/// Makes the table of records on an engine, and puts the rows into it.
pub(crate) async fn load<'a>(
    database: &TestDatabase,
    rows: impl IntoIterator<Item = RecordRef<'a>>,
) {
    let table = "CREATE TABLE dbo.incident (
        incident_id nvarchar(100) NULL, region nvarchar(200) NULL, parent_region nvarchar(200) NULL,
        occurred_at datetime2(6) NULL, priority nvarchar(50) NULL, distance_km float(53) NULL,
        travel_time_s float(53) NULL, weight float(53) NULL)";
    database.batch(table).await.unwrap();
    let mut client = connect(&database.options).await.unwrap();
    let mut load = client.bulk_insert("dbo.incident").await.unwrap();
    for row in rows {
        load.send(token_row(&row)).await.unwrap();
    }
    load.finalize().await.unwrap();
}

fn token_row<'a>(row: &RecordRef<'a>) -> TokenRow<'a> {
    const DAY_US: i64 = 86_400_000_000;
    let text = |text: Option<&'a str>| ColumnData::String(text.map(Cow::Borrowed));
    let at = row.occurred_at_us.map(|us| {
        let days = u32::try_from(us.div_euclid(DAY_US) + 719_162).unwrap();
        DateTime2::new(Date::new(days), Time::new(us.rem_euclid(DAY_US).cast_unsigned(), 6))
    });
    let mut cells = TokenRow::with_capacity(8);
    cells.push(ColumnData::String(row.incident_id.map(IncidentId::text)));
    cells.push(text(row.region));
    cells.push(text(row.parent_region));
    cells.push(ColumnData::DateTime2(at));
    cells.push(text(row.priority));
    cells.push(ColumnData::F64(row.distance_km));
    cells.push(ColumnData::F64(row.travel_time_s));
    cells.push(ColumnData::F64(row.weight));
    cells
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn london_on_a_real_engine() {
    check_on_engine("lfb_incidents_2017").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_york_on_a_real_engine() {
    check_on_engine("nyc_green_2023q1").await;
}
