//! The store's ports over its state and its script of faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::fault::{FaultScript, Operation};
use super::lock::{Locks, MemoryLock};
use super::state::State;
use crate::domain::{ParameterSet, Publication, RefusalRow, RunId, RunRequest, RunRow};
use crate::ports::{
    Conclusion, FailureKind, LockKey, MigrationReport, ParameterStore, PortResult, Prune,
    RunFilter, RunJournal, SchemaAdmin, ScopeLock, ScopeLocks,
};

/// A store in memory; its clones are the same store.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    locks: Arc<Locks>,
    faults: Arc<FaultScript>,
}

impl MemoryStore {
    /// The script of this store's faults.
    #[must_use]
    pub fn faults(&self) -> &FaultScript {
        &self.faults
    }

    /// Takes the scope's lock away from whoever holds it, as a broken connection does.
    pub fn lose_lock(&self, scope: &str, kind: FailureKind) {
        self.locks.lose(scope, kind);
    }

    /// The same; the holder has not noticed yet.
    pub fn lose_lock_unnoticed(&self, scope: &str) {
        self.locks.lose_unnoticed(scope);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl RunJournal for MemoryStore {
    async fn request(&self, request: &RunRequest) -> PortResult<RunId> {
        self.faults.call(Operation::Request, || Ok(self.state().request(request)?)).await
    }

    async fn start(&self, run_id: RunId, started_at: Timestamp) -> PortResult<()> {
        let work = || Ok(self.state().start(run_id, started_at)?);
        self.faults.call(Operation::Start, work).await
    }

    async fn conclude(&self, conclusion: &Conclusion) -> PortResult<()> {
        let work = || {
            if let Some(publication) = &conclusion.publication {
                self.locks.check(&publication.scope, conclusion.lock.as_ref())?;
            }
            Ok(self.state().conclude(conclusion)?)
        };
        self.faults.call(Operation::Conclude, work).await
    }

    async fn abandon_dead(
        &self,
        scope: &str,
        found_at: Timestamp,
        lock: Option<&LockKey>,
    ) -> PortResult<Vec<RunId>> {
        let work = || {
            self.locks.check(scope, lock)?;
            Ok(self.state().abandon_dead(scope, found_at))
        };
        self.faults.call(Operation::AbandonDead, work).await
    }

    async fn run(&self, run_id: RunId) -> PortResult<Option<RunRow>> {
        self.faults.call(Operation::Run, || Ok(self.state().run(run_id).cloned())).await
    }

    async fn runs(&self, filter: &RunFilter) -> PortResult<Vec<RunRow>> {
        let limit = if filter.limit == 0 { usize::MAX } else { filter.limit as usize };
        let wanted = |row: &&RunRow| {
            filter.scope.as_ref().is_none_or(|scope| *scope == row.request.scope)
                && filter.status.is_none_or(|status| status == row.status)
                && filter.trigger.is_none_or(|trigger| trigger == row.request.trigger)
        };
        let work = || Ok(self.state().runs().filter(wanted).take(limit).cloned().collect());
        self.faults.call(Operation::Runs, work).await
    }

    async fn refusals(&self, run_id: RunId) -> PortResult<Vec<RefusalRow>> {
        let work = || Ok(self.state().refusals(run_id).to_vec());
        self.faults.call(Operation::Refusals, work).await
    }

    async fn keep_settings(&self, hash: &str, document: &str) -> PortResult<()> {
        let work = || {
            self.state().keep_settings(hash, document);
            Ok(())
        };
        self.faults.call(Operation::KeepSettings, work).await
    }

    async fn settings(&self, hash: &str) -> PortResult<Option<String>> {
        self.faults.call(Operation::Settings, || Ok(self.state().settings(hash).cloned())).await
    }

    async fn prune(&self, run_ids: &[RunId], depth: Prune) -> PortResult<u64> {
        self.faults.call(Operation::Prune, || Ok(self.state().prune(run_ids, depth))).await
    }
}

#[async_trait]
impl ParameterStore for MemoryStore {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    async fn publications(&self, scope: &str, limit: u32) -> PortResult<Vec<Publication>> {
        let limit = if limit == 0 { usize::MAX } else { limit as usize };
        let work = || Ok(self.state().publications(scope).take(limit).cloned().collect());
        self.faults.call(Operation::Publications, work).await
    }

    async fn publish(&self, publication: &Publication, lock: Option<&LockKey>) -> PortResult<()> {
        let work = || {
            self.locks.check(&publication.scope, lock)?;
            Ok(self.state().publish(publication)?)
        };
        self.faults.call(Operation::Publish, work).await
    }

    async fn mark(&self, scope: &str) -> PortResult<Option<Publication>> {
        let work = || Ok(self.state().publications(scope).next().cloned());
        self.faults.call(Operation::Mark, work).await
    }

    async fn parameter_set(&self, run_id: RunId) -> PortResult<Option<ParameterSet>> {
        let work = || Ok(self.state().set(run_id).cloned());
        self.faults.call(Operation::ParameterSet, work).await
    }

    async fn sets(&self, scope: &str) -> PortResult<Vec<RunId>> {
        self.faults.call(Operation::Sets, || Ok(self.state().sets(scope))).await
    }
}

#[async_trait]
impl ScopeLocks for MemoryStore {
    async fn try_lock(&self, scope: &str) -> PortResult<Option<Box<dyn ScopeLock>>> {
        let work = || Ok(MemoryLock::take(&self.locks, &self.faults, scope));
        let lock = self.faults.call(Operation::TryLock, work).await?;
        Ok(lock.map(|lock| Box::new(lock) as Box<dyn ScopeLock>))
    }

    async fn is_locked(&self, scope: &str) -> PortResult<bool> {
        self.faults.call(Operation::IsLocked, || Ok(self.locks.is_held(scope))).await
    }
}

#[async_trait]
impl SchemaAdmin for MemoryStore {
    async fn migrate(&self) -> PortResult<MigrationReport> {
        let report = MigrationReport { from_version: 0, to_version: 0, applied: Vec::new() };
        self.faults.call(Operation::Schema, || Ok(report)).await
    }

    async fn script(&self) -> PortResult<String> {
        self.faults.call(Operation::Schema, || Ok(String::new())).await
    }
}
