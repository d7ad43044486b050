//! One connection: opened, bounded in time, and given up after whatever is not an ordinary error.
//!
//! The driver leaves a connection out of step after a timeout, a dropped future or a broken answer,
//! and may panic on a hostile one. So the client is taken out for each call and put back only where
//! the call ended in order; otherwise it is dropped, which closes the connection. Every call has a
//! limit by the [`Clock`], and every answer is read to its end.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::FutureExt as _;
use secrecy::ExposeSecret as _;
use tiberius::{
    AuthMethod, Client, Config, EncryptionLevel, IsolationLevel, Row, SqlBrowser as _, ToSql,
    TokenRow,
};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};
use tracing::debug;

use super::error::ServerError;
use super::options::{Encryption, FreshLogin, Login, ServerOptions, Trust};
use crate::ports::Clock;

/// The driver's client over TCP.
pub(super) type RawClient = Client<Compat<TcpStream>>;

/// Opens connections to one server.
#[derive(Clone)]
pub(super) struct Connector {
    options: Arc<ServerOptions>,
    clock: Arc<dyn Clock>,
}

impl Connector {
    pub(super) fn new(options: ServerOptions, clock: Arc<dyn Clock>) -> Self {
        Self { options: Arc::new(options), clock }
    }

    pub(super) fn options(&self) -> &ServerOptions {
        &self.options
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Connects once: name, network, TLS, login, session options.
    pub(super) async fn connect(&self) -> Result<Connection, ServerError> {
        let limit = self.options.connect_timeout;
        let is_reached = AtomicBool::new(false);
        let client = bounded(&*self.clock, limit, self.log_in(&is_reached)).await;
        let client = client.map_err(|error| match self.options.encryption {
            Encryption::Strict if is_reached.into_inner() => without_strict_tls(error),
            _ => error,
        })?;
        let limit = self.options.command_timeout;
        let clock = Arc::clone(&self.clock);
        let mut connection = Connection { client: Some(client), clock, limit };
        connection.batch(&self.session_options()).await?;
        debug!(server = %self.options, "connected");
        Ok(connection)
    }

    async fn log_in(&self, is_reached: &AtomicBool) -> Result<RawClient, ServerError> {
        let config = self.config()?;
        let tcp = self.dial(&config).await?;
        is_reached.store(true, Relaxed);
        match Client::connect(config.clone(), tcp.compat_write()).await {
            // Azure's gateway names the node; it is asked once, so that no circle is walked.
            Err(tiberius::error::Error::Routing { host, port }) => {
                let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(network)?;
                let mut config = config;
                config.host(&host);
                config.port(port);
                tcp.set_nodelay(true).map_err(network)?;
                Ok(Client::connect(config, tcp.compat_write()).await?)
            }
            other => Ok(other?),
        }
    }

    async fn dial(&self, config: &Config) -> Result<TcpStream, ServerError> {
        if self.options.instance.is_some() {
            return Ok(TcpStream::connect_named(config).await?);
        }
        let address = (self.options.host.as_str(), self.options.port);
        let tcp = TcpStream::connect(address).await.map_err(network)?;
        tcp.set_nodelay(true).map_err(network)?;
        Ok(tcp)
    }

    fn config(&self) -> Result<Config, ServerError> {
        let options = &*self.options;
        let mut config = Config::new();
        config.host(&options.host);
        config.port(options.port);
        if let Some(instance) = &options.instance {
            config.instance_name(instance);
        }
        config.database(&options.database);
        config.application_name(&options.application_name);
        config.packet_size(options.packet_size);
        config.readonly(options.read_only_intent);
        // Text of the client's tables may hold lone surrogates, which must not end a run.
        config.lossy_utf16_decoding(true);
        // The limits are ours, by the clock of the ports.
        config.handshake_timeout(None);
        config.command_timeout(None);
        config.encryption(match options.encryption {
            Encryption::Strict => EncryptionLevel::Strict,
            Encryption::Required => EncryptionLevel::Required,
            Encryption::LoginOnly => EncryptionLevel::Off,
            Encryption::Off => EncryptionLevel::NotSupported,
        });
        match &options.trust {
            Trust::System => {}
            Trust::AnyCertificate => config.trust_cert(),
            Trust::CaFile(path) => {
                let bundle = std::fs::read(path).map_err(|source| ServerError::CaFile {
                    path: path.display().to_string(),
                    source,
                })?;
                config.trust_cert_ca_bundle(bundle);
            }
        }
        let fresh = options.fresh_login.as_ref().and_then(FreshLogin::get);
        config.authentication(authentication(fresh.as_ref().unwrap_or(&options.login))?);
        Ok(config)
    }

    /// Errors roll back at once, no statement waits for ever for a lock, and where two collide the
    /// reader gives way to the dispatchers' writers.
    fn session_options(&self) -> String {
        let lock_timeout_ms = self.options.lock_timeout.as_millis();
        let priority = if self.options.read_only_intent { "LOW" } else { "NORMAL" };
        format!(
            "-- set_session\nSET NOCOUNT ON; SET XACT_ABORT ON; SET LOCK_TIMEOUT {lock_timeout_ms}; \
             SET DEADLOCK_PRIORITY {priority};"
        )
    }
}

fn authentication(login: &Login) -> Result<AuthMethod, ServerError> {
    match login {
        Login::Password { user, password } => {
            Ok(AuthMethod::sql_server(user, password.expose_secret()))
        }
        Login::Token(token) => Ok(AuthMethod::aad_token(token.expose_secret())),
        #[cfg(all(unix, feature = "kerberos"))]
        Login::Kerberos => Ok(AuthMethod::Integrated),
        #[cfg(not(all(unix, feature = "kerberos")))]
        Login::Kerberos => Err(ServerError::NoKerberos),
    }
}

/// The failure of a login whose first bytes were TLS: a server without TDS 8 takes them for nonsense,
/// and says nothing or hangs up.
fn without_strict_tls(error: ServerError) -> ServerError {
    match error {
        ServerError::TimedOut(_) => ServerError::NoStrictTls(error.to_string()),
        ServerError::Network(text)
            if text.contains("handshake eof") || text.contains("corrupt message") =>
        {
            ServerError::NoStrictTls(text)
        }
        error => error,
    }
}

fn network(error: std::io::Error) -> ServerError {
    ServerError::Network(error.to_string())
}

/// Waits for the work, at most so long; a panic in it is its failure.
pub(super) async fn bounded<T, E>(
    clock: &dyn Clock,
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, ServerError>
where
    ServerError: From<E>,
{
    tokio::select! {
        biased;
        outcome = AssertUnwindSafe(work).catch_unwind() => match outcome {
            Ok(outcome) => Ok(outcome?),
            Err(panic) => Err(ServerError::Panicked(panic_text(&*panic))),
        },
        () = clock.sleep(limit) => Err(ServerError::TimedOut(limit)),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// A connection with one request at a time; closed for good after the first failure that may have
/// left it out of step.
pub(super) struct Connection {
    client: Option<RawClient>,
    clock: Arc<dyn Clock>,
    limit: Duration,
}

impl Connection {
    /// Whether it can still be used.
    pub(super) fn is_open(&self) -> bool {
        self.client.is_some()
    }

    /// Runs a statement with parameters `@P1`, `@P2` …; every result set, each read to its end.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        parameters: &[&dyn ToSql],
    ) -> Result<Vec<Vec<Row>>, ServerError> {
        let mut client = self.take()?;
        let work = async { client.query(sql, parameters).await?.into_results().await };
        let outcome = bounded(&*self.clock, self.limit, work).await;
        self.settle(client, outcome)
    }

    /// Runs a batch without parameters, read to its end.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<Vec<Vec<Row>>, ServerError> {
        let mut client = self.take()?;
        let work = async { client.simple_query(sql).await?.into_results().await };
        let outcome = bounded(&*self.clock, self.limit, work).await;
        self.settle(client, outcome)
    }

    /// Begins a transaction that spans calls.
    pub(super) async fn begin(&mut self, isolation: IsolationLevel) -> Result<(), ServerError> {
        let mut client = self.take()?;
        let work = client.begin_transaction_with_isolation(isolation);
        let outcome = bounded(&*self.clock, self.limit, work).await;
        self.settle(client, outcome)
    }

    /// Commits it.
    pub(super) async fn commit(&mut self) -> Result<(), ServerError> {
        let mut client = self.take()?;
        let outcome = bounded(&*self.clock, self.limit, client.commit_transaction()).await;
        self.settle(client, outcome)
    }

    /// Loads rows in bulk; `table` is quoted by the caller, the values in the order of its columns
    /// but for identity and computed ones. Returns how many the server counted.
    pub(super) async fn bulk_load(
        &mut self,
        table: &str,
        rows: impl Iterator<Item = TokenRow<'_>>,
    ) -> Result<u64, ServerError> {
        let mut client = self.take()?;
        let work = async {
            let mut load = client.bulk_insert(table).await?;
            for row in rows {
                load.send(row).await?;
            }
            load.finalize().await.map(|done| done.total())
        };
        let outcome = bounded(&*self.clock, self.limit, work).await;
        self.settle(client, outcome)
    }

    /// The client itself, for a stream; [`settle`](Self::settle) takes it back.
    pub(super) fn take(&mut self) -> Result<RawClient, ServerError> {
        self.client.take().ok_or(ServerError::Closed)
    }

    /// Keeps the client after an answer that was read to its end, or after an ordinary error.
    pub(super) fn settle<T>(
        &mut self,
        client: RawClient,
        outcome: Result<T, ServerError>,
    ) -> Result<T, ServerError> {
        if outcome.as_ref().err().is_none_or(ServerError::leaves_connection_sound) {
            self.client = Some(client);
        }
        outcome
    }
}
