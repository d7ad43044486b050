//! How a server is reached and what is read of it: plain values, no settings, no driver.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

/// How a server is reached, and as whom.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Section of the settings that these come from, for hints.
    pub section: Section,
    /// Name or address.
    pub host: String,
    /// TCP port; with an [`instance`](Self::instance) the one of the browser service, usually 1434.
    pub port: u16,
    /// Named instance, whose port the browser service tells.
    pub instance: Option<String>,
    /// Database.
    pub database: String,
    /// Who logs in.
    pub login: Login,
    /// Who logs in by now, where that may have changed since: asked for at each new connection.
    pub fresh_login: Option<FreshLogin>,
    /// How the wire is encrypted.
    pub encryption: Encryption,
    /// Which certificates are believed.
    pub trust: Trust,
    /// Whether a readable secondary will do.
    pub read_only_intent: bool,
    /// Name in the server's list of sessions.
    pub application_name: String,
    /// Bytes of a network packet, 512 to 32767.
    pub packet_size: u32,
    /// Longest time for name, network, TLS and login together.
    pub connect_timeout: Duration,
    /// Longest time for one statement's answer; while records are read, for one batch of them.
    pub command_timeout: Duration,
    /// Longest time that a statement waits on the server for another's lock.
    pub lock_timeout: Duration,
}

impl ServerOptions {
    /// TCP port of a server without a named instance.
    pub const DEFAULT_PORT: u16 = 1433;
    /// UDP port of the browser service.
    pub const BROWSER_PORT: u16 = 1434;

    /// Options with the defaults of everything but the address and the login.
    #[must_use]
    pub fn new(host: impl Into<String>, database: impl Into<String>, login: Login) -> Self {
        Self {
            section: Section::Store,
            host: host.into(),
            port: Self::DEFAULT_PORT,
            instance: None,
            database: database.into(),
            login,
            fresh_login: None,
            encryption: Encryption::Required,
            trust: Trust::System,
            read_only_intent: false,
            application_name: "speedfit".to_owned(),
            // Larger packets are fewer round trips; the driver's 4096 is SQL Server's old default.
            packet_size: 32_767,
            connect_timeout: Duration::from_secs(15),
            command_timeout: Duration::from_secs(120),
            lock_timeout: Duration::from_secs(30),
        }
    }
}

/// Address and database, for messages; no credential.
impl fmt::Display for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, database, .. } = self;
        match &self.instance {
            Some(instance) => write!(f, r"SQL Server `{host}\{instance}`, database `{database}`"),
            None => write!(f, "SQL Server `{host},{port}`, database `{database}`"),
        }
    }
}

/// A section of the settings that names a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Where the records are.
    Source,
    /// Where the results go.
    Store,
}

impl Section {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Store => "store",
        }
    }

    /// The variables of its secrets: password and token.
    pub(super) fn secrets(self) -> [&'static str; 2] {
        match self {
            Self::Source => ["SPEEDFIT_SOURCE_PASSWORD", "SPEEDFIT_SOURCE_TOKEN"],
            Self::Store => ["SPEEDFIT_STORE_PASSWORD", "SPEEDFIT_STORE_TOKEN"],
        }
    }
}

/// Who logs in.
#[derive(Debug, Clone)]
pub enum Login {
    /// A login of SQL Server's own.
    Password {
        /// Its name.
        user: String,
        /// Its password.
        password: SecretString,
    },
    /// An access token of Microsoft Entra ID (Azure AD), got elsewhere.
    Token(SecretString),
    /// The ticket of the user who runs the program; needs the Cargo feature `kerberos`.
    Kerberos,
}

/// Gives the login of the moment; `None` where it is what it was.
#[derive(Clone)]
pub struct FreshLogin(Arc<dyn Fn() -> Option<Login> + Send + Sync>);

impl FreshLogin {
    /// Asks this.
    pub fn new(login: impl Fn() -> Option<Login> + Send + Sync + 'static) -> Self {
        Self(Arc::new(login))
    }

    pub(super) fn get(&self) -> Option<Login> {
        (self.0)()
    }
}

/// No credential.
impl fmt::Debug for FreshLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FreshLogin(..)")
    }
}

/// How the wire is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// TDS 8: TLS before anything else.
    Strict,
    /// TLS for the whole session, agreed on in the clear; refused where the server has none.
    Required,
    /// TLS for the login only; the records travel in the clear.
    LoginOnly,
    /// None at all, the password included.
    Off,
}

/// Which certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those of the operating system's authorities.
    System,
    /// Those, and the authorities in this file (PEM or DER).
    CaFile(PathBuf),
    /// Every certificate, an impostor's too.
    AnyCertificate,
}
