//! How SQL Server is reached: the keys that `[source]` and `[store]` share; and what is read of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::choices::{Encryption, Isolation, Login, Partition, SourceKind, StoreKind};
use super::secrets::Secret;
use super::settings::Settings;
use super::validate::{Check, ensure, filled};
use super::whole::Whole;

/// Where a server is and how to log in. Both halves of the world have these keys.
///
/// Part of two sections, so that it cannot refuse unknown keys itself: the schema refuses them
/// before, file by file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Name or address; not empty where the section's `kind` is `sqlserver`.
    pub host: String,
    /// TCP port.
    pub port: Whole<1, 65_535>,
    /// Named instance; empty is none.
    pub instance: String,
    /// Database; not empty where the section's `kind` is `sqlserver`.
    pub database: String,
    /// How to log in.
    pub login: Login,
    /// Name of the login; not empty for a login by password.
    pub user: String,
    /// What is encrypted.
    pub encryption: Encryption,
    /// File with an authority that is believed too; empty is none.
    pub ca_file: PathBuf,
    /// Believe every certificate.
    pub trust_any_certificate: bool,
    /// Name in the server's list of sessions.
    pub application_name: String,
    /// Bytes of a network packet.
    pub packet_size: Whole<512, 32_767>,
    /// Seconds.
    pub connect_timeout_s: Whole<1, 3_600>,
    /// Seconds.
    pub command_timeout_s: Whole<1, 86_400>,
    /// Seconds.
    pub lock_timeout_s: Whole<1, 86_400>,
    /// Most tries of one unit of work.
    pub attempts: Whole<1, 100>,
}

/// `[sqlserver]`: what is read of a SQL Server, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlServer {
    /// Table or view with the records.
    pub table: String,
    /// SELECT that gives the records instead; empty is none.
    pub query: String,
    /// What the reader sees of writers beside it.
    pub isolation: Isolation,
    /// Connections that read at once.
    pub connections: Whole<1, 64>,
    /// How they share the records.
    pub partition: Partition,
    /// Column of `partition = "range"`; empty is that of the time.
    pub partition_column: String,
}

impl SqlServer {
    /// The table of the built-in settings, which a query may stand beside.
    const DEFAULT_TABLE: &str = "dbo.incident";
}

impl Settings {
    /// The secrets that these settings need, each with the key that says so.
    #[must_use]
    pub fn needed_secrets(&self) -> Vec<(Secret, &'static str)> {
        let mut needed = Vec::new();
        if self.source.kind == SourceKind::SqlServer {
            needed.extend(match self.source.server.login {
                Login::Password => Some((Secret::SourcePassword, "source.login")),
                Login::Token => Some((Secret::SourceToken, "source.login")),
                Login::Kerberos => None,
            });
        }
        if self.store.kind == StoreKind::SqlServer {
            needed.extend(match self.store.server.login {
                Login::Password => Some((Secret::StorePassword, "store.login")),
                Login::Token => Some((Secret::StoreToken, "store.login")),
                Login::Kerberos => None,
            });
        }
        needed
    }
}

/// The first problem of the keys that concern SQL Server, used or not.
pub(super) fn validate(settings: &Settings) -> Check {
    let is_used = settings.source.kind == SourceKind::SqlServer;
    server("source", &settings.source.server, is_used)?;
    let is_used = settings.store.kind == StoreKind::SqlServer;
    server("store", &settings.store.server, is_used)?;
    read(&settings.sqlserver)
}

fn server(section: &str, server: &Server, is_used: bool) -> Check {
    let kind = format!("{section}.kind");
    let needed = |value: &str, name: &str| {
        let key = format!("{section}.{name}");
        ensure(!is_used || !value.trim().is_empty(), &[&kind, &key], || {
            format!("`{key}` is empty, while `{kind}` is `sqlserver`")
        })
    };
    needed(&server.host, "host")?;
    address(section, server)?;
    needed(&server.database, "database")?;
    if server.login == Login::Password {
        needed(&server.user, "user")?;
    }
    trust(section, server)?;
    let key = format!("{section}.application_name");
    let n_chars = server.application_name.chars().count();
    ensure((1..=MAX_NAME_CHARS).contains(&n_chars), &[&key], || {
        format!("`{key}` must be a name of 1 to {MAX_NAME_CHARS} characters")
    })
}

/// Characters of an identifier and of an application's name at the most, as SQL Server has it.
const MAX_NAME_CHARS: usize = 128;

/// A host as connection strings have it would be looked up as a name.
fn address(section: &str, server: &Server) -> Check {
    let (host, port, instance) =
        (format!("{section}.host"), format!("{section}.port"), format!("{section}.instance"));
    let is_plain = !server.host.contains([',', '\\', '/']) && !server.host.starts_with("tcp:");
    ensure(is_plain, &[&host], || {
        format!(
            "`{host}` (`{}`) must be a name or address alone; `{port}` and `{instance}` are keys \
             of their own",
            server.host
        )
    })?;
    let is_told = server.instance.is_empty() || server.port.get() == DEFAULT_PORT;
    ensure(is_told, &[&port, &instance], || {
        format!("`{port}` and `{instance}` exclude each other: an instance's port is asked for")
    })
}

/// The port of a server without a named instance.
const DEFAULT_PORT: u32 = 1433;

fn trust(section: &str, server: &Server) -> Check {
    let (ca_file, any) = (format!("{section}.ca_file"), format!("{section}.trust_any_certificate"));
    let has_file = !server.ca_file.as_os_str().is_empty();
    ensure(!(has_file && server.trust_any_certificate), &[&ca_file, &any], || {
        format!("`{ca_file}` and `{any}` exclude each other")
    })?;
    let (login, encryption) = (format!("{section}.login"), format!("{section}.encryption"));
    let is_bare = server.login == Login::Token && server.encryption == Encryption::Off;
    ensure(!is_bare, &[&login, &encryption], || {
        format!("`{encryption}` is `off`, which would send the token of `{login}` in the clear")
    })
}

fn read(sqlserver: &SqlServer) -> Check {
    let SqlServer { table, query, partition_column, .. } = sqlserver;
    filled(!table.trim().is_empty(), "sqlserver.table")?;
    let is_one = query.is_empty() || table == SqlServer::DEFAULT_TABLE;
    ensure(is_one, &["sqlserver.table", "sqlserver.query"], || {
        "`sqlserver.table` and `sqlserver.query` exclude each other".to_owned()
    })?;
    ensure(!query.trim_end().ends_with(';'), &["sqlserver.query"], || {
        "`sqlserver.query` must not end in `;`: it becomes a part of a statement".to_owned()
    })?;
    let is_used = partition_column.is_empty() || sqlserver.partition == Partition::Range;
    ensure(is_used, &["sqlserver.partition", "sqlserver.partition_column"], || {
        format!(
            "`sqlserver.partition_column` is of no use while `sqlserver.partition` is `{}`",
            sqlserver.partition
        )
    })
}
