//! What can go wrong between here and the server, and what kind of failure it is to the job.
//!
//! No message holds a credential: the driver's texts name the login, never its secret.

use std::time::Duration;

use super::identifier::IdentifierError;
use super::retry::RetryClass;
use crate::adapters::ledger_rules::LedgerError;
use crate::adapters::migrate::MigrationError;
use crate::ports::{FailureKind, PortError};

/// A unit of work on a server that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} on {server}")]
pub struct SqlServerError {
    /// What was to be done.
    pub doing: String,
    /// Address and database.
    pub server: String,
    /// Why it failed.
    pub source: UnitError,
}

/// Why a unit of work failed.
#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    /// The server, the network or the driver.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A change that no ledger makes.
    #[error(transparent)]
    Rule(#[from] LedgerError),
    /// A text that is longer than its column.
    #[error("{what} is longer than {limit} characters: `{text}`")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// UTF-16 units that the column holds.
        limit: usize,
        /// The text.
        text: String,
    },
    /// The rows that a run leaves did not arrive as they were sent.
    #[error("{n_sent} rows were sent and {n_kept} would have been kept; nothing was")]
    LostRows {
        /// Rows sent to the staging table.
        n_sent: i64,
        /// Rows that came from there.
        n_kept: i64,
    },
    /// A lock of the server's that was neither granted nor held by another.
    #[error("the server answered `{code}` to the request for the lock `{resource}`")]
    Lock {
        /// Name of the lock.
        resource: String,
        /// What `sp_getapplock` or `sp_releaseapplock` returned.
        code: i32,
    },
    /// A lock that the session should hold and does not.
    #[error("the lock `{0}` is gone: the server ended the session that held it")]
    LockLost(String),
    /// The schema is older than this program.
    #[error("schema `{schema}` has version {found}, this program needs {needed}")]
    SchemaOutdated {
        /// Its name.
        schema: String,
        /// Its version; 0 where it is not there.
        found: u32,
        /// Last version of this program.
        needed: u32,
    },
    /// The schema is newer than this program, or not ours.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// A value in the store that is not of the agreed form.
    #[error("column `{column}`: {what}")]
    Value {
        /// The column.
        column: String,
        /// What is wrong with its value.
        what: String,
    },
    /// A name of the settings that no statement can hold.
    #[error(transparent)]
    Identifier(#[from] IdentifierError),
    /// The source does not fit the settings.
    #[error("{what}")]
    Mapping {
        /// Whether a thing is missing, or there and of another form.
        kind: FailureKind,
        /// What is wrong, in words.
        what: String,
        /// What the operator can do.
        hint: Option<String>,
    },
    /// The stop signal, or a receiver that has gone.
    #[error("stopped before it was complete")]
    Cancelled,
}

/// What the server, the network or the driver said.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An error of the server, by its number.
    #[error("{message} (error {number})")]
    Answer {
        /// SQL Server's number.
        number: u32,
        /// Severity; from 20 on the server has closed the connection.
        severity: u8,
        /// Its text.
        message: String,
    },
    /// The network: no such name, no route, refused, closed.
    #[error("{0}")]
    Network(String),
    /// The certificate is not believed, or TLS cannot be agreed on.
    #[error("{0}")]
    Tls(String),
    /// The answer is no TDS.
    #[error("the server's answer cannot be read: {0}")]
    Protocol(String),
    /// The driver panicked on the answer.
    #[error("the driver broke off: {0}")]
    Panicked(String),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The gateway sends us to another server; reconnecting follows once only.
    #[error("the gateway sends us on to `{host},{port}`, again")]
    Redirected {
        /// Host.
        host: String,
        /// Port.
        port: u16,
    },
    /// The connection was given up after an earlier failure.
    #[error("the connection was closed after an earlier failure")]
    Closed,
    /// A certificate file of the settings cannot be read.
    #[error("cannot read the certificates of `{path}`")]
    CaFile {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The program was built without Kerberos.
    #[error("this program was built without Kerberos")]
    NoKerberos,
}

impl ServerError {
    /// What may be done after it.
    pub(super) fn retry_class(&self) -> RetryClass {
        match self {
            Self::Answer { number, severity, .. } => RetryClass::of_number(*number, *severity),
            Self::Network(_) | Self::Protocol(_) | Self::Panicked(_) | Self::Closed => {
                RetryClass::Reconnect
            }
            Self::TimedOut(_) => RetryClass::Unknown,
            Self::Tls(_) | Self::Redirected { .. } | Self::CaFile { .. } | Self::NoKerberos => {
                RetryClass::Never
            }
        }
    }

    /// Whether the connection is as good as before: an ordinary error of the server.
    pub(super) fn leaves_connection_sound(&self) -> bool {
        matches!(self, Self::Answer { severity, .. } if *severity < 20)
    }

    fn kind(&self) -> FailureKind {
        match self {
            Self::Answer { number, severity, .. } => kind_of_number(*number, *severity),
            Self::Network(_) | Self::Redirected { .. } | Self::Closed => FailureKind::Unreachable,
            Self::Tls(_) => FailureKind::Denied,
            Self::Protocol(_) | Self::Panicked(_) => FailureKind::Malformed,
            Self::TimedOut(_) => FailureKind::TimedOut,
            Self::CaFile { .. } | Self::NoKerberos => FailureKind::Missing,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Answer { number, .. } => hint_for_number(*number),
            Self::Tls(_) => Some(
                "name the authority that signed the server's certificate: `ca_file` in the \
                 section of the settings; the name in `host` must stand in the certificate",
            ),
            Self::Network(_) => Some(
                "check `host`, `port` and `instance` in the settings, the firewall, and that the \
                 server listens on TCP",
            ),
            Self::TimedOut(_) => Some(
                "look at the server's load and locks; `connect_timeout_s` and `command_timeout_s` \
                 in the settings are the limits",
            ),
            Self::Protocol(_) | Self::Panicked(_) => Some(
                "check that a SQL Server listens at that address, and that no other program \
                 stands between",
            ),
            Self::CaFile { .. } => Some("check `ca_file` in the settings"),
            Self::NoKerberos => Some("build it with the Cargo feature `kerberos`"),
            Self::Redirected { .. } | Self::Closed => None,
        }
    }
}

impl From<tiberius::error::Error> for ServerError {
    fn from(error: tiberius::error::Error) -> Self {
        use tiberius::error::Error;
        match error {
            Error::Server(answer) => Self::Answer {
                number: answer.code(),
                severity: answer.class(),
                message: answer.message().trim_end().to_owned(),
            },
            Error::Io { message, .. } => Self::Network(message),
            Error::Tls(message) => Self::Tls(without_advice(&message)),
            Error::Routing { host, port } => Self::Redirected { host, port },
            // What the driver says where the browser service does not answer or know the instance.
            Error::Conversion(text) if text.starts_with("SQL browser") => {
                Self::Network(text.into_owned())
            }
            other => Self::Protocol(other.to_string()),
        }
    }
}

/// The driver's text without its advice on the driver's own functions.
fn without_advice(message: &str) -> String {
    let end = message.find(" To connect anyway").unwrap_or(message.len());
    message[..end].trim_end_matches('.').to_owned()
}

fn kind_of_number(number: u32, severity: u8) -> FailureKind {
    match number {
        18456 | 18486 | 18487 | 18488 | 18452 => FailureKind::Denied,
        229 | 230 | 262 | 297 | 300 | 916 | 1088 | 2760 | 3906 | 15151 | 15247 => {
            FailureKind::Denied
        }
        207 | 208 | 911 | 2812 | 4060 | 4104 => FailureKind::Missing,
        245 | 8114 | 2628 | 8152 | 8115 | 3952 => FailureKind::Malformed,
        1101 | 1105 | 9002 | 40544 => FailureKind::Full,
        _ => match RetryClass::of_number(number, severity) {
            RetryClass::Transaction => FailureKind::Conflict,
            RetryClass::ReconnectLater => FailureKind::Busy,
            RetryClass::Reconnect if matches!(number, 49918..=49920 | 10928 | 10929) => {
                FailureKind::Busy
            }
            RetryClass::Reconnect | RetryClass::ReconnectBriefly => FailureKind::Unreachable,
            RetryClass::Unknown => FailureKind::TimedOut,
            RetryClass::Never => FailureKind::Internal,
        },
    }
}

fn hint_for_number(number: u32) -> Option<&'static str> {
    Some(match number {
        18456 | 18452 => {
            "check the user and its secret: `SPEEDFIT_SOURCE_PASSWORD`, `SPEEDFIT_STORE_PASSWORD`, \
             or the token"
        }
        18486..=18488 => "the login is locked or its password has expired: ask the administrator",
        229 | 230 | 262 | 297 | 300 | 916 | 1088 | 2760 | 15151 | 15247 => {
            "grant what `scripts/grants.sql` lists; `speedfit doctor` says what is missing"
        }
        4060 | 911 => "check `database` in the settings, and that the login has a user there",
        3952 => {
            "ask for ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON, or set \
             `sqlserver.isolation`"
        }
        3906 => "the database is read-only: name the primary replica in `store.host`",
        1101 | 1105 | 9002 | 40544 => "the database has no room left: ask the administrator",
        _ if kind_of_number(number, 0) == FailureKind::Internal => {
            "look the error's number up in SQL Server's documentation, or ask the administrator"
        }
        _ => return None,
    })
}

impl UnitError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Server(error) => error.kind(),
            Self::Mapping { kind, .. } => *kind,
            Self::SchemaOutdated { .. } => FailureKind::SchemaOutdated,
            Self::Migration(_) => FailureKind::SchemaForeign,
            Self::Value { .. } | Self::Identifier(_) | Self::TooLong { .. } => {
                FailureKind::Malformed
            }
            Self::Cancelled => FailureKind::Cancelled,
            Self::Rule(rule) => rule.kind(),
            Self::LostRows { .. } => FailureKind::Internal,
            // A deadlock that ended with this session's request, or a request given up.
            Self::Lock { code: -3, .. } => FailureKind::Conflict,
            Self::Lock { code: -1 | -2, .. } => FailureKind::Busy,
            Self::Lock { .. } => FailureKind::Internal,
            Self::LockLost(_) => FailureKind::Unreachable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Server(error) => error.hint().map(str::to_owned),
            Self::Mapping { hint, .. } => hint.clone(),
            Self::Identifier(_) => Some("check the name in the settings".to_owned()),
            _ => None,
        }
    }

    /// What may be done after it.
    pub(super) fn retry_class(&self) -> RetryClass {
        match self {
            Self::Server(error) => error.retry_class(),
            Self::Lock { code: -3, .. } => RetryClass::Transaction,
            _ => RetryClass::Never,
        }
    }
}

impl From<tiberius::error::Error> for UnitError {
    fn from(error: tiberius::error::Error) -> Self {
        Self::Server(error.into())
    }
}

impl From<SqlServerError> for PortError {
    fn from(error: SqlServerError) -> Self {
        let (kind, hint) = (error.source.kind(), error.source.hint());
        let error = Self::new(kind, error);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(number: u32) -> ServerError {
        ServerError::Answer { number, severity: 16, message: "said so".to_owned() }
    }

    #[test]
    fn numbers_are_told_apart_for_the_operator() {
        let check = |number: u32, kind: FailureKind| {
            assert_eq!(answer(number).kind(), kind, "{number}");
        };
        check(18456, FailureKind::Denied);
        check(229, FailureKind::Denied);
        check(208, FailureKind::Missing);
        check(4060, FailureKind::Missing);
        check(1205, FailureKind::Conflict);
        check(40613, FailureKind::Unreachable);
        check(922, FailureKind::Unreachable);
        check(40501, FailureKind::Busy);
        check(10928, FailureKind::Busy);
        check(1105, FailureKind::Full);
        check(8114, FailureKind::Malformed);
        check(2627, FailureKind::Internal);
    }

    #[test]
    fn what_is_transient_to_the_job_is_worth_a_retry_here() {
        for number in 1..50_000 {
            let error = answer(number);
            let again = error.retry_class() != RetryClass::Never;
            // A wrong name of a database is tried briefly: during a failover it looks the same.
            let brief = error.retry_class() == RetryClass::ReconnectBriefly;
            assert!(error.kind().is_transient() == again || brief, "{number}");
        }
    }

    #[test]
    fn the_drivers_advice_is_left_out() {
        let text = "the server's certificate was rejected during the TLS handshake: expired. To \
                    connect anyway you can: (1) …";
        assert_eq!(
            without_advice(text),
            "the server's certificate was rejected during the TLS handshake: expired"
        );
        assert_eq!(without_advice("plain"), "plain");
    }
}
