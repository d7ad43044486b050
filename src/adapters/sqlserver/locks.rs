//! Locks of scopes: application locks of sessions, which the server ends with the session, however
//! that dies.
//!
//! Each lock has a connection of its own, in a task that looks at every heartbeat whether the
//! connection lives and the lock is held, and that ends with the lock.

use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tiberius::Row;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::connection::{Connection, Connector};
use super::error::{ServerError, SqlServerError, UnitError};
use super::examine::{cell, only_row};
use super::store::SqlServerStore;
use super::unit::Unit;
use crate::adapters::ledger_rules::LedgerError;
use crate::ports::{
    FailureKind, LockKey, PortError, PortResult, ScopeLock, ScopeLocks, with_causes,
};

/// Longest name of a lock, in UTF-16 units: `sp_getapplock` takes `nvarchar(255)`.
const MAX_RESOURCE_UNITS: usize = 255;
/// How long the server waits before it says that a lock is another's: it may not have noticed yet
/// that a holder's connection has just been closed.
const GRACE: Duration = Duration::from_millis(500);
/// How long a look at the lock may take: a server that does not answer for so long may have ended
/// the session.
const LOOK_LIMIT: Duration = Duration::from_secs(30);

/// The lock's name on the server. What does not fit is told apart by its hash.
pub(super) fn resource(kind: &str, schema: &str, name: &str) -> String {
    let whole = format!("{kind}:{schema}:{name}");
    if whole.encode_utf16().count() <= MAX_RESOURCE_UNITS {
        return whole;
    }
    let mut hash = String::new();
    for byte in Sha256::digest(&whole) {
        // Writing to a `String` cannot fail.
        let _ = write!(hash, "{byte:02x}");
    }
    // At most two units a character, so that the hash fits behind it.
    let shown: String = whole.chars().take((MAX_RESOURCE_UNITS - 1 - hash.len()) / 2).collect();
    format!("{shown}~{hash}")
}

/// A wait as the server takes it.
pub(super) fn timeout_ms(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

/// Takes a lock for the session; false where another holds it until the timeout.
pub(super) async fn take(
    connection: &mut Connection,
    resource: &str,
    timeout_ms: i32,
) -> Result<bool, UnitError> {
    let sql = include_str!("sql/take_lock.sql");
    let row = only_row(connection.query(sql, &[&resource, &timeout_ms]).await?)?;
    let code: i32 = cell(&row, "code")?;
    match code {
        0 | 1 => Ok(true),
        -1 => Ok(false),
        // Babelfish differs: it answers so, not by -1, where another holds the lock.
        -999 if cell::<i32>(&row, "is_grantable")? == 0 => Ok(false),
        _ => Err(UnitError::Lock { resource: resource.to_owned(), code }),
    }
}

/// Gives a lock of the session back.
pub(super) async fn release(connection: &mut Connection, resource: &str) -> Result<(), UnitError> {
    let sql = include_str!("sql/release_lock.sql");
    let row = only_row(connection.query(sql, &[&resource]).await?)?;
    match cell::<i32>(&row, "code")? {
        0 => Ok(()),
        code => Err(UnitError::Lock { resource: resource.to_owned(), code }),
    }
}

/// Whether the session still holds the lock.
async fn look(connection: &mut Connection, resource: &str) -> Result<(), UnitError> {
    let sql = include_str!("sql/hold_lock.sql");
    let row = only_row(connection.query(sql, &[&resource]).await?)?;
    match cell::<&str>(&row, "mode")? {
        "Exclusive" => Ok(()),
        _ => Err(UnitError::LockLost(resource.to_owned())),
    }
}

/// What a transaction found of the lock that it was to be made under.
pub(super) fn check_held(row: &Row, scope: &str) -> Result<(), UnitError> {
    match cell::<i32>(row, "is_held")? {
        1 => Ok(()),
        _ => Err(LedgerError::LockLost(scope.to_owned()).into()),
    }
}

struct TakeLock<'a> {
    scope: &'a str,
    resource: &'a str,
    /// A second lock of the same session, which no other session ever asks for: while it is held, so
    /// is the first. Transactions test it.
    holder: &'a LockKey,
}

#[async_trait]
impl Unit for TakeLock<'_> {
    type Output = bool;

    fn doing(&self) -> String {
        format!("lock scope `{}`", self.scope)
    }

    async fn attempt(&self, connection: &mut Connection, _: u32) -> Result<bool, UnitError> {
        Ok(take(connection, self.resource, timeout_ms(GRACE)).await?
            && take(connection, &self.holder.0, 0).await?)
    }
}

#[async_trait]
impl ScopeLocks for SqlServerStore {
    async fn try_lock(&self, scope: &str) -> PortResult<Option<Box<dyn ScopeLock>>> {
        let resource = resource("speedfit", self.schema.name(), scope);
        let holder = LockKey(format!("speedfit-holder:{}", self.fresh_key()));
        let (session, unit) =
            (self.own_session(), TakeLock { scope, resource: &resource, holder: &holder });
        if !session.run(&unit).await? {
            return Ok(None);
        }
        let Some(connection) = session.into_connection() else {
            return Err(self.error(unit.doing(), UnitError::LockLost(resource)));
        };
        let connector = self.connector().clone();
        let (scope, key) = (scope.to_owned(), holder.clone());
        let keeper = Keeper { connection, scope, resource, holder, connector };
        Ok(Some(Box::new(HeldLock::new(keeper, key, self.options.lock_heartbeat))))
    }

    async fn is_locked(&self, scope: &str) -> PortResult<bool> {
        let resource = resource("speedfit", self.schema.name(), scope);
        let doing = format!("look at the lock of scope `{scope}`");
        self.read(doing, include_str!("sql/test_lock.sql"), &[&resource], |rows| {
            let [row] = rows else { return Err(UnitError::LockLost(resource.clone())) };
            Ok(cell::<i32>(row, "is_grantable")? == 0)
        })
        .await
    }
}

/// Why a lock is lost, to be told more than once.
#[derive(Debug, Clone)]
struct Loss {
    kind: FailureKind,
    hint: Option<String>,
    text: String,
}

impl Loss {
    fn new(error: &PortError) -> Self {
        Self { kind: error.kind, hint: error.hint.clone(), text: with_causes(error) }
    }
}

/// A lock, as long as its task lives.
struct HeldLock {
    scope: String,
    key: LockKey,
    lost: watch::Receiver<Option<Loss>>,
    release: oneshot::Sender<()>,
    /// Ends the task when it is dropped, and with it the connection.
    task: JoinSet<Result<(), SqlServerError>>,
}

impl HeldLock {
    fn new(keeper: Keeper, key: LockKey, heartbeat: Duration) -> Self {
        let (sender, lost) = watch::channel(None);
        let (release, released) = oneshot::channel();
        let scope = keeper.scope.clone();
        let mut task = JoinSet::new();
        task.spawn(keeper.keep(heartbeat, released, sender));
        Self { scope, key, lost, release, task }
    }
}

#[async_trait]
impl ScopeLock for HeldLock {
    fn key(&self) -> LockKey {
        self.key.clone()
    }

    async fn lost(&self) -> PortError {
        let mut lost = self.lost.clone();
        let loss = match lost.wait_for(Option::is_some).await {
            Ok(loss) => loss.clone(),
            // The task broke off, and its connection with it.
            Err(_) => None,
        };
        match loss {
            Some(Loss { kind, hint, text }) => {
                let error = PortError::new(kind, text);
                match hint {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                }
            }
            None => {
                let text = format!("the keeper of the lock of scope `{}` broke off", self.scope);
                PortError::new(FailureKind::Internal, text)
            }
        }
    }

    async fn release(mut self: Box<Self>) -> PortResult<()> {
        // Fails where the lock is lost already: then there is nothing to give back.
        let _ = self.release.send(());
        match self.task.join_next().await {
            Some(Ok(released)) => Ok(released?),
            Some(Err(broken)) => Err(PortError::new(FailureKind::Internal, broken)),
            None => Ok(()),
        }
    }
}

/// Holds the lock's connection.
struct Keeper {
    connection: Connection,
    scope: String,
    resource: String,
    holder: LockKey,
    connector: Connector,
}

impl Keeper {
    /// Looks at the lock at every heartbeat, until it is lost or to be released.
    async fn keep(
        mut self,
        heartbeat: Duration,
        mut released: oneshot::Receiver<()>,
        lost: watch::Sender<Option<Loss>>,
    ) -> Result<(), SqlServerError> {
        loop {
            let due = tokio::select! {
                biased;
                _ = &mut released => false,
                () = self.connector.clock().sleep(heartbeat) => true,
            };
            if !due {
                let done = self.release().await;
                return done.map_err(|source| self.error("release", source));
            }
            let looked = tokio::select! {
                biased;
                looked = look(&mut self.connection, &self.resource) => looked,
                () = self.connector.clock().sleep(LOOK_LIMIT) => Err(ServerError::TimedOut(LOOK_LIMIT).into()),
            };
            if let Err(source) = looked {
                let error = PortError::from(self.error("hold", source));
                lost.send_replace(Some(Loss::new(&error)));
                return Ok(());
            }
        }
    }

    /// The holder's own lock first: no transaction finds it held when the scope's is another's.
    async fn release(&mut self) -> Result<(), UnitError> {
        release(&mut self.connection, &self.holder.0).await?;
        release(&mut self.connection, &self.resource).await
    }

    fn error(&self, doing: &str, source: UnitError) -> SqlServerError {
        let doing = format!("{doing} the lock of scope `{}`", self.scope);
        SqlServerError::new(doing, self.connector.options(), source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_a_name_of_its_own_that_fits() {
        let long = "x".repeat(300);
        let trucks = "🚒".repeat(200);
        let scopes = [
            "",
            "a",
            "A",
            "a/b",
            "a:b",
            &long,
            &format!("{long}y"),
            &trucks,
            &format!("{trucks}!"),
        ];
        let names: Vec<String> =
            scopes.iter().map(|scope| resource("speedfit", "speedfit", scope)).collect();
        for (n, name) in names.iter().enumerate() {
            assert!(name.encode_utf16().count() <= MAX_RESOURCE_UNITS, "{name}");
            assert!(!names[..n].contains(name), "{name}");
        }
        assert_eq!(names[1], "speedfit:speedfit:a");
    }

    #[test]
    fn waits_fit_the_servers_number() {
        assert_eq!(timeout_ms(Duration::from_secs(30)), 30_000);
        assert_eq!(timeout_ms(Duration::MAX), i32::MAX);
    }
}
