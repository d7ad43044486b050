//! What the API asks of the rest of the program, over a store in memory.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as they do")]

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use speedfit::adapters::memory::{ManualClock, MemoryStore};
use speedfit::domain::{ParameterSet, Publication, RunId, RunResults, RunStatus, Trigger, Window};
use speedfit::http::{
    FitAsk, Fitted, MarkAsk, MarkTarget, Requested, RunAsk, ServiceError, Services, UploadFormat,
};
use speedfit::ports::{Clock, ParameterStore as _, RunJournal as _, Store};
use tokio_util::sync::CancellationToken;

use crate::support::{at, ending, publishing, request, set};

/// Scope of the desk.
pub(super) const SCOPE: &str = "city";

/// Its clones are the same desk. Fits and runs wait at the gate; a fit stops when it is cancelled.
#[derive(Clone)]
pub(super) struct MemoryDesk {
    pub(super) store: MemoryStore,
    pub(super) clock: Arc<ManualClock>,
    /// Fires when a fit or a run has come to the gate.
    pub(super) reached: CancellationToken,
    /// Lets fits and runs pass the gate once it fires.
    pub(super) gate: CancellationToken,
    /// Lets a run that is over in the ledger end, too, once it fires.
    told: CancellationToken,
    /// Fires when a fit or a dry run was cancelled.
    pub(super) noticed: CancellationToken,
    n_uploaded: Arc<AtomicU64>,
    folder: Arc<tempfile::TempDir>,
}

impl MemoryDesk {
    /// A desk whose gate is open.
    pub(super) fn new() -> Self {
        let desk = Self::gated();
        desk.gate.cancel();
        desk
    }

    /// A desk whose gate is open, and whose runs never come to the end of telling others.
    pub(super) fn talkative() -> Self {
        Self { told: CancellationToken::new(), ..Self::new() }
    }

    /// A desk whose gate is closed.
    pub(super) fn gated() -> Self {
        let desk = Self {
            store: MemoryStore::default(),
            clock: Arc::new(ManualClock::new(at("2026-02-01T00:00:00Z"))),
            reached: CancellationToken::new(),
            gate: CancellationToken::new(),
            told: CancellationToken::new(),
            noticed: CancellationToken::new(),
            n_uploaded: Arc::default(),
            folder: Arc::new(tempfile::tempdir().unwrap()),
        };
        desk.told.cancel();
        desk
    }

    /// Files of clients that are still there.
    pub(super) fn n_uploads(&self) -> usize {
        std::fs::read_dir(self.folder.path()).unwrap().count()
    }

    async fn work(&self, cancel: &CancellationToken) -> Result<RunResults, ServiceError> {
        self.reached.cancel();
        tokio::select! {
            () = self.gate.cancelled() => Ok(results()),
            () = cancel.cancelled() => {
                self.noticed.cancel();
                Err(ServiceError::Cancelled)
            }
        }
    }
}

fn results() -> RunResults {
    serde_json::from_value(serde_json::json!({
        "schema_version": 1, "run": null, "settings_hash": "5e1f", "timing_ms": {}, "groups": {},
        "rows": { "read": 3, "used": 3, "refused": {} }, "refusals": [], "results": [],
    }))
    .unwrap()
}

#[async_trait]
impl Services for MemoryDesk {
    fn scope(&self) -> &str {
        SCOPE
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn confidence(&self) -> f64 {
        0.95
    }

    fn accepted_km(&self) -> RangeInclusive<f64> {
        0.05..=60.0
    }

    fn upload_path(&self, _: UploadFormat, _: bool) -> Result<PathBuf, ServiceError> {
        let nth = self.n_uploaded.fetch_add(1, Ordering::Relaxed);
        Ok(self.folder.path().join(format!("upload-{nth}")))
    }

    async fn fit(&self, ask: &FitAsk, cancel: &CancellationToken) -> Result<Fitted, ServiceError> {
        assert!(ask.path.is_file());
        let results = self.work(cancel).await?;
        Ok(Fitted { results, set: set(&["North"], 40.0) })
    }

    fn csv(&self, set: &ParameterSet) -> Result<Vec<u8>, ServiceError> {
        Ok(format!("rows\n{}\n", set.parameters.len()).into_bytes())
    }

    async fn run(
        &self,
        ask: RunAsk,
        requested: Requested,
        cancel: &CancellationToken,
    ) -> Result<(), ServiceError> {
        let asked = speedfit::domain::RunRequest {
            trigger: Trigger::Api,
            requested_by: ask.requested_by,
            reason: ask.reason,
            window: Window { from: ask.from.map(|from| at(&from)), to: ask.to.map(|to| at(&to)) },
            model: ask.model.unwrap_or_else(|| "kwh".to_owned()),
            ..request(SCOPE)
        };
        let run_id = self.store.request(&asked).await.map_err(ServiceError::Store)?;
        requested.tell(run_id);
        let end = match self.work(cancel).await {
            Ok(_) => {
                self.store.start(run_id, self.clock.now()).await.map_err(ServiceError::Store)?;
                publishing(SCOPE, run_id, set(&["North"], 40.0))
            }
            Err(_) => ending(run_id, RunStatus::Cancelled),
        };
        self.store.conclude(&end).await.map_err(ServiceError::Store)?;
        cancel.run_until_cancelled(self.told.cancelled()).await;
        Ok(())
    }

    async fn dry_run(
        &self,
        _: RunAsk,
        cancel: &CancellationToken,
    ) -> Result<RunResults, ServiceError> {
        self.work(cancel).await
    }

    async fn move_mark(
        &self,
        ask: MarkAsk,
        _: &CancellationToken,
    ) -> Result<Publication, ServiceError> {
        let (run_id, reason) = match ask.target {
            MarkTarget::Run(run_id) => (run_id, "publish"),
            MarkTarget::Before(run_id) => (run_id.unwrap_or(RunId(1)), "rollback"),
        };
        let publication = Publication {
            scope: SCOPE.to_owned(),
            run_id,
            published_at: self.clock.now(),
            published_by: ask.requested_by,
            reason: reason.to_owned(),
            comment: ask.reason,
        };
        self.store.publish(&publication, None).await.map_err(ServiceError::Store)?;
        Ok(publication)
    }

    async fn metrics(&self) -> Result<String, ServiceError> {
        Ok("speedfit_x 1\n".to_owned())
    }
}
