//! The real binary beside other processes that publish, and clients that send nothing.

#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::program::{Server, rows};
use crate::sqlserver_pipeline::settings;
use crate::support::program::Desk;
use crate::support::{published, set};
use crate::tds::Fault;
use crate::tds_store::StoreServer;

const REGIONS: &str = "/api/v1/regions";

#[test]
fn what_another_process_publishes_is_current_at_once() {
    let desk = Desk::new();
    desk.write("trips.csv", &rows(3_000));
    desk.expect(0, &["import", "trips.csv"]);
    desk.expect(0, &["run"]);
    let server = Server::start(&desk, &[], None);
    let check = |run_id: i64| {
        // Twice, so that one answer is from memory.
        for _ in 0..2 {
            assert_eq!(server.get(REGIONS).1["run_id"], run_id);
            let (status, told) = server.get("/api/v1/predict?region=North&distance_km=2");
            assert_eq!(status, 200, "{told}");
        }
    };
    check(1);
    desk.expect(0, &["run"]);
    check(2);
    desk.expect(0, &["rollback", "--reason", "odd"]);
    check(1);
    desk.expect(0, &["publish", "2", "--reason", "even"]);
    check(2);
    // What has replaced the file counts from now on, and what is gone is not there.
    let (file, kept) = (desk.path("speedfit.db"), desk.path("kept.db"));
    std::fs::rename(&file, &kept).unwrap();
    let (status, told) = server.get(REGIONS);
    assert!(status >= 500, "{status} {told}");
    std::fs::rename(&kept, &file).unwrap();
    check(2);
}

/// Asks until an answer is the right one.
fn until(server: &Server, is_it: impl Fn(u16, &Value) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (status, told) = server.get(REGIONS);
        if is_it(status, &told) {
            return;
        }
        assert!(Instant::now() < deadline, "{status} {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_in_a_server_of_databases_is_seen_soon() {
    let database = StoreServer::start().await;
    let store = database.migrated().await;
    let desk = Desk::new();
    let options = database.server_options();
    let file = format!("[store]\nkind = \"sqlserver\"\nattempts = 1\n{}", settings(&options));
    desk.write("server.toml", &file);
    // Nobody reads the log, and a pipe that is full would hold the server up.
    let args = ["serve", "--bind", "127.0.0.1:0", "--config", "server.toml", "--log-level", "off"];
    let mut command = desk.command(&args);
    let speedfit::adapters::sqlserver::Login::Password { password, .. } = &options.login else {
        unreachable!()
    };
    let password = secrecy::ExposeSecret::expose_secret(password);
    command.env("SPEEDFIT_STORE_PASSWORD", password);
    let server = tokio::task::block_in_place(|| Server::start_as(&mut command));
    for run_id in 1..=2 {
        published(&store, "default", set(&["North"], 40.0)).await.unwrap();
        tokio::task::block_in_place(|| until(&server, |_, told| told["run_id"] == run_id));
    }
    // The next time that the mark is asked for.
    let next = database.server.journal().count("mark") + 1;
    database.server.faults().on("mark", next, Fault::DropBefore);
    tokio::task::block_in_place(|| {
        until(&server, |status, _| status == 503);
        until(&server, |_, told| told["run_id"] == 2);
    });
}

#[test]
fn clients_that_send_no_body_keep_nobody_from_a_fit() {
    let desk = Desk::new();
    let server = Server::start(&desk, &[], None);
    // More than fits are made at once; the server says when it waits for their bodies.
    let silent = |_| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let head = "POST /api/v1/fit HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n\
                    content-length: 1000\r\nexpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut told = [0; 25];
        stream.read_exact(&mut told).unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream
    };
    let _silent: Vec<TcpStream> = (0..4).map(silent).collect();
    let csv = [("content-type", "text/csv")];
    let (status, told) = server.call("POST", "/api/v1/fit", &csv, rows(400).as_bytes());
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&told));
}
