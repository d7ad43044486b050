//! What can go wrong between here and the server, and what kind of failure it is to the job.
//!
//! No message holds a credential: the driver's texts name the login, never its secret.

use std::time::Duration;

use super::identifier::IdentifierError;
use super::options::{Section, ServerOptions};
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
    /// Section of the settings that names the server.
    pub section: Section,
    /// Why it failed.
    pub source: UnitError,
}

impl SqlServerError {
    pub(super) fn new(doing: impl Into<String>, server: &ServerOptions, source: UnitError) -> Self {
        let (doing, section) = (doing.into(), server.section);
        Self { doing, server: server.to_string(), section, source }
    }
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
    /// The certificate is not believed.
    #[error("{0}")]
    Tls(String),
    /// The server has no version or cipher of TLS that this program has.
    #[error("no TLS can be agreed on: {0}")]
    OldTls(String),
    /// The server encrypts nothing, and the settings ask for it.
    #[error("the server offers no encryption, and the settings ask for it")]
    NoEncryption,
    /// The server did not answer the TLS of TDS 8, which the settings ask for.
    #[error("the server does not answer to `encryption = \"strict\"`: {0}")]
    NoStrictTls(String),
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
            Self::Tls(_)
            | Self::OldTls(_)
            | Self::NoEncryption
            | Self::NoStrictTls(_)
            | Self::Redirected { .. }
            | Self::CaFile { .. }
            | Self::NoKerberos => RetryClass::Never,
        }
    }

    /// Whether the connection is as good as before: an ordinary error of the server.
    pub(super) fn leaves_connection_sound(&self) -> bool {
        matches!(self, Self::Answer { severity, .. } if *severity < 20)
    }

    fn kind(&self) -> FailureKind {
        match self {
            Self::Answer { number, message, .. } if is_denied_elsewhere(*number, message) => {
                FailureKind::Denied
            }
            Self::Answer { number, severity, .. } => kind_of_number(*number, *severity),
            Self::Network(_) | Self::Redirected { .. } | Self::Closed => FailureKind::Unreachable,
            Self::Tls(_) | Self::OldTls(_) | Self::NoEncryption | Self::NoStrictTls(_) => {
                FailureKind::Denied
            }
            Self::Protocol(_) | Self::Panicked(_) => FailureKind::Malformed,
            Self::TimedOut(_) => FailureKind::TimedOut,
            Self::CaFile { .. } | Self::NoKerberos => FailureKind::Missing,
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
            Error::Io { message, .. } if is_old_tls(&message) => Self::OldTls(message),
            Error::Io { message, .. } => Self::Network(message),
            Error::Protocol(text) if text.contains("requested encryption level") => {
                Self::NoEncryption
            }
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

/// Whether the server ended a handshake since it has no TLS in common with this program: what rustls
/// says of an alert, or of an answer in an older version.
fn is_old_tls(message: &str) -> bool {
    ["HandshakeFailure", "ProtocolVersion", "InsufficientSecurity", "peer is incompatible"]
        .iter()
        .any(|sign| message.contains(sign))
}

/// The driver's text without its advice on the driver's own functions.
fn without_advice(message: &str) -> String {
    let end = message.find(" To connect anyway").unwrap_or(message.len());
    message[..end].trim_end_matches('.').to_owned()
}

/// Numbers from here on are not SQL Server's own.
const FIRST_FOREIGN_NUMBER: u32 = 50_000;

/// Whether another engine that speaks T-SQL says that a right is missing, where SQL Server has the
/// number 229: Babelfish hands on the text of PostgreSQL, under a number of its own for all such texts.
pub(super) fn is_denied_elsewhere(number: u32, message: &str) -> bool {
    number >= FIRST_FOREIGN_NUMBER && message.starts_with("permission denied for ")
}

pub(super) fn kind_of_number(number: u32, severity: u8) -> FailureKind {
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

    fn hint(&self, section: Section) -> Option<String> {
        match self {
            Self::Server(error) => error.hint(section),
            Self::Mapping { hint, .. } => hint.clone(),
            Self::Identifier(_) => Some("check the name in the settings".to_owned()),
            // The server shows no table that the login may not read.
            Self::SchemaOutdated { found: 0, .. } => Some(
                "run `speedfit migrate`; where that was done, grant the login what \
                 `scripts/grants.sql` lists"
                    .to_owned(),
            ),
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
        let (context, section) = (error.to_string(), error.section);
        let (kind, hint) = (error.source.kind(), error.source.hint(section));
        let error = Self::new(kind, error.source).within(context);
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
        for number in [229, 230, 262, 297, 300, 916] {
            check(number, FailureKind::Denied);
        }
    }

    #[test]
    fn a_missing_right_is_known_by_its_text_on_another_engine() {
        let check = |number: u32, message: &str, kind: FailureKind| {
            let error = ServerError::Answer { number, severity: 16, message: message.to_owned() };
            assert_eq!(error.kind(), kind, "{number} {message}");
            assert_eq!(error.retry_class(), RetryClass::Never, "{number} {message}");
        };
        check(33_557_097, "permission denied for table run", FailureKind::Denied);
        check(33_557_097, "value too long for type character varying(3)", FailureKind::Internal);
        check(2627, "permission denied for table run", FailureKind::Internal);
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
    fn what_stays_is_not_tried_again() {
        let check = |text: &str, stays: bool| {
            let error = tiberius::error::Error::Io {
                kind: std::io::ErrorKind::InvalidData,
                message: text.to_owned(),
            };
            let error = ServerError::from(error);
            assert_eq!(error.retry_class() == RetryClass::Never, stays, "{text}");
            assert_eq!(!error.kind().is_transient(), stays, "{text}");
        };
        check("received fatal alert: HandshakeFailure", true);
        check("received fatal alert: ProtocolVersion", true);
        check("peer is incompatible: ServerDoesNotSupportTls12Or13", true);
        check("tls handshake eof", false);
        check("Connection reset by peer (os error 104)", false);
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
