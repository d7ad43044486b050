//! Servers with which no encryption can be agreed on: the message names the setting that is meant,
//! says its cause once, and no second try is made.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use speedfit::adapters::sqlserver::{
    Encryption, Login, Mode, RetryPolicy, ServerOptions, SqlServerStore, StoreOptions,
};
use speedfit::ports::FailureKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::at;
use crate::support::clock::HastyClock;
use crate::support::program::{Desk, Ended};

/// A server that says the same to every client: an answer to the pre-login, then one to the TLS.
struct Rigid {
    port: u16,
    n_connections: Arc<AtomicUsize>,
    /// A client has said something.
    heard: CancellationToken,
    _serving: JoinSet<()>,
}

/// What follows when a client's bytes have come.
#[derive(Clone, Copy)]
enum Answer {
    /// A pre-login answer with this byte for the encryption.
    Prelogin(u8),
    /// The alert `handshake_failure` in the wrapping of the pre-login.
    Alert,
    /// Nothing, for good.
    Silence,
}

impl Rigid {
    async fn start(answers: &'static [Answer]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let n_connections = Arc::new(AtomicUsize::new(0));
        let (n, mut serving) = (Arc::clone(&n_connections), JoinSet::new());
        let heard = CancellationToken::new();
        let hears = heard.clone();
        serving.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                n.fetch_add(1, Ordering::SeqCst);
                open.spawn(serve(stream, answers, hears.clone()));
            }
        });
        Self { port, n_connections, heard, _serving: serving }
    }

    fn n_connections(&self) -> usize {
        self.n_connections.load(Ordering::SeqCst)
    }

    /// A run whose half of that name, source or store, is this server.
    async fn run(&self, half: &str, encryption: &str) -> Ended {
        let desk = Desk::new();
        let server = format!(
            "kind = \"sqlserver\"\nhost = \"127.0.0.1\"\nport = {}\ndatabase = \"d\"\nuser = \"u\"\n\
             encryption = \"{encryption}\"\n",
            self.port
        );
        desk.write("server.toml", &format!("[{half}]\n{server}"));
        let mut command = desk.command(&["run", "--config", "server.toml", "--log-level", "error"]);
        let variable = format!("SPEEDFIT_{}_PASSWORD", half.to_uppercase());
        command.env(variable, "x");
        let output = tokio::task::spawn_blocking(move || command.output());
        Ended::of(output.await.unwrap().unwrap())
    }
}

async fn serve(mut stream: TcpStream, answers: &[Answer], hears: CancellationToken) {
    let mut bytes = vec![0; 1 << 14];
    for answer in answers {
        if stream.read(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        hears.cancel();
        let said = match answer {
            Answer::Prelogin(encryption) => packet(4, &prelogin(*encryption)),
            Answer::Alert => packet(18, &[0x15, 3, 1, 0, 2, 2, 40]),
            Answer::Silence => Vec::new(),
        };
        stream.write_all(&said).await.unwrap();
    }
    // Until the client hangs up.
    while stream.read(&mut bytes).await.unwrap_or(0) > 0 {}
}

fn packet(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 8).unwrap().to_be_bytes();
    [&[kind, 1, length[0], length[1], 0, 0, 1, 0], content].concat()
}

/// Version and encryption, each by offset and length, then their values.
fn prelogin(encryption: u8) -> Vec<u8> {
    let head = [0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF];
    [&head[..], &[16, 0, 16, 0, 0, 0, encryption]].concat()
}

const NOT_SUPPORTED: u8 = 2;
const REQUIRED: u8 = 3;

async fn check(
    answers: &'static [Answer],
    encryption: &str,
    half: (&str, i32),
    cause: &str,
    hint: &str,
) {
    let server = Rigid::start(answers).await;
    let ended = server.run(half.0, encryption).await;
    assert_eq!(ended.code, Some(half.1), "{}", ended.stderr);
    // What stands after the log.
    let said: Vec<&str> = ended.stderr.lines().filter(|line| !line.starts_with('{')).collect();
    let (said, last) = (said.join("\n"), said[said.len() - 1]);
    assert_eq!(said.matches(cause).count(), 1, "{said}");
    let address = format!("127.0.0.1,{}", server.port);
    assert_eq!(said.matches(&address).count(), 1, "{said}");
    assert!(last.starts_with("hint: ") && last.contains(hint), "{}", ended.stderr);
    // The source is asked for its size first, which says nothing of its own.
    let most = if half.0 == "source" { 2 } else { 1 };
    assert!(server.n_connections() <= most, "{} connections", server.n_connections());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_encryption_names_the_setting() {
    let (answers, cause) = (&[Answer::Prelogin(NOT_SUPPORTED)], "offers no encryption");
    check(answers, "required", ("source", 4), cause, "`source.encryption = \"off\"`").await;
    check(answers, "required", ("store", 5), cause, "`store.encryption = \"off\"`").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_tls_stays_old() {
    let (answers, cause) = (&[Answer::Prelogin(REQUIRED), Answer::Alert], "HandshakeFailure");
    for half in [("source", 4), ("store", 5)] {
        check(answers, "required", half, cause, "TLS 1.2 or later is needed").await;
    }
}

/// Nothing is said to TLS before the first byte, or nonsense.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tds_8_is_tried_once() {
    let clock = Arc::new(HastyClock::new(at("2026-03-01T02:00:00Z")));
    for (answer, is_silent) in [(&[Answer::Silence], true), (&[Answer::Prelogin(REQUIRED)], false)]
    {
        let server = Rigid::start(answer).await;
        let login = Login::Password { user: "u".to_owned(), password: "x".into() };
        let options = StoreOptions {
            server: ServerOptions {
                port: server.port,
                encryption: Encryption::Strict,
                // Longer than any wait that passes by itself: one that the test lets expire.
                connect_timeout: std::time::Duration::from_secs(3600),
                ..ServerOptions::new("127.0.0.1", "d", login)
            },
            schema: "speedfit".to_owned(),
            retry: RetryPolicy::default(),
            lock_heartbeat: std::time::Duration::from_secs(3600),
        };
        let opening = SqlServerStore::open(options, Mode::Existing, clock.clone());
        let (opened, ()) = tokio::join!(opening, async {
            server.heard.cancelled().await;
            if is_silent {
                clock.expire();
            }
        });
        let error = opened.err().unwrap();
        assert_eq!(error.kind, FailureKind::Denied, "{error}");
        assert!(error.remedy().contains("`store.encryption = \"required\"`"), "{}", error.remedy());
        assert_eq!(server.n_connections(), 1);
    }
}
