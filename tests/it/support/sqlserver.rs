//! A real T-SQL engine, where the variable `SPEEDFIT_TEST_SQLSERVER` names one, and databases of
//! one test each on it.
//!
//! The value is an ADO-style string: `Server=tcp:host,port;Database=master;User Id=…;Password=…;
//! Encrypt=…;TrustServerCertificate=…`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use secrecy::ExposeSecret as _;
use speedfit::adapters::sqlserver::{
    Encryption, Login, Mode, RetryPolicy, ServerOptions, SqlServerStore, StoreOptions, Trust,
};
use speedfit::ports::{PortResult, SchemaAdmin as _, SystemClock};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, Row};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_util::compat::TokioAsyncWriteCompatExt as _;

const VARIABLE: &str = "SPEEDFIT_TEST_SQLSERVER";

/// The engine that the variable names; says so where there is none.
#[expect(clippy::print_stderr, reason = "a test that did nothing says so")]
pub(crate) fn engine() -> Option<ServerOptions> {
    match std::env::var(VARIABLE) {
        Ok(text) if !text.trim().is_empty() => Some(parse(&text)),
        _ => {
            eprintln!("skipped: `{VARIABLE}` names no T-SQL engine");
            None
        }
    }
}

fn parse(text: &str) -> ServerOptions {
    let pairs: HashMap<String, &str> = text
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.trim().to_lowercase(), value.trim()))
        .collect();
    let value = |keys: &[&str]| keys.iter().find_map(|key| pairs.get(*key).copied());
    let server = value(&["server", "data source"]).unwrap();
    let server = server.strip_prefix("tcp:").unwrap_or(server);
    let (host, port) = server.split_once(',').unwrap_or((server, "1433"));
    let login = Login::Password {
        user: value(&["user id", "uid", "user"]).unwrap().to_owned(),
        password: value(&["password", "pwd"]).unwrap().into(),
    };
    let encrypt = value(&["encrypt"]).unwrap_or("true").to_lowercase();
    let trusted = value(&["trustservercertificate"]).unwrap_or("false");
    ServerOptions {
        port: port.trim().parse().unwrap(),
        encryption: match encrypt.as_str() {
            "strict" => Encryption::Strict,
            "true" | "yes" | "mandatory" => Encryption::Required,
            "dangerplaintext" => Encryption::Off,
            _ => Encryption::LoginOnly,
        },
        trust: match trusted.to_lowercase().as_str() {
            "true" | "yes" => Trust::AnyCertificate,
            _ => Trust::System,
        },
        ..ServerOptions::new(host.trim(), value(&["database"]).unwrap_or("master"), login)
    }
}

/// Held while a database is made or dropped. Babelfish differs: two at once collide.
static CHANGING: Mutex<()> = Mutex::const_new(());

/// A database of one test, dropped with this value.
pub(crate) struct TestDatabase {
    master: ServerOptions,
    /// How it is reached.
    pub(crate) options: ServerOptions,
}

impl TestDatabase {
    /// A new one on the engine, or `None` where there is no engine.
    pub(crate) async fn create() -> Option<Self> {
        static N: AtomicU32 = AtomicU32::new(0);
        let master = engine()?;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let name = format!(
            "sf{:x}_{}_{}",
            since.as_millis(),
            std::process::id(),
            N.fetch_add(1, Ordering::Relaxed)
        );
        let changing = CHANGING.lock().await;
        batch(&master, &format!("CREATE DATABASE [{name}]")).await.unwrap();
        drop(changing);
        let options = ServerOptions { database: name, ..master.clone() };
        Some(Self { master, options })
    }

    /// Runs a batch in it, as another client.
    pub(crate) async fn batch(&self, sql: &str) -> tiberius::Result<Vec<Vec<Row>>> {
        batch(&self.options, sql).await
    }

    /// Runs a script in it: batches between lines `GO`, all over one connection.
    pub(crate) async fn script(&self, sql: &str) -> tiberius::Result<()> {
        let mut client = connect(&self.options).await?;
        for part in sql.split("\nGO\n") {
            client.simple_query(part).await?.into_results().await?;
        }
        Ok(())
    }

    /// Options of a store in it.
    pub(crate) fn store(&self) -> StoreOptions {
        store_options(self.options.clone())
    }

    /// A store in it.
    pub(crate) async fn open(&self, mode: Mode) -> PortResult<SqlServerStore> {
        SqlServerStore::open(self.store(), mode, Arc::new(SystemClock)).await
    }

    /// A store in it, migrated.
    pub(crate) async fn migrated(&self) -> SqlServerStore {
        let store = self.open(Mode::Migrating).await.unwrap();
        store.migrate().await.unwrap();
        store
    }
}

/// Also when the test panics: in a thread of its own, since a value is dropped inside a runtime.
impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (master, name) = (self.master.clone(), self.options.database.clone());
        let dropping = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(drop_database(&master, &name));
        });
        let _ = dropping.join();
    }
}

/// The engine refuses as long as it has not noticed that the test's connections are closed.
#[expect(clippy::print_stderr, reason = "whoever owns the engine must know what is left there")]
async fn drop_database(master: &ServerOptions, name: &str) {
    let mut why = None;
    for _ in 0..100 {
        let alone = format!("ALTER DATABASE [{name}] SET SINGLE_USER WITH ROLLBACK IMMEDIATE");
        // Babelfish differs: it has no such statement.
        let _ = batch(master, &alone).await;
        let changing = CHANGING.lock().await;
        let dropped = batch(master, &format!("DROP DATABASE [{name}]")).await;
        drop(changing);
        match dropped {
            Ok(_) => return,
            Err(error) => why = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    eprintln!("the database `{name}` is left on the engine: {why:?}");
}

/// Options of a store on a server, with a retry that is as short as the server allows.
pub(crate) fn store_options(server: ServerOptions) -> StoreOptions {
    StoreOptions {
        server,
        schema: "speedfit".to_owned(),
        retry: RetryPolicy {
            base: Duration::from_millis(20),
            cap: Duration::from_millis(200),
            ..RetryPolicy::default()
        },
        lock_heartbeat: Duration::from_millis(100),
    }
}

/// Runs a batch over a connection of its own.
pub(crate) async fn batch(options: &ServerOptions, sql: &str) -> tiberius::Result<Vec<Vec<Row>>> {
    let mut client = connect(options).await?;
    client.simple_query(sql).await?.into_results().await
}

/// The driver's own client, as any program has it.
pub(crate) async fn connect(
    options: &ServerOptions,
) -> tiberius::Result<Client<tokio_util::compat::Compat<TcpStream>>> {
    let mut config = Config::new();
    config.host(&options.host);
    config.port(options.port);
    config.database(&options.database);
    if options.trust == Trust::AnyCertificate {
        config.trust_cert();
    }
    config.encryption(match options.encryption {
        Encryption::Strict => EncryptionLevel::Strict,
        Encryption::Required => EncryptionLevel::Required,
        Encryption::LoginOnly => EncryptionLevel::Off,
        Encryption::Off => EncryptionLevel::NotSupported,
    });
    if let Login::Password { user, password } = &options.login {
        config.authentication(AuthMethod::sql_server(user, password.expose_secret()));
    }
    let tcp = TcpStream::connect((options.host.as_str(), options.port)).await?;
    tcp.set_nodelay(true)?;
    Client::connect(config, tcp.compat_write()).await
}

#[test]
fn the_variables_value_is_read() {
    let options = parse(
        "Server=tcp:db.example,1444;Database=master;User Id=sa;Password=a=b c;Encrypt=strict;\
         TrustServerCertificate=true",
    );
    assert_eq!((options.host.as_str(), options.port), ("db.example", 1444));
    assert_eq!((options.encryption, options.trust), (Encryption::Strict, Trust::AnyCertificate));
    let Login::Password { user, password } = options.login else { panic!("no password") };
    assert_eq!((user.as_str(), password.expose_secret()), ("sa", "a=b c"));
}
