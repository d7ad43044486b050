//! A store and a source that stop at a step: before or after any call through a port.

#![expect(clippy::panic, clippy::print_stdout, reason = "a step that is to fail panics or says so")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use speedfit::domain::{
    ParameterSet, Publication, RecordBatch, RefusalRow, RunId, RunRequest, RunRow,
};
use speedfit::ports::{
    Conclusion, LockKey, MigrationReport, ParameterStore, PortError, PortResult, Prune, ReadQuery,
    RecordSource, RunFilter, RunJournal, SchemaAdmin, ScopeLock, ScopeLocks, Store,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What happens at the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// The process says so and stands still, to be killed from outside.
    Kill,
    /// A panic.
    Panic,
}

/// What stands in the output of a process that waits to be killed.
pub(super) const REACHED: &str = "reached the step";

/// Counts steps, and ends everything at one of them.
pub(super) struct Gate {
    at: usize,
    death: Death,
    n_steps: AtomicUsize,
    names: Mutex<Vec<String>>,
}

impl Gate {
    /// Dies at that step, counted from 1.
    pub(super) fn new(at: usize, death: Death) -> Arc<Self> {
        let (n_steps, names) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { at, death, n_steps, names })
    }

    /// The steps so far.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.lock().map(|names| names.clone()).unwrap_or_default()
    }

    fn step(&self, name: String) {
        let nth = self.n_steps.fetch_add(1, Ordering::SeqCst) + 1;
        if let Ok(mut names) = self.names.lock() {
            names.push(name.clone());
        }
        if nth != self.at {
            return;
        }
        match self.death {
            Death::Panic => panic!("as the test asks, {name}"),
            Death::Kill => {
                println!("{REACHED} {name}");
                loop {
                    std::thread::park();
                }
            }
        }
    }

    async fn around<T>(&self, name: &str, call: impl Future<Output = T>) -> T {
        self.step(format!("before {name}"));
        let outcome = call.await;
        self.step(format!("after {name}"));
        outcome
    }
}

/// A store whose every call is two steps.
pub(super) struct Deadly {
    pub(super) store: Arc<dyn Store>,
    pub(super) gate: Arc<Gate>,
}

#[async_trait]
impl RunJournal for Deadly {
    async fn request(&self, request: &RunRequest) -> PortResult<RunId> {
        self.gate.around("request", self.store.request(request)).await
    }
    async fn start(&self, run_id: RunId, started_at: Timestamp) -> PortResult<()> {
        self.gate.around("start", self.store.start(run_id, started_at)).await
    }
    async fn conclude(&self, conclusion: &Conclusion) -> PortResult<()> {
        self.gate.around("conclude", self.store.conclude(conclusion)).await
    }
    async fn abandon_dead(
        &self,
        scope: &str,
        found_at: Timestamp,
        lock: Option<&LockKey>,
    ) -> PortResult<Vec<RunId>> {
        self.gate.around("abandon_dead", self.store.abandon_dead(scope, found_at, lock)).await
    }
    async fn run(&self, run_id: RunId) -> PortResult<Option<RunRow>> {
        self.gate.around("run", self.store.run(run_id)).await
    }
    async fn runs(&self, filter: &RunFilter) -> PortResult<Vec<RunRow>> {
        self.gate.around("runs", self.store.runs(filter)).await
    }
    async fn refusals(&self, run_id: RunId) -> PortResult<Vec<RefusalRow>> {
        self.gate.around("refusals", self.store.refusals(run_id)).await
    }
    async fn keep_settings(&self, hash: &str, document: &str) -> PortResult<()> {
        self.gate.around("keep_settings", self.store.keep_settings(hash, document)).await
    }
    async fn settings(&self, hash: &str) -> PortResult<Option<String>> {
        self.gate.around("settings", self.store.settings(hash)).await
    }
    async fn prune(&self, run_ids: &[RunId], depth: Prune) -> PortResult<u64> {
        self.gate.around("prune", self.store.prune(run_ids, depth)).await
    }
}

#[async_trait]
impl ParameterStore for Deadly {
    fn describe(&self) -> String {
        self.store.describe()
    }
    async fn publications(&self, scope: &str, limit: u32) -> PortResult<Vec<Publication>> {
        self.gate.around("publications", self.store.publications(scope, limit)).await
    }
    async fn publish(&self, publication: &Publication, lock: Option<&LockKey>) -> PortResult<()> {
        self.gate.around("publish", self.store.publish(publication, lock)).await
    }
    async fn mark(&self, scope: &str) -> PortResult<Option<Publication>> {
        self.gate.around("mark", self.store.mark(scope)).await
    }
    async fn parameter_set(&self, run_id: RunId) -> PortResult<Option<ParameterSet>> {
        self.gate.around("parameter_set", self.store.parameter_set(run_id)).await
    }
    async fn sets(&self, scope: &str) -> PortResult<Vec<RunId>> {
        self.gate.around("sets", self.store.sets(scope)).await
    }
}

#[async_trait]
impl ScopeLocks for Deadly {
    async fn try_lock(&self, scope: &str) -> PortResult<Option<Box<dyn ScopeLock>>> {
        let lock = self.gate.around("try_lock", self.store.try_lock(scope)).await?;
        let gate = &self.gate;
        let deadly = lock.map(|lock| DeadlyLock { lock, gate: Arc::clone(gate) });
        Ok(deadly.map(|lock| Box::new(lock) as Box<dyn ScopeLock>))
    }
    async fn is_locked(&self, scope: &str) -> PortResult<bool> {
        self.gate.around("is_locked", self.store.is_locked(scope)).await
    }
}

struct DeadlyLock {
    lock: Box<dyn ScopeLock>,
    gate: Arc<Gate>,
}

#[async_trait]
impl ScopeLock for DeadlyLock {
    fn key(&self) -> LockKey {
        self.lock.key()
    }
    async fn lost(&self) -> PortError {
        self.lock.lost().await
    }
    async fn release(self: Box<Self>) -> PortResult<()> {
        let Self { lock, gate } = *self;
        gate.around("release", lock.release()).await
    }
}

#[async_trait]
impl SchemaAdmin for Deadly {
    async fn migrate(&self) -> PortResult<MigrationReport> {
        self.gate.around("migrate", self.store.migrate()).await
    }
    async fn script(&self) -> PortResult<String> {
        self.store.script().await
    }
}

/// A source whose read, and every batch of it, is two steps.
pub(super) struct DeadlySource {
    pub(super) source: Arc<dyn RecordSource>,
    pub(super) gate: Arc<Gate>,
}

#[async_trait]
impl RecordSource for DeadlySource {
    fn describe(&self) -> String {
        self.source.describe()
    }
    async fn n_rows_hint(&self, query: &ReadQuery) -> PortResult<Option<u64>> {
        self.source.n_rows_hint(query).await
    }
    async fn read(
        &self,
        query: &ReadQuery,
        batches: mpsc::Sender<RecordBatch>,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let (sender, mut inlet) = mpsc::channel(1);
        let handing_on = async {
            while let Some(batch) = inlet.recv().await {
                let sent = self.gate.around("batch", batches.send(batch)).await;
                if sent.is_err() {
                    return;
                }
            }
        };
        let read = async { tokio::join!(self.source.read(query, sender, cancel), handing_on).0 };
        self.gate.around("read", read).await
    }
}
