//! The API of the real binary.

#![cfg(unix)]
#![expect(clippy::panic, reason = "a server that does not start has failed, and says what it said")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use speedfit::adapters::sqlserver::Login;

use super::{OPERATE, READ};
use crate::sqlserver_pipeline::settings;
use crate::support::program::{Desk, incidents};
use crate::tds::Fault;
use crate::tds_store::StoreServer;

const HEADER: &str = "incident_id,region,occurred_at,priority,distance_km,travel_time_s\n";

/// Rows of two regions that `kwh` fits well.
pub(super) fn rows(n: usize) -> String {
    let mut text = HEADER.to_owned();
    for nth in 0..n {
        let distance_km = 0.2 + (nth % 97) as f64 * 0.05;
        let factor = 0.8 + (nth % 13) as f64 * 0.03;
        let travel_time_s = 120.0 * (distance_km / 0.5).sqrt() * factor;
        let region = ["North", "Harbour/East"][nth % 2];
        text.push_str(&format!(
            "I{nth},{region},2026-01-05T10:00:00Z,1,{distance_km:.2},{travel_time_s:.1}\n"
        ));
    }
    text
}

/// `speedfit serve` on a port of its own; killed where a test ends without stopping it.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    token: Option<&'static str>,
}

impl Server {
    pub(super) fn start(desk: &Desk, args: &[&str], tokens: Option<&str>) -> Self {
        let mut command = desk.command(&[&["serve", "--bind", "127.0.0.1:0"], args].concat());
        if let Some(tokens) = tokens {
            command.env("SPEEDFIT_API_TOKENS", tokens);
        }
        Self::start_as(&mut command)
    }

    pub(super) fn start_as(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").map(str::parse);
        let Some(Ok(address)) = address else {
            let mut stderr = String::new();
            child.stderr.as_mut().unwrap().read_to_string(&mut stderr).unwrap();
            panic!("it does not listen: {line} {stderr}");
        };
        Self { child, address, token: None }
    }

    fn sent(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.address,
            body.len()
        );
        let token = self.token.map(|token| format!("Bearer {token}"));
        let token = token.as_deref().map(|token| ("authorization", token));
        for (name, value) in headers.iter().copied().chain(token) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // The server may have refused before all is sent.
        _ = stream.write_all(body);
        stream
    }

    /// Status and body.
    pub(super) fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Vec<u8>) {
        let mut answer = Vec::new();
        let mut stream = self.sent(method, path, headers, body);
        stream.read_to_end(&mut answer).unwrap();
        let split = answer.windows(4).position(|at| at == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&answer[..split]).unwrap();
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer[split + 4..].to_vec())
    }

    pub(super) fn get(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.call("GET", path, &[], &[]);
        (status, serde_json::from_slice(&body).unwrap())
    }

    pub(super) fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let headers = [("content-type", "application/json")];
        let (status, body) = self.call("POST", path, &headers, body.as_bytes());
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// The run's row once `is_it` says so.
    fn until(&self, id: i64, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let (_, told) = self.get(&format!("/api/v1/runs/{id}"));
            if is_it(&told["run"]) {
                return told["run"].clone();
            }
            assert!(Instant::now() < deadline, "{told}");
        }
    }

    /// Stops it by a signal; its exit code, how long that took, and what it has logged.
    fn stop(mut self) -> (Option<i32>, Duration, String) {
        let id = self.child.id().to_string();
        let asked = Instant::now();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let took = asked.elapsed();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (status.code(), took, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is over already where the test has stopped it.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn is_over(run: &Value) -> bool {
    !matches!(run["status"].as_str(), Some("requested" | "running"))
}

/// Sends a file in every form and compares with what the command makes of it.
fn check_fit(desk: &Desk, server: &Server, file: &str, text: &[u8], model: &str) {
    desk.expect(0, &["fit", file, "--model", model, "--output", "p.csv"]);
    let expected = std::fs::read(desk.path("p.csv")).unwrap();
    let path = format!("/api/v1/fit?model={model}");
    let csv = [("content-type", "text/csv"), ("accept", "text/csv")];
    let (status, told) = server.call("POST", &path, &csv, text);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&told));
    assert!(told == expected, "{}", String::from_utf8_lossy(&told));

    let json = desk.expect(0, &["fit", file, "--model", model, "--json"]).json();
    let (status, told) = server.call("POST", &path, &csv[..1], text);
    assert_eq!(status, 200);
    let told: Value = serde_json::from_slice(&told).unwrap();
    let rows = |document: &Value| {
        let results = document["results"].as_array().unwrap().iter();
        results.map(|group| group["parameters"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(rows(&told), rows(&json));
    for key in ["rows", "refusals", "settings_hash"] {
        assert_eq!(told[key], json[key], "{key}");
    }
}

#[test]
fn a_file_that_is_sent_is_fitted_as_the_command_does() {
    let desk = Desk::new();
    desk.write("trips.csv", &rows(2_000));
    let server = Server::start(&desk, &[], None);
    check_fit(&desk, &server, "trips.csv", rows(2_000).as_bytes(), "kwh");
    let packed = super::uploads::packed(&rows(2_000));
    let headers = [("content-type", "text/csv"), ("content-encoding", "gzip")];
    let (status, told) = server.call("POST", "/api/v1/fit", &headers, &packed);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&told));
    assert_eq!(serde_json::from_slice::<Value>(&told).unwrap()["rows"]["used"], 2_000);
}

#[test]
fn london_is_fitted_as_the_command_does() {
    let Some(folder) = incidents() else { return };
    let file = folder.join("lfb_incidents_2017.clean.csv.gz");
    let mut text = Vec::new();
    GzDecoder::new(std::fs::File::open(&file).unwrap()).read_to_end(&mut text).unwrap();
    let desk = Desk::new();
    let server = Server::start(&desk, &[], None);
    check_fit(&desk, &server, &file.display().to_string(), &text, "kwh");
}

#[test]
fn records_that_the_gate_refuses_are_fitted_by_force_only() {
    let desk = Desk::new();
    let server = Server::start(&desk, &[], None);
    // One trip in ten is longer than two hours.
    let slow = |(nth, line): (usize, &str)| match line.rsplit_once(',') {
        Some((rest, _)) if nth % 10 == 1 => format!("{rest},9000\n"),
        _ => format!("{line}\n"),
    };
    let text: String = rows(400).lines().enumerate().map(slow).collect();
    let csv = [("content-type", "text/csv")];
    let (status, body) = server.call("POST", "/api/v1/fit", &csv, text.as_bytes());
    let problem: Value = serde_json::from_slice(&body).unwrap();
    let detail = problem["detail"].as_str().unwrap();
    let expected = "the gate refuses these records: [refused_values] 40 of 400 rows";
    assert!(status == 422 && detail.starts_with(expected), "{status} {problem}");
    let hint = problem["hint"].as_str().unwrap();
    assert!(hint.ends_with("`force=true` answers all the same"), "{hint}");
    let (status, body) = server.call("POST", "/api/v1/fit?force=true", &csv, text.as_bytes());
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["findings"][0]["rule"], "refused_values");
    assert_eq!(told["results"].as_array().unwrap().len(), 2);
}

#[test]
fn files_that_do_not_do_are_explained_without_the_servers_names() {
    let desk = Desk::new();
    let server = Server::start(&desk, &["--set", "http.max_body_mb=1"], None);
    let told = |query: &str, text: &str| {
        let csv = [("content-type", "text/csv")];
        let path = format!("/api/v1/fit{query}");
        let (status, body) = server.call("POST", &path, &csv, text.as_bytes());
        let problem: Value = serde_json::from_slice(&body).unwrap();
        let text = |key: &str| problem[key].as_str().unwrap_or("–").to_owned();
        format!("{status} {}\n  {}\n  {}\n", text("title"), text("detail"), text("hint"))
    };
    let mut all = told("", "region;distance_km;travel_time_s\nA;1;100\n");
    all.push_str(&told("", ""));
    all.push_str(&told("", "region,distance_km,travel_time_s\n"));
    all.push_str(&told("", "region,distance_km,travel_time_s\nA,1,x\n"));
    let ids = (0..=20_000).map(|nth| format!("INC-{nth},2,300\n")).collect::<String>();
    all.push_str(&told("", &format!("region,distance_km,travel_time_s\n{ids}")));
    all.push_str(&told("?model=spline", &rows(100)));
    all.push_str(&told("?loss=huber&errors=student_t", &rows(100)));
    all.push_str(&told("", &"x".repeat((1 << 20) + 1)));
    let short = "region,distance_km,travel_time_s\n".to_owned() + &"A,1,60\n".repeat(140_000);
    all.push_str(&told("", &short));
    insta::assert_snapshot!(all);
    assert_eq!(std::fs::read_dir(desk.path("speedfit-output")).unwrap().count(), 0);
}

#[test]
fn of_a_file_that_was_refused_a_row_is_shown_for_each_reason() {
    let desk = Desk::new();
    let server = Server::start(&desk, &[], None);
    let text = format!("{HEADER}I1,A,,1,2,x\nI2,A,,1,2,y\nI3,B,,1,2,0\nI4,B,,1,,300\n");
    let csv = [("content-type", "text/csv")];
    let (status, body) = server.call("POST", "/api/v1/fit", &csv, text.as_bytes());
    assert_eq!(status, 422);
    let problem: Value = serde_json::from_slice(&body).unwrap();
    insta::assert_snapshot!("refused_rows", serde_json::to_string_pretty(&problem).unwrap());
}

#[test]
fn a_window_is_given_as_on_the_command_line() {
    let desk = Desk::new();
    desk.write("trips.csv", &rows(3_000));
    desk.expect(0, &["import", "trips.csv"]);
    let server = Server::start(&desk, &["--set", "time_zone=Europe/Paris"], None);
    let body = r#"{"from":"2026-01-05","to":"2026-01-05T12:00","dry_run":true}"#;
    let (status, told) = server.post("/api/v1/runs", body);
    assert_eq!((status, &told["rows"]["read"]), (200, &3_000.into()), "{told}");
    // The records are of eleven o'clock there.
    let body = r#"{"from":"2026-01-05T11:30","dry_run":true}"#;
    let (status, told) = server.post("/api/v1/runs", body);
    assert_eq!((status, &told["rows"]["read"]), (200, &0.into()), "{told}");
    let refused = |body: &str| {
        let (status, told) = server.post("/api/v1/runs", body);
        assert_eq!(status, 422, "{told}");
        told["detail"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        refused(r#"{"from":"yesterday"}"#),
        "`window.from` in `from`: `yesterday` is not a moment such as `2026-01-31` or \
         `2026-01-31T06:00:00+01:00`"
    );
    let empty = refused(r#"{"from":"2026-02-01","to":"2026-02-01"}"#);
    assert!(empty.contains("must be later"), "{empty}");
    assert_eq!(server.get("/api/v1/runs").1["runs"], serde_json::json!([]));
}

#[test]
fn a_run_on_demand_is_published_and_rolled_back() {
    let desk = Desk::new();
    desk.write("trips.csv", &rows(3_000));
    desk.expect(0, &["import", "trips.csv"]);
    let server = Server::start(&desk, &[], None);
    assert_eq!(server.get("/api/v1/regions").0, 404);
    assert_eq!(server.post("/api/v1/rollback", "{}").0, 409);
    // While no run is active, of which the answer would be.
    assert_eq!(server.post("/api/v1/runs", r#"{"select":["colour:red"]}"#).0, 422);
    let (status, told) = server.post("/api/v1/runs", r#"{"reason":"new depot"}"#);
    assert_eq!((status, told["id"].as_i64()), (202, Some(1)), "{told}");
    let run = server.until(1, is_over);
    assert_eq!((&run["status"], &run["trigger"]), (&"done".into(), &"api".into()), "{run}");
    assert_eq!(run["requested_by"], "api from 127.0.0.1");

    let (_, told) = server.get("/api/v1/regions/Harbour%2FEast/parameters");
    assert_eq!(told["parameters"].as_array().unwrap().len(), 3, "{told}");
    let path = "/api/v1/predict?region=North&distance_km=2,5&target_min=8";
    let flags = "predict --region North --distance-km 2,5 --target-min 8 --json";
    let flags: Vec<&str> = flags.split(' ').collect();
    assert_eq!(server.get(path).1, desk.expect(0, &flags).json());

    // A second one, of one region; then back to the first.
    let body = r#"{"select":["North","Harbour*"],"exclude":["region:Harbour*"],"model":"power"}"#;
    assert_eq!(server.post("/api/v1/runs", body).0, 202);
    let run = server.until(2, is_over);
    assert_eq!(run["detail"]["exclude"], serde_json::json!(["region:Harbour*"]));
    let (_, told) = server.get("/api/v1/runs/2");
    let outcomes = told["groups"].as_array().unwrap().iter();
    let outcomes: Vec<_> = outcomes.map(|group| &group["outcome"]).collect();
    assert_eq!(outcomes, ["carried_over", "fitted"], "{told}");
    let (_, metrics) = server.call("GET", "/metrics", &[], &[]);
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(metrics.contains("{scope=\"default\""), "{metrics}");
    let (status, told) = server.post("/api/v1/rollback", r#"{"reason":"odd"}"#);
    assert_eq!((status, &told["run_id"], &told["comment"]), (200, &1.into(), &"odd".into()));
    assert_eq!(server.get("/api/v1/regions").1["run_id"], 1);
    assert_eq!(server.post("/api/v1/runs/2/publish", "{}").0, 200);
    assert_eq!(server.post("/api/v1/runs/2/publish", "{}").0, 409);
    assert_eq!(server.post("/api/v1/runs/7/publish", "{}").0, 404);
    assert_eq!(server.post("/api/v1/runs", r#"{"model":"spline"}"#).0, 422);
    let (status, dry) = server.post("/api/v1/runs", r#"{"dry_run":true}"#);
    assert_eq!((status, &dry["rows"]["read"]), (200, &3_000.into()), "{dry}");
    assert_eq!(server.get("/api/v1/runs").1["runs"].as_array().unwrap().len(), 2);
    // Its files follow the ledger, and the server waits for them.
    server.stop();
    // Written once the run is over, of which the ledger tells first.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !desk.path("speedfit-output/run_results.json").is_file() {
        assert!(Instant::now() < deadline, "the results never came");
        std::thread::yield_now();
    }
}

/// A source that the test holds open: a named pipe as CSV file.
fn feed(desk: &Desk) -> [String; 4] {
    let path = desk.path("feed.csv");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let path = format!("file.path={}", path.display());
    ["--set", "source.kind=file", "--set", &path].map(str::to_owned)
}

/// Waits for the run to open the pipe, and writes records.
fn fed(desk: &Desk) -> std::fs::File {
    let mut pipe = std::fs::OpenOptions::new().write(true).open(desk.path("feed.csv")).unwrap();
    pipe.write_all(rows(3_000).as_bytes()).unwrap();
    pipe
}

#[test]
fn a_client_that_hangs_up_does_not_cancel_a_run() {
    let desk = Desk::new();
    let flags = feed(&desk);
    let server = Server::start(&desk, &flags.each_ref().map(String::as_str), None);
    let client = server.sent("POST", "/api/v1/runs", &[], &[]);
    let pipe = fed(&desk);
    // Gone without having read its answer.
    drop(client);
    server.until(1, |run| run["status"] == "running");
    assert_eq!(server.post("/api/v1/runs", "{}").0, 409);
    drop(pipe);
    assert_eq!(server.until(1, is_over)["status"], "done");
}

#[test]
fn a_run_of_another_process_is_not_disturbed() {
    let desk = Desk::new();
    let flags = feed(&desk);
    let flags = flags.each_ref().map(String::as_str);
    let server = Server::start(&desk, &flags, None);
    let mut other = desk.start(&[&["run"], &flags[..]].concat());
    let pipe = fed(&desk);
    server.until(1, |run| run["status"] == "running");
    let (status, told) = server.post("/api/v1/runs", "{}");
    assert_eq!(status, 409, "{told}");
    drop(pipe);
    assert_eq!(other.wait().unwrap().code(), Some(0));
}

#[test]
fn the_stop_signal_cancels_a_run_and_the_ledger_knows() {
    let desk = Desk::new();
    let flags = feed(&desk);
    let server = Server::start(&desk, &flags.each_ref().map(String::as_str), None);
    assert_eq!(server.post("/api/v1/runs", "{}").0, 202);
    let pipe = fed(&desk);
    server.until(1, |run| run["status"] == "running");
    let (code, took, log) = server.stop();
    assert_eq!(code, Some(130), "{log}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    drop(pipe);
    let runs = desk.expect(0, &["runs", "--json"]).json();
    assert_eq!(runs[0]["status"], "cancelled", "{runs}");
}

#[test]
fn tokens_are_asked_for_and_never_logged() {
    let desk = Desk::new();
    let tokens = format!("read:{READ},operate:{OPERATE}");
    let mut server = Server::start(&desk, &["--log-level", "trace"], Some(&tokens));
    assert_eq!(server.get("/api/v1/runs?limit=5").0, 401);
    server.token = Some(READ);
    assert_eq!(server.get("/api/v1/runs?limit=5").0, 200);
    assert_eq!(server.post("/api/v1/rollback", "{}").0, 403);
    server.token = Some(OPERATE);
    assert_eq!(server.post("/api/v1/rollback", "{}").0, 409);
    assert_eq!(server.get("/api/v1/predict?region=Elm%20Street&distance_km=2").0, 404);
    let (code, _, log) = server.stop();
    // There was no run to be stopped.
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("/api/v1/predict"), "{log}");
    for secret in [READ, OPERATE, "Elm"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn it_does_not_listen_to_everyone_without_tokens() {
    let desk = Desk::new();
    let refused = desk.expect(3, &["serve", "--bind", "0.0.0.0:0"]);
    insta::assert_snapshot!("exposed", refused.stderr);
    let mut short = desk.command(&["serve", "--bind", "127.0.0.1:0"]);
    let short = short.env("SPEEDFIT_API_TOKENS", "operate:hunter2").output().unwrap();
    assert_eq!(short.status.code(), Some(3));
    let told = String::from_utf8(short.stderr).unwrap();
    assert!(told.contains("entry 1") && !told.contains("hunter2"), "{told}");
    let odd = desk.expect(3, &["serve", "--bind", "localhost"]);
    assert!(odd.stderr.contains("http.bind"), "{}", odd.stderr);
}

/// A password that is rotated while the server works: each new connection has the one of the moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_opened_with_the_secret_of_the_moment() {
    let server = StoreServer::start().await;
    server.migrated().await;
    let desk = Desk::new();
    let options = server.server_options();
    let Login::Password { password, .. } = &options.login else { unreachable!() };
    let password = password.expose_secret().to_owned();
    desk.write("password", &password);
    let store = format!("[store]\nkind = \"sqlserver\"\nattempts = 1\n{}", settings(&options));
    desk.write("server.toml", &store);
    let (runs, faults) = ("/api/v1/runs", server.server.faults().clone());
    let next = || server.server.journal().count("runs") + 1;
    let n_logins = || server.server.journal().count("login");
    let mut command = desk.command(&["serve", "--bind", "127.0.0.1:0", "--config", "server.toml"]);
    command.env("SPEEDFIT_STORE_PASSWORD_FILE", desk.path("password"));
    tokio::task::block_in_place(|| {
        let api = Server::start_as(&mut command);
        assert_eq!(api.get(runs).0, 200);
        let n_before = n_logins();
        // What was opened stays open, whatever the file says.
        desk.write("password", "another");
        assert_eq!((api.get(runs).0, n_logins()), (200, n_before));
        faults.on("runs", next(), Fault::DropBefore);
        assert_eq!(api.get(runs).0, 503);
        let (status, told) = api.get(runs);
        assert!(status == 500 && told["detail"].as_str().unwrap().contains("18456"), "{told}");
        desk.write("password", &password);
        assert_eq!(api.get(runs).0, 200);
    });
}
