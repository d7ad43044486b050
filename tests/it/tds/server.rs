//! The server: what it accepts, where it listens, what it has seen.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::backend::Backend;
use super::browser;
use super::connection;
use super::faults::Faults;
use super::journal::Journal;
use super::login::LoginInfo;
use super::tls::{self, Certificate};

/// How much the server encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encryption {
    /// Nothing, for benches.
    #[default]
    NotSupported,
    /// What the client asks for: nothing, the login, or the session.
    AsAsked,
    /// The session; a client that cannot is refused.
    Required,
    /// Everything from the first byte on (TDS 8).
    Strict,
}

/// What the server accepts.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much is encrypted.
    pub encryption: Encryption,
    /// The certificate; needed unless nothing is encrypted.
    pub certificate: Option<Certificate>,
    /// Login name.
    pub user: String,
    /// Password.
    pub password: String,
    /// Access token that stands for user and password.
    pub token: Option<String>,
    /// Databases; the first one is the default.
    pub databases: Vec<String>,
    /// Largest packet size granted, in bytes, 512 to 32767.
    pub max_packet_size: u32,
    /// Name of the instance. Where set, a browser service answers for it, and a client that asks
    /// for another one is refused.
    pub instance: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            encryption: Encryption::default(),
            certificate: None,
            user: "speedfit".to_owned(),
            password: "p;ss 'w=rd{}".to_owned(),
            token: None,
            databases: vec!["speedfit".to_owned()],
            max_packet_size: 32_767,
            instance: None,
        }
    }
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) acceptor: Option<TlsAcceptor>,
    pub(super) backend: Box<dyn Backend>,
    pub(super) faults: Faults,
    pub(super) journal: Journal,
    pub(super) routing: Mutex<Option<(String, u16)>>,
    pub(super) logins: Mutex<Vec<LoginInfo>>,
    pub(super) sent: Arc<AtomicU64>,
    /// Whether a connection waits for its client to read.
    pub(super) stalled: watch::Sender<bool>,
    pub(super) n_open: watch::Sender<usize>,
}

/// A running server. Ends, with all its connections, when dropped.
pub struct TdsServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    browser: Option<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
}

impl TdsServer {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Where no port can be had, or encryption is wanted without a certificate.
    pub async fn start(options: Options, backend: impl Backend) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut tasks = Vec::new();
        let mut browser = None;
        if let Some(instance) = &options.instance {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            browser = Some(socket.local_addr()?);
            tasks.push(tokio::spawn(browser::answer(socket, instance.clone(), address.port())));
        }
        let shared = Arc::new(Shared {
            acceptor: acceptor(&options)?,
            options,
            backend: Box::new(backend),
            faults: Faults::default(),
            journal: Journal::default(),
            routing: Mutex::default(),
            logins: Mutex::default(),
            sent: Arc::default(),
            stalled: watch::Sender::new(false),
            n_open: watch::Sender::new(0),
        });
        tasks.push(tokio::spawn(accept(listener, Arc::clone(&shared))));
        Ok(Self { shared, address, browser, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its browser service listens, if it has an instance name.
    #[must_use]
    pub fn browser_address(&self) -> Option<SocketAddr> {
        self.browser
    }

    /// What clients asked for so far.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// The script of faults.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Sends clients elsewhere after their login, or no longer.
    pub fn route(&self, to: Option<(String, u16)>) {
        *self.shared.routing.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    /// All logins so far, refused ones too.
    #[must_use]
    pub fn logins(&self) -> Vec<LoginInfo> {
        self.shared.logins.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes of replies written so far, on all connections, before encryption.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Waits until a connection cannot write because its client does not read.
    pub async fn stalled(&self) {
        let _ = self.shared.stalled.subscribe().wait_for(|stalled| *stalled).await;
    }

    /// Connections that are open now.
    #[must_use]
    pub fn n_open(&self) -> usize {
        *self.shared.n_open.borrow()
    }

    /// Waits until so many connections are open, no more and no less: with 0, until all sessions
    /// are gone, their transactions rolled back and their locks freed.
    pub async fn opened(&self, n_open: usize) {
        let _ = self.shared.n_open.subscribe().wait_for(|now| *now == n_open).await;
    }
}

impl Drop for TdsServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn acceptor(options: &Options) -> io::Result<Option<TlsAcceptor>> {
    match (options.encryption, &options.certificate) {
        (Encryption::NotSupported, _) => Ok(None),
        (_, None) => Err(io::Error::other("encryption needs a certificate")),
        (encryption, Some(certificate)) => {
            tls::acceptor(certificate, encryption == Encryption::Strict).map(Some)
        }
    }
}

/// Takes connections until aborted; its connections end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                number += 1;
                let shared = Arc::clone(&shared);
                let open = Open::new(Arc::clone(&shared));
                connections.spawn(async move {
                    // How a connection ends is the client's business; the journal tells the rest.
                    let _ = stream.set_nodelay(true);
                    let _ = connection::serve(stream, number, shared).await;
                    drop(open);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Counts a connection as open as long as it lives.
struct Open {
    shared: Arc<Shared>,
}

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        shared.n_open.send_modify(|n_open| *n_open += 1);
        Self { shared }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.n_open.send_modify(|n_open| *n_open -= 1);
    }
}
