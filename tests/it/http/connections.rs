//! Connections over real sockets, on a clock that the test moves.

use std::time::Duration;

use speedfit::domain::{RunId, RunStatus};
use speedfit::http::serve;
use speedfit::ports::RunJournal as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::desk::MemoryDesk;
use super::{api, open_options};

/// Longer than the limits on headers, shorter than the life of a connection.
const A_MINUTE: Duration = Duration::from_secs(60);

/// A server on a port of its own.
struct Server {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<bool>,
}

impl Server {
    async fn start(desk: &MemoryDesk) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (api, stop) = api(desk, open_options());
        Self { address, stop, task: tokio::spawn(serve(listener, api)) }
    }

    /// A connection over which that was sent.
    async fn sent(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
}

/// What comes until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is reset is closed as well.
    _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

/// One answer without a body of unknown length.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte = stream.read_u8().await.unwrap();
        text.push(char::from(byte));
    }
    text
}

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn a_client_that_sends_its_headers_slowly_is_dropped() {
    let desk = MemoryDesk::new();
    let server = Server::start(&desk).await;
    let mut slow = server.sent("GET /livez HTTP/1.1\r\nhost: local").await;
    // The limit on headers, and that on the connection.
    desk.clock.until_sleeping(2).await;
    desk.clock.advance(A_MINUTE);
    assert_eq!(rest(&mut slow).await, "");
    let mut quick = server.sent(LIVEZ).await;
    assert!(until(&mut quick, "ok\n").await.starts_with("HTTP/1.1 200"));
}

/// More than the server has places for.
const N_SLOW: usize = 300;

#[tokio::test]
async fn slow_clients_without_number_keep_nobody_away() {
    let desk = MemoryDesk::gated();
    let server = Server::start(&desk).await;
    // A request that is being handled: it keeps its place whoever comes.
    let fit = "POST /api/v1/fit HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n\
               content-length: 6\r\nconnection: close\r\n\r\nregion";
    let mut fit = server.sent(fit).await;
    desk.reached.cancelled().await;
    let mut slow = Vec::new();
    for nth in 0..N_SLOW {
        // Some send a part of their headers, others nothing; some read no answer.
        let text = ["GET /livez HTTP/1.1\r\nhost: local", "", LIVEZ][nth % 3];
        slow.push(server.sent(text).await);
        // No clock moves: whoever comes is answered at once, or not at all.
        if nth % 20 == 0 || nth + 1 == N_SLOW {
            let mut quick = server.sent(LIVEZ).await;
            assert!(until(&mut quick, "ok\n").await.starts_with("HTTP/1.1 200"), "{nth}");
        }
    }
    // The first of them has made room.
    assert_eq!(rest(&mut slow[0]).await, "");
    desk.gate.cancel();
    assert!(rest(&mut fit).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let desk = MemoryDesk::new();
    let server = Server::start(&desk).await;
    let mut idle = server.sent(LIVEZ).await;
    until(&mut idle, "ok\n").await;
    desk.clock.until_sleeping(2).await;
    desk.clock.advance(A_MINUTE);
    assert_eq!(rest(&mut idle).await, "");
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let desk = MemoryDesk::new();
    let server = Server::start(&desk).await;
    let long = format!("GET /livez HTTP/1.1\r\nx: {}", "x".repeat(40 * 1024));
    let mut stream = server.sent(&long).await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn the_stop_signal_ends_idle_connections_and_lets_runs_tell_the_ledger() {
    let desk = MemoryDesk::gated();
    let server = Server::start(&desk).await;
    let post = "POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
    let mut stream = server.sent(post).await;
    assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 202"));
    desk.reached.cancelled().await;
    server.stop.cancel();
    rest(&mut stream).await;
    assert!(server.task.await.unwrap(), "a run was stopped");
    let row = desk.store.run(RunId(1)).await.unwrap().unwrap();
    assert_eq!(row.status, RunStatus::Cancelled);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_request_that_does_not_end_does_not_hold_the_stop_up() {
    let desk = MemoryDesk::new();
    let server = Server::start(&desk).await;
    let head = "POST /api/v1/fit HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n\
                content-length: 100\r\n\r\nregion";
    let mut stream = server.sent(head).await;
    while desk.n_uploads() == 0 {
        tokio::task::yield_now().await;
    }
    server.stop.cancel();
    // The limits on the request, the body, the connection and the stop.
    desk.clock.until_sleeping(4).await;
    desk.clock.advance(Duration::from_secs(1));
    assert!(!server.task.await.unwrap(), "there was no run");
    assert_eq!(desk.n_uploads(), 0);
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up() {
    let desk = MemoryDesk::new();
    let server = Server::start(&desk).await;
    // More than the buffers of both sides hold.
    let asked = "GET /api/v1/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(400);
    let mut stream = server.sent(&asked).await;
    // The limits on the connection and on the write that gets nowhere.
    desk.clock.until_sleeping(2).await;
    desk.clock.advance(A_MINUTE);
    assert!(rest(&mut stream).await.matches("HTTP/1.1 200").count() < 400);
}

#[tokio::test]
async fn a_client_that_hangs_up_stops_its_fit() {
    let desk = MemoryDesk::gated();
    let server = Server::start(&desk).await;
    let whole = "POST /api/v1/fit HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n\
                 content-length: 6\r\n\r\nregion";
    let stream = server.sent(whole).await;
    desk.reached.cancelled().await;
    drop(stream);
    desk.noticed.cancelled().await;
}
