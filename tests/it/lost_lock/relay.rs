//! A relay between the program and a server, which can stop at one of its requests and cut one of its
//! connections.
//!
//! It knows nothing of what it passes on, so that it stands before every server. A request is what
//! arrives at once; a long one may count twice.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Where the relay stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nowhere.
    Never,
    /// Before it passes the nth request on, from 0.
    Request(usize),
    /// Before it passes on what the server says to that request.
    Reply(usize),
}

/// Ends, with all its connections, when dropped.
pub(super) struct Relay {
    shared: Arc<Shared>,
    address: SocketAddr,
    _accepting: JoinSet<()>,
}

struct Shared {
    server: (String, u16),
    stop: Stop,
    n_requests: AtomicUsize,
    reached: CancellationToken,
    released: CancellationToken,
    /// For each connection, in order: what cuts it, and how many requests there were before it.
    connections: Mutex<Vec<(CancellationToken, usize)>>,
}

impl Relay {
    pub(super) async fn start(server: (String, u16), stop: Stop) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            stop,
            n_requests: AtomicUsize::new(0),
            reached: CancellationToken::new(),
            released: CancellationToken::new(),
            connections: Mutex::default(),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&shared)));
        Self { shared, address, _accepting: accepting }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns when it has stopped.
    pub(super) async fn reached(&self) {
        self.shared.reached.cancelled().await;
    }

    /// Goes on, for good.
    pub(super) fn release(&self) {
        self.shared.released.cancel();
    }

    /// Cuts the nth connection, from 0, on both sides; false where there is none yet.
    pub(super) fn cut(&self, nth: usize) -> bool {
        let connections = self.shared.connections.lock().unwrap();
        connections.get(nth).is_some_and(|(cut, _)| {
            cut.cancel();
            true
        })
    }

    /// How many requests there were.
    pub(super) fn n_requests(&self) -> usize {
        self.shared.n_requests.load(Ordering::SeqCst)
    }

    /// How many there were before the nth connection, from 0.
    pub(super) fn n_before(&self, nth: usize) -> usize {
        self.shared.connections.lock().unwrap()[nth].1
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut open = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let cut = CancellationToken::new();
        let n_before = shared.n_requests.load(Ordering::SeqCst);
        shared.connections.lock().unwrap().push((cut.clone(), n_before));
        let shared = Arc::clone(&shared);
        open.spawn(async move {
            let Ok(server) = TcpStream::connect(shared.server.clone()).await else { return };
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let holds = watch::Sender::new(false);
            let held = holds.subscribe();
            tokio::select! {
                () = cut.cancelled() => {}
                () = ask(&shared, from_client, to_server, holds) => {}
                () = answer(&shared, from_server, to_client, held) => {}
            }
        });
    }
}

async fn ask(
    shared: &Shared,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    holds: watch::Sender<bool>,
) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        let nth = shared.n_requests.fetch_add(1, Ordering::SeqCst);
        if shared.stop == Stop::Request(nth) {
            shared.reached.cancel();
            shared.released.cancelled().await;
        }
        if shared.stop == Stop::Reply(nth) {
            holds.send_replace(true);
        }
        if to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}

async fn answer(
    shared: &Shared,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    held: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        if *held.borrow() {
            shared.reached.cancel();
            shared.released.cancelled().await;
        }
        if to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}
