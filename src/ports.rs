//! What a run needs from the world, each with its contract.
//!
//! Adapters implement these traits; the job sees nothing else of the world. The contract suite in
//! `tests/it/store_contract.rs` runs against every store.

mod examine;
mod failure;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::domain::{
    ParameterSet, Publication, RecordBatch, RefusalRow, RunCounts, RunId, RunNotice, RunRequest,
    RunRow, RunStatus, Selection, Trigger, Window,
};

pub use examine::{Examine, Finding, Grade};
pub use failure::{FailureKind, PortError, PortResult, with_causes};

/// Which records a run wants.
#[derive(Debug, Clone, Default)]
pub struct ReadQuery {
    /// Records of this span; records without a time stamp are delivered too, so that they are
    /// counted.
    pub window: Window,
    /// Records of these regions; where not all are selected, nameless ones are left out.
    pub selection: Selection,
    /// Whether lengths by class of road are to be read.
    pub lengths: Lengths,
}

/// Whether lengths by class of road are wanted, which most models do not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lengths {
    /// They are left where they are.
    #[default]
    No,
    /// They are delivered where there are any.
    IfAny,
    /// A source that has records, but none with lengths, fails.
    Needed,
}

/// Where incident records come from.
#[async_trait]
pub trait RecordSource: Send + Sync {
    /// What it is, for logs and messages; never a credential.
    fn describe(&self) -> String;

    /// Rows that [`read`](Self::read) will deliver, where that is cheap to know: for the progress
    /// bar only.
    async fn n_rows_hint(&self, query: &ReadQuery) -> PortResult<Option<u64>>;

    /// Sends every record that the query asks for, once, in batches of at most
    /// [`RecordBatch::MAX_ROWS`] rows, in any order; returns when the last is sent. Every batch of
    /// one read has the same classes of road.
    ///
    /// A source may deliver rows outside the window (a file does); the job refuses them. A row that
    /// cannot be read is delivered with its fault. The channel's bound is the back-pressure. When
    /// `cancel` fires or the receiver is gone it stops soon, with [`FailureKind::Cancelled`].
    /// Holds no transaction open longer than the read.
    async fn read(
        &self,
        query: &ReadQuery,
        batches: mpsc::Sender<RecordBatch>,
        cancel: &CancellationToken,
    ) -> PortResult<()>;
}

/// Everything that a run leaves in the store when it ends.
#[derive(Debug, Clone)]
pub struct Conclusion {
    /// The run.
    pub run_id: RunId,
    /// A final status.
    pub status: RunStatus,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it counted.
    pub counts: RunCounts,
    /// The process's exit code.
    pub exit_code: u8,
    /// How it ended, in words.
    pub message: String,
    /// Groups and parameters; empty for a run that ended early.
    pub set: ParameterSet,
    /// Refusals by region and reason.
    pub refusals: Vec<RefusalRow>,
    /// The move of the mark, for a run that publishes.
    pub publication: Option<Publication>,
    /// The scope's lock, for a run that publishes: checked in the same transaction.
    pub lock: Option<LockKey>,
}

impl Conclusion {
    /// The end of a run that leaves neither counts nor parameters; the exit code is 0 and the message
    /// empty until they are set.
    #[must_use]
    pub fn without_set(run_id: RunId, status: RunStatus, finished_at: Timestamp) -> Self {
        Self {
            run_id,
            status,
            finished_at,
            counts: RunCounts::default(),
            exit_code: 0,
            message: String::new(),
            set: ParameterSet::default(),
            refusals: Vec::new(),
            publication: None,
            lock: None,
        }
    }
}

/// Which rows of the ledger are wanted.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Runs of this scope only.
    pub scope: Option<String>,
    /// Runs with this status only.
    pub status: Option<RunStatus>,
    /// Runs that this made start only.
    pub trigger: Option<Trigger>,
    /// At most this many, newest first; 0 is no limit.
    pub limit: u32,
}

/// The ledger: a row for every run from request to end, whatever happens.
///
/// Every call is one transaction: it took place whole, or not at all.
#[async_trait]
pub trait RunJournal: Send + Sync {
    /// Writes a row `requested` and returns its number, higher than every number before it.
    ///
    /// # Errors
    /// [`FailureKind::Taken`] where the scope has a run of the same slot, whoever made it.
    async fn request(&self, request: &RunRequest) -> PortResult<RunId>;

    /// Moves a `requested` run to `running`.
    ///
    /// # Errors
    /// [`FailureKind::Internal`] where the run is not `requested`.
    async fn start(&self, run_id: RunId, started_at: Timestamp) -> PortResult<()>;

    /// Ends a run that is not over: status, counts, groups, parameters, refusals and, where there is
    /// a publication, the move of the mark, in one transaction. Before it nothing of the run's
    /// parameters is visible; after it all of it. A run that is over already is an error, and
    /// nothing changes. Of two calls for one run at most one succeeds, so that a call that succeeds
    /// also proves that no other has, and none will.
    ///
    /// # Errors
    /// [`FailureKind::LockLost`] where the conclusion names a lock that is no longer held, or another
    /// holder of it has marked the run `abandoned`; [`FailureKind::Internal`] where the run cannot
    /// pass to that status otherwise.
    async fn conclude(&self, conclusion: &Conclusion) -> PortResult<()>;

    /// Marks every `running` run of the scope as `abandoned` and returns them. Only the holder of
    /// the scope's lock may call it, whose key is `lock`: then no such run holds the lock. Waits for
    /// the end of a publication of the scope that is under way; one that comes later, of a former
    /// holder, fails.
    ///
    /// # Errors
    /// [`FailureKind::LockLost`] where that lock is no longer held; nothing changes then.
    async fn abandon_dead(
        &self,
        scope: &str,
        found_at: Timestamp,
        lock: Option<&LockKey>,
    ) -> PortResult<Vec<RunId>>;

    /// One row, or `None` where there is no such run.
    async fn run(&self, run_id: RunId) -> PortResult<Option<RunRow>>;

    /// Rows, newest first.
    async fn runs(&self, filter: &RunFilter) -> PortResult<Vec<RunRow>>;

    /// The refusals of a run, by region and reason.
    async fn refusals(&self, run_id: RunId) -> PortResult<Vec<RefusalRow>>;

    /// Keeps the settings that a hash stands for; those that are there already stay as they are.
    async fn keep_settings(&self, hash: &str, document: &str) -> PortResult<()>;

    /// The settings that a hash stands for, or `None` where none were kept.
    async fn settings(&self, hash: &str) -> PortResult<Option<String>>;

    /// Deletes what runs that are over have left, and returns how many were touched. A run that is
    /// current in its scope, is not over, or is not there is passed over.
    async fn prune(&self, run_ids: &[RunId], depth: Prune) -> PortResult<u64>;
}

/// How much of a run is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// Its groups, parameters and refusals; the ledger still tells of it.
    Set,
    /// All of it, its publications too.
    Run,
}

/// The published parameters.
#[async_trait]
pub trait ParameterStore: Send + Sync {
    /// What it is, for logs and messages; never a credential.
    fn describe(&self) -> String;

    /// Every move of the scope's mark, newest first, at most `limit`; 0 is no limit.
    async fn publications(&self, scope: &str, limit: u32) -> PortResult<Vec<Publication>>;

    /// Moves the mark to a run of its scope that is over, in one transaction. Only the holder of the
    /// scope's lock may call it, whose key is `lock`.
    ///
    /// # Errors
    /// [`FailureKind::LockLost`] where that lock is no longer held; [`FailureKind::Refused`] where the run is not over or has no parameters;
    /// [`FailureKind::Internal`] where there is no such run or it is of another scope, which the caller
    /// has ruled out.
    async fn publish(&self, publication: &Publication, lock: Option<&LockKey>) -> PortResult<()>;

    /// The last move of the scope's mark, or `None` before the first.
    async fn mark(&self, scope: &str) -> PortResult<Option<Publication>>;

    /// A number that changes with every commit to the store, whoever makes it: between two calls with
    /// the same answer no mark has moved. `None` where only asking a server could tell.
    async fn version(&self) -> PortResult<Option<u64>> {
        Ok(None)
    }

    /// What a run produced, published or not: groups in order, each group's parameters in the order
    /// in which they were written. `None` where there is no such run.
    async fn parameter_set(&self, run_id: RunId) -> PortResult<Option<ParameterSet>>;

    /// The runs of the scope whose parameters are there, newest first.
    async fn sets(&self, scope: &str) -> PortResult<Vec<RunId>>;

    /// The scope's current set, as the application reads it.
    async fn current(&self, scope: &str) -> PortResult<Option<ParameterSet>> {
        match self.mark(scope).await? {
            Some(mark) => self.parameter_set(mark.run_id).await,
            None => Ok(None),
        }
    }
}

/// Keeps two runs of one scope apart, across processes and machines that share the store.
#[async_trait]
pub trait ScopeLocks: Send + Sync {
    /// Takes the scope's lock, or returns `None` at once where another run holds it. The lock ends
    /// with the process that holds it, however that dies.
    async fn try_lock(&self, scope: &str) -> PortResult<Option<Box<dyn ScopeLock>>>;

    /// Whether anybody holds the scope's lock now. It is not taken for that: no run is refused
    /// because somebody asked.
    async fn is_locked(&self, scope: &str) -> PortResult<bool>;
}

/// What a store knows one holding of a scope's lock by, so that a transaction can see whether it is
/// still held: the process learns only later that it has lost a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockKey(pub String);

/// A lock that is held until it is released or dropped.
#[async_trait]
pub trait ScopeLock: Send + Sync {
    /// The key of this holding; no other holding has the same.
    fn key(&self) -> LockKey;

    /// Returns only when the lock is lost, with the reason; a run that loses it stops.
    async fn lost(&self) -> PortError;

    /// Gives the lock back.
    async fn release(self: Box<Self>) -> PortResult<()>;
}

/// What a change of schema did, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// Version before.
    pub from_version: u32,
    /// Version after.
    pub to_version: u32,
    /// Names of the migrations applied.
    pub applied: Vec<String>,
}

/// The store's schema.
#[async_trait]
pub trait SchemaAdmin: Send + Sync {
    /// Brings the schema up to date, each migration in its own transaction; doing it twice is
    /// harmless.
    ///
    /// # Errors
    /// [`FailureKind::SchemaForeign`] where the store is newer than this program or its migrations
    /// are not ours; nothing is changed then.
    async fn migrate(&self) -> PortResult<MigrationReport>;

    /// The SQL of the migrations that are missing, for a person to run.
    async fn script(&self) -> PortResult<String>;
}

/// A whole store: what `bootstrap` hands to the job.
pub trait Store: RunJournal + ParameterStore + ScopeLocks + SchemaAdmin {}

impl<T: RunJournal + ParameterStore + ScopeLocks + SchemaAdmin> Store for T {}

/// Tells people, or their programs, of runs.
#[async_trait]
pub trait Herald: Send + Sync {
    /// Who is told, for logs and messages; never a credential.
    fn describe(&self) -> String;

    /// Tells one notice, again where it did not arrive and may later; the same notice bears the same
    /// number each time. Ends soon after `cancel` fires.
    ///
    /// # Errors
    /// What kept it from arriving. The run that it tells of is over, and stays as it is.
    async fn tell(&self, notice: &RunNotice, cancel: &CancellationToken) -> PortResult<()>;
}

/// Time, so that tests own it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Returns after the duration.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // To the microsecond, so that every store gives back what it was given.
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
