//! The real binary on a SQL Server over TLS, the way the README tells it; and that its secrets stay
//! its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;

use crate::job;
use crate::support::program::{Desk, Ended};
use crate::tds::{Authority, CertificateKind, Encryption, Fault, Options};
use crate::tds_store::StoreServer;

/// Whatever a shell, a URL, a connection string, JSON or HTML might stumble over.
const PASSWORD: &str = r#"p;w='x"{}%20&<ß>\ $(id) ]]>"#;
/// A part of it that stays the same however the rest is escaped.
const TELLTALE: &str = "$(id) ]]";

/// A server that encrypts, and a desk whose settings lead there.
struct Office {
    server: StoreServer,
    desk: Desk,
}

impl Office {
    async fn new(certificate: CertificateKind) -> Self {
        let authority = Authority::new().unwrap();
        let options = Options {
            encryption: Encryption::Required,
            certificate: Some(authority.certificate(certificate).unwrap()),
            password: PASSWORD.to_owned(),
            ..Options::default()
        };
        let server = StoreServer::start_with(options).await;
        server.load(job::rows(&[("A", 300, 1.0), ("B", 200, 1.0)]));
        let desk = Desk::new();
        desk.write("ca.pem", &authority.pem());
        fs::create_dir(desk.path("config")).unwrap();
        let port = server.server.address().port();
        let reached = format!(
            "host = \"localhost\"\nport = {port}\ndatabase = \"speedfit\"\nuser = \"speedfit\"\n\
             ca_file = \"ca.pem\"\nattempts = 2\n"
        );
        desk.write(
            "config/office.toml",
            &format!(
                "[source]\nkind = \"sqlserver\"\n{reached}[store]\nkind = \"sqlserver\"\n{reached}"
            ),
        );
        Self { server, desk }
    }

    fn run_as(&self, password: &str, args: &[&str]) -> Ended {
        let mut command = self.desk.command(args);
        command
            .env("SPEEDFIT_ENV", "office")
            .env("SPEEDFIT__LOG__LEVEL", "trace,tiberius=trace,rustls=trace")
            .env("SPEEDFIT_SOURCE_PASSWORD", password)
            .env("SPEEDFIT_STORE_PASSWORD", password);
        Ended::of(command.output().unwrap())
    }

    /// Runs it with the right password, insists on its exit code, and that it tells no secret.
    fn expect(&self, code: i32, args: &[&str]) -> Ended {
        let ended = self.run_as(PASSWORD, args);
        let told = format!("{}\n{}", ended.stdout, ended.stderr);
        assert_eq!(ended.code, Some(code), "{args:?}: {told}");
        assert_silent(&args.join(" "), &told);
        ended
    }
}

#[track_caller]
fn assert_silent(what: &str, text: &str) {
    assert!(!text.contains(TELLTALE), "{what} tells the password: {text}");
}

/// No file below the folder holds the secret.
fn assert_folder_silent(folder: &Path) -> usize {
    let mut n_files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            n_files += assert_folder_silent(&path);
        } else {
            let bytes = fs::read(&path).unwrap();
            assert_silent(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
            n_files += 1;
        }
    }
    n_files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_day_tells_no_secret() {
    let office = Office::new(CertificateKind::Good).await;
    // Nothing is there yet, and the program says what to do.
    let early = office.expect(5, &["run"]);
    assert!(early.stderr.contains("run `speedfit migrate`"), "{}", early.stderr);
    office.expect(0, &["migrate"]);
    assert!(office.expect(0, &["migrate"]).stdout.starts_with("up to date"));
    office.expect(0, &["doctor"]);
    office.expect(0, &["show-config"]);
    let run = office.expect(0, &["run"]);
    // The log is at its finest, so that the test means something.
    assert!(run.stderr.contains("TRACE"), "{}", run.stderr);
    let status = office.expect(0, &["status", "--json"]).json();
    assert_eq!(status["current"]["run_id"], status["last_run"]["id"]);
    let shown = office.expect(0, &["show", "--json"]).json();
    assert_eq!(shown["run"]["rows_read"], 500);
    assert_eq!(shown["parameters"].as_array().unwrap().len(), 6);
    office.expect(0, &["runs"]);
    office.expect(0, &["export", "--output", "parameters.csv", "--groups", "groups.csv"]);
    // The ledger, where an error's text ends up too.
    office.server.server.faults().always("read_records", Fault::error(229));
    office.expect(4, &["run"]);
    let ledger = office.expect(0, &["runs", "--json"]);
    assert!(ledger.stdout.contains("scripted error 229"), "{}", ledger.stdout);
    assert!(assert_folder_silent(&office.desk.path(".")) > 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_said_to_be_so() {
    let office = Office::new(CertificateKind::Good).await;
    office.expect(0, &["migrate"]);
    let wrong = format!("{PASSWORD}x");
    let ended = office.run_as(&wrong, &["run"]);
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stderr.contains("error 18456"), "{}", ended.stderr);
    assert!(ended.stderr.contains("SPEEDFIT_STORE_PASSWORD"), "{}", ended.stderr);
    assert_silent("run", &ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_proves_nothing_is_refused() {
    for (kind, word, hint) in [
        (CertificateKind::Expired, "expired", "a certificate that is valid"),
        (CertificateKind::OtherHost, "not valid for name", "`store.host`"),
        (CertificateKind::SelfSigned, "UnknownIssuer", "`store.ca_file`"),
    ] {
        let office = Office::new(kind).await;
        let ended = office.expect(5, &["migrate"]);
        let stderr = ended.stderr.lines().rev().take(6).collect::<Vec<_>>().join("\n");
        assert!(stderr.contains(word), "{kind:?}: {stderr}");
        assert!(stderr.contains(hint), "{kind:?}: {stderr}");
        assert_eq!(stderr.matches(word).count(), 1, "{kind:?}: {stderr}");
        let names: Vec<_> =
            office.server.server.journal().entries().into_iter().map(|entry| entry.name).collect();
        // The password was not sent.
        assert!(!names.iter().any(|name| name == "login"), "{kind:?}: {names:?}");
    }
}
