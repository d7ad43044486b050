//! From settings and secrets to the SQL Server adapter.

use std::path::PathBuf;
use std::time::Duration;

use super::world::{WorldError, clock, column_map, distance_unit, length_columns, time_unit};
use crate::adapters::sqlserver::{
    Encryption, FreshLogin, Isolation, Login, Mode, Partition, RecordsFrom, RetryPolicy, Section,
    ServerOptions, SourceOptions, SqlServerSource, SqlServerStore, StoreOptions, Trust,
};
use crate::config::{self, ConfigError, Loaded, Secret, Server};

/// How often the holder of a scope's lock asks whether it still has it.
const LOCK_HEARTBEAT: Duration = Duration::from_secs(5);

/// The store, its schema up to date.
pub(super) async fn store(loaded: &Loaded) -> Result<SqlServerStore, WorldError> {
    open(store_options(loaded)?, Mode::Existing).await
}

/// The store, whatever the version of its schema.
pub(super) async fn store_to_migrate(loaded: &Loaded) -> Result<SqlServerStore, WorldError> {
    open(store_options(loaded)?, Mode::Migrating).await
}

/// The store, whatever the version of its schema; nothing is tried twice.
pub(super) async fn store_to_examine(loaded: &Loaded) -> Result<SqlServerStore, WorldError> {
    let mut options = store_options(loaded)?;
    options.retry.attempts = 1;
    open(options, Mode::Migrating).await
}

async fn open(options: StoreOptions, mode: Mode) -> Result<SqlServerStore, WorldError> {
    SqlServerStore::open(options, mode, clock()).await.map_err(WorldError::Store)
}

fn store_options(loaded: &Loaded) -> Result<StoreOptions, ConfigError> {
    let settings = &loaded.settings.store;
    Ok(StoreOptions {
        server: ServerOptions {
            fresh_login: Some(fresh_login(loaded, Half::Store)),
            ..server_options(&settings.server, login(loaded, Half::Store)?, false)
        },
        schema: settings.schema.to_string(),
        retry: retry(&settings.server),
        lock_heartbeat: LOCK_HEARTBEAT,
    })
}

/// The source; nothing is connected yet.
pub(super) fn source(loaded: &Loaded) -> Result<SqlServerSource, WorldError> {
    SqlServerSource::new(source_options(loaded)?, clock()).map_err(WorldError::Source)
}

/// The source; nothing is tried twice.
pub(super) fn source_to_examine(loaded: &Loaded) -> Result<SqlServerSource, WorldError> {
    let mut options = source_options(loaded)?;
    options.retry.attempts = 1;
    SqlServerSource::new(options, clock()).map_err(WorldError::Source)
}

fn source_options(loaded: &Loaded) -> Result<SourceOptions, ConfigError> {
    let settings = &loaded.settings;
    let (source, read) = (&settings.source, &settings.sqlserver);
    let login = login(loaded, Half::Source)?;
    Ok(SourceOptions {
        server: ServerOptions {
            section: Section::Source,
            fresh_login: Some(fresh_login(loaded, Half::Source)),
            ..server_options(&source.server, login, source.read_only_intent)
        },
        retry: retry(&source.server),
        records: match read.query.as_str() {
            "" => RecordsFrom::Table(read.table.clone()),
            query => RecordsFrom::Query(query.to_owned()),
        },
        columns: column_map(settings),
        lengths: length_columns(settings),
        distance_unit: distance_unit(settings),
        time_unit: time_unit(settings),
        time_zone: settings.time_zone.clone(),
        isolation: match read.isolation {
            config::Isolation::Auto => Isolation::Auto,
            config::Isolation::Snapshot => Isolation::Snapshot,
            config::Isolation::ReadCommitted => Isolation::ReadCommitted,
        },
        connections: read.connections.count(),
        partition: match read.partition {
            config::Partition::Off => Partition::Off,
            config::Partition::Region => Partition::Region,
            config::Partition::Range => Partition::Range { column: text(&read.partition_column) },
        },
    })
}

fn text(setting: &str) -> Option<String> {
    (!setting.is_empty()).then(|| setting.to_owned())
}

fn server_options(server: &Server, login: Login, read_only_intent: bool) -> ServerOptions {
    let instance = text(&server.instance);
    let port = match instance {
        Some(_) => ServerOptions::BROWSER_PORT,
        None => server.port.port(),
    };
    ServerOptions {
        port,
        instance,
        encryption: match server.encryption {
            config::Encryption::Strict => Encryption::Strict,
            config::Encryption::Required => Encryption::Required,
            config::Encryption::LoginOnly => Encryption::LoginOnly,
            config::Encryption::Off => Encryption::Off,
        },
        trust: trust(server),
        read_only_intent,
        application_name: server.application_name.clone(),
        packet_size: server.packet_size.get(),
        connect_timeout: server.connect_timeout_s.seconds(),
        command_timeout: server.command_timeout_s.seconds(),
        lock_timeout: server.lock_timeout_s.seconds(),
        ..ServerOptions::new(&server.host, &server.database, login)
    }
}

fn trust(server: &Server) -> Trust {
    if server.trust_any_certificate {
        Trust::AnyCertificate
    } else if server.ca_file.as_os_str().is_empty() {
        Trust::System
    } else {
        Trust::CaFile(PathBuf::from(&server.ca_file))
    }
}

fn retry(server: &Server) -> RetryPolicy {
    RetryPolicy { attempts: server.attempts.get(), seed: seed(), ..RetryPolicy::default() }
}

/// Different in every process, so that two that failed together do not try again together.
fn seed() -> u64 {
    let (now_us, process) = (clock().now().as_microsecond(), u64::from(std::process::id()));
    now_us.cast_unsigned() ^ (process << 32)
}

#[derive(Clone, Copy)]
enum Half {
    Source,
    Store,
}

/// The login with the secret as it is when a connection is opened: a process that serves for months
/// outlives its password.
fn fresh_login(loaded: &Loaded, half: Half) -> FreshLogin {
    let settings = &loaded.settings;
    let (server, password, token) = match half {
        Half::Source => (&settings.source.server, Secret::SourcePassword, Secret::SourceToken),
        Half::Store => (&settings.store.server, Secret::StorePassword, Secret::StoreToken),
    };
    let (kind, user, secrets) = (server.login, server.user.clone(), loaded.secrets.clone());
    FreshLogin::new(move || match kind {
        config::Login::Password => {
            let password = secrets.now(password)?;
            Some(Login::Password { user: user.clone(), password })
        }
        config::Login::Token => secrets.now(token).map(Login::Token),
        config::Login::Kerberos => None,
    })
}

fn login(loaded: &Loaded, half: Half) -> Result<Login, ConfigError> {
    let settings = &loaded.settings;
    let (server, key, password, token) = match half {
        Half::Source => {
            (&settings.source.server, "source.login", Secret::SourcePassword, Secret::SourceToken)
        }
        Half::Store => {
            (&settings.store.server, "store.login", Secret::StorePassword, Secret::StoreToken)
        }
    };
    Ok(match server.login {
        config::Login::Password => Login::Password {
            user: server.user.clone(),
            password: loaded.secrets.require(password, key)?.clone(),
        },
        config::Login::Token => Login::Token(loaded.secrets.require(token, key)?.clone()),
        config::Login::Kerberos => Login::Kerberos,
    })
}
