//! `speedfit doctor` and its kin against a TDS server: what is found of it, and that no secret that
//! the server was sent is shown.

use serde_json::Value as Json;

use super::{ODD_PASSWORD, finding};
use crate::support::program::{Desk, Ended};
use crate::tds::{
    Answers, Authority, CertificateKind, Column, ColumnType, Encryption, Options, Reply, SqlError,
    Statement, TdsServer, Value,
};

const ODD_TOKEN: &str = "eyJ0.tok;en='\"}{<&%20$HOME`id`\\.zz";

fn text(name: &str, value: &str) -> (Column, Value) {
    (Column::new(name, ColumnType::NVarChar(200)).not_null(), Value::Text(value.to_owned()))
}

fn number(name: &str, value: i64) -> (Column, Value) {
    (Column::new(name, ColumnType::Int).not_null(), Value::Int(value))
}

fn record_columns() -> Vec<Column> {
    let float = |name| Column::new(name, ColumnType::Float);
    vec![
        Column::new("incident_id", ColumnType::NVarChar(40)),
        Column::new("region", ColumnType::NVarChar(100)),
        float("distance_km"),
        float("travel_time_s"),
    ]
}

/// One record of ten has a travel time of zero.
fn records() -> Vec<Vec<Value>> {
    let record = |n: i64| {
        let time_s = if n % 10 == 0 { 0.0 } else { 300.0 };
        let id = Value::Text(format!("I{n}"));
        vec![id, Value::Text("Nørrebro".to_owned()), Value::Float(2.5), Value::Float(time_s)]
    };
    (1..=50).map(record).collect()
}

/// What a server with one table of records and no schema of ours answers.
fn answer(statement: &Statement) -> Result<Reply, SqlError> {
    Ok(match statement.name.as_deref().unwrap_or_default() {
        "set_session" => Reply::none(),
        "server_version" => Reply::row(vec![
            text("product_version", "16.0.4135.4"),
            text("edition", "Standard Edition (64-bit)"),
            number("engine_edition", 2),
            text("version_text", "Microsoft SQL Server 2022 (RTM-CU14)\n\tLinux"),
        ]),
        "login_rights" => Reply::row(vec![
            text("login_name", "someone"),
            text("user_name", "dbo"),
            text("database_name", "speedfit"),
            number("is_sysadmin", 1),
            number("is_db_owner", 1),
            number("has_control_server", 1),
            number("has_control", 1),
        ]),
        "server_clock" => {
            let column = Column::new("utc_now", ColumnType::DateTime2(6)).not_null();
            // The first moment of 1970: a clock that lost its battery.
            Reply::row(vec![(column, Value::DateTime(0))])
        }
        "has_ledger" => Reply::row(vec![number("n_tables", 0)]),
        "take_lock" => Reply::row(vec![number("code", 0), number("is_grantable", 1)]),
        "release_lock" => Reply::row(vec![number("code", 0)]),
        "describe_records" => Reply::rows(record_columns(), Vec::new()),
        "database_isolation" => Reply::row(vec![
            number("snapshot_isolation_state", 0),
            number("is_read_committed_snapshot_on", 1),
        ]),
        "table_rights" => {
            Reply::row(vec![number("insert", 1), number("update", 1), number("delete", 0)])
        }
        "regions_of_records" => {
            let region = Column::new("region", ColumnType::NVarChar(100));
            let n = Column::new("n", ColumnType::BigInt);
            Reply::rows(
                vec![region, n],
                vec![vec![Value::Text("Nørrebro".to_owned()), Value::Int(50)]],
            )
        }
        "read_records" => Reply::rows(record_columns(), records()),
        other => return Err(SqlError::new(208, format!("Invalid object name `{other}`."))),
    })
}

/// A server, and a desk whose settings name it.
struct Scene {
    server: TdsServer,
    desk: Desk,
}

impl Scene {
    async fn new(options: Options, login: &str) -> Self {
        let authority = Authority::new().unwrap();
        let certificate = authority.certificate(CertificateKind::Good).unwrap();
        let options =
            Options { encryption: Encryption::Required, certificate: Some(certificate), ..options };
        let server = TdsServer::start(options, Answers::new(answer)).await.unwrap();
        let desk = Desk::new();
        desk.write("ca.pem", &authority.pem());
        let half = |name: &str| {
            format!(
                "[{name}]\nkind = \"sqlserver\"\nhost = \"localhost\"\nport = {}\n\
                 database = \"speedfit\"\nuser = \"speedfit\"\nca_file = \"ca.pem\"\nattempts = 1\n\
                 {login}\n",
                server.address().port()
            )
        };
        let read = "[sqlserver]\npartition = \"off\"\nconnections = 1\n";
        desk.write("server.toml", &format!("{}{}{read}", half("source"), half("store")));
        Self { server, desk }
    }

    /// Runs the program with these secrets while the server goes on.
    async fn run(&self, variables: &[(&str, &str)], args: &[&str]) -> Ended {
        let mut command = self.desk.command(&[args, &["--config", "server.toml"]].concat());
        command.envs(variables.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output());
        Ended::of(output.await.unwrap().unwrap())
    }
}

const PASSWORDS: [(&str, &str); 2] =
    [("SPEEDFIT_SOURCE_PASSWORD", ODD_PASSWORD), ("SPEEDFIT_STORE_PASSWORD", ODD_PASSWORD)];

fn with_odd_password() -> Options {
    Options { password: ODD_PASSWORD.to_owned(), ..Options::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_examined_and_its_records_are_sampled() {
    let scene = Scene::new(with_odd_password(), "").await;
    let ended = scene.run(&PASSWORDS, &["doctor", "--json"]).await;
    assert_eq!(ended.code, Some(5), "{} {}", ended.stdout, ended.stderr);
    let document: Json = ended.json();
    for part in ["source", "store"] {
        let grade = |check: &str| finding(&document, part, check).0;
        assert_eq!(grade("connection"), "ok", "{document:#}");
        assert_eq!(grade("certificate"), "ok");
        assert_eq!(grade("clock"), "warning");
        assert_eq!(grade("rights not needed"), "warning");
    }
    assert_eq!(finding(&document, "source", "column of region").0, "ok", "{document:#}");
    assert_eq!(
        finding(&document, "store", "schema version"),
        ("failure", "schema `speedfit` has version 0, this program needs 8")
    );
    assert_eq!(finding(&document, "store", "lock").0, "ok");
    assert_eq!(
        finding(&document, "sample", "records"),
        ("ok", "all 50: 45 taken, 5 refused; groups: 1"),
        "{document:#}"
    );
    assert_eq!(
        finding(&document, "sample", "time_not_positive"),
        ("note", "5 refused (10.0 %), such as `I10`, `I20`, `I30`")
    );
    let names = scene.server.journal().names();
    let writes = ["insert_run", "create_schema", "migrate", "insert_bulk"];
    assert!(names.iter().all(|name| !writes.contains(&name.as_str())), "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_is_told_with_its_remedy() {
    let scene = Scene::new(Options::default(), "").await;
    let ended = scene.run(&PASSWORDS, &["doctor", "--json"]).await;
    assert_eq!(ended.code, Some(4), "{}", ended.stdout);
    let document = ended.json();
    let (grade, text) = finding(&document, "source", "connection");
    assert_eq!(grade, "failure", "{document:#}");
    assert!(text.contains("(error 18456)"), "{text}");
    assert_eq!(document["sample"], Json::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_an_unknown_authority_is_told_with_its_remedy() {
    let scene = Scene::new(with_odd_password(), "").await;
    let other = Authority::new().unwrap();
    scene.desk.write("ca.pem", &other.pem());
    let ended = scene.run(&PASSWORDS, &["doctor"]).await;
    assert_eq!(ended.code, Some(4), "{}", ended.stdout);
    assert!(ended.stdout.contains("remedy: name the authority"), "{}", ended.stdout);
    assert!(scene.server.logins().is_empty(), "a password was sent to a stranger");
}

/// The most that the log can show, the driver included.
const ALL: [&str; 2] = ["--log-level", "trace,tiberius=trace"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_was_sent_is_shown_nowhere() {
    let check = async |options: Options, login: &str, secrets: &[(&str, &str)], parts: &[&str]| {
        let scene = Scene::new(options, login).await;
        for args in [&["doctor"][..], &["status"], &["run"], &["migrate"]] {
            let ended = scene.run(secrets, &[args, &ALL[..]].concat()).await;
            let shown = format!("{}{}", ended.stdout, ended.stderr);
            assert!(shown.contains("tiberius"), "{args:?}: the driver was not heard: {shown}");
            for part in parts {
                assert!(!shown.contains(part), "{args:?} shows `{part}`: {shown}");
            }
        }
        scene.server.logins()
    };
    let parts = ["p;w=", "20$HOME", "密", "--#,zz"];
    let logins = check(with_odd_password(), "", &PASSWORDS, &parts).await;
    assert!(logins.iter().all(|login| login.password == ODD_PASSWORD) && logins.len() >= 4);
    // Refused ones too: the server's answer must not be told with what was sent.
    let logins = check(Options::default(), "", &PASSWORDS, &parts).await;
    assert!(logins.iter().all(|login| login.password == ODD_PASSWORD) && logins.len() >= 4);
    let tokens = [("SPEEDFIT_SOURCE_TOKEN", ODD_TOKEN), ("SPEEDFIT_STORE_TOKEN", ODD_TOKEN)];
    let options = Options { token: Some(ODD_TOKEN.to_owned()), ..Options::default() };
    let parts = ["eyJ0", "tok;en", "20$HOME"];
    let logins = check(options, "login = \"token\"", &tokens, &parts).await;
    assert!(logins.iter().all(|login| login.token.as_deref() == Some(ODD_TOKEN)));
    assert!(logins.len() >= 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_driver_is_not_heard_unless_it_is_asked() {
    let scene = Scene::new(Options::default(), "").await;
    let ended = scene.run(&PASSWORDS, &["status", "--log-level", "trace"]).await;
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(!ended.stderr.contains("\"target\":\"tiberius"), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("18456").count(), 1, "{}", ended.stderr);
}
