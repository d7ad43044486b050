//! What the API needs of the rest of the program, beyond the ports.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::error::ServiceError;
use crate::domain::{ParameterSet, Publication, RunId, RunResults};
use crate::ports::{Clock, Store};
use crate::schedule::ScheduleStatus;

/// The form of a file that a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadFormat {
    /// Text with a header; packed by gzip or not.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// A file of records that is to be fitted.
#[derive(Debug, Clone)]
pub struct FitAsk {
    /// Where the file is; it stays there until the fit is over.
    pub path: PathBuf,
    /// Its form.
    pub format: UploadFormat,
    /// Records that it may hold at the most.
    pub max_records: u64,
    /// Settings that differ, by the name of their parameter: `model`, `loss`, `errors`, `spread`.
    pub settings: Vec<(&'static str, String)>,
}

/// A file of records, fitted; nobody has judged it and no store knows of it.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// The document that `speedfit fit --json` prints.
    pub results: RunResults,
    /// Its rows as a set.
    pub set: ParameterSet,
}

/// A run that a client asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunAsk {
    /// Who asks, for the ledger.
    pub requested_by: String,
    /// Why, in their words.
    pub reason: String,
    /// First moment of the window, as the setting `window.from` takes it; where one end is given, both
    /// are.
    pub from: Option<String>,
    /// First moment after it, likewise.
    pub to: Option<String>,
    /// Regions that are run; empty runs all.
    pub select: Vec<String>,
    /// Regions that are left out.
    pub exclude: Vec<String>,
    /// Model, in place of that of the settings.
    pub model: Option<String>,
}

/// Hands the number of a run on as soon as its request stands in the ledger.
#[derive(Debug)]
pub struct Requested(oneshot::Sender<RunId>);

impl Requested {
    /// A teller, and where it is heard.
    #[must_use]
    pub fn channel() -> (Self, oneshot::Receiver<RunId>) {
        let (teller, heard) = oneshot::channel();
        (Self(teller), heard)
    }

    /// The request of this run stands in the ledger.
    pub fn tell(self, run_id: RunId) {
        // Whoever asked may have hung up, which does not stop the run.
        _ = self.0.send(run_id);
    }
}

/// Which set is to become current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkTarget {
    /// That of this run.
    Run(RunId),
    /// The one that was current before, or that of this run.
    Before(Option<RunId>),
}

/// A move of the mark that a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkAsk {
    /// Where to.
    pub target: MarkTarget,
    /// Who asks.
    pub requested_by: String,
    /// Why, in their words.
    pub reason: String,
    /// Also where groups of the current set would be left without parameters.
    pub force: bool,
}

/// What the API needs of the rest of the program.
///
/// Settings and secrets are read anew wherever a fit or a run starts. Nothing here may block the
/// thread that calls it.
#[async_trait]
pub trait Services: Send + Sync {
    /// Name of the job that is served.
    fn scope(&self) -> &str;

    /// The ledger and the parameters, on connections that no run uses.
    fn store(&self) -> &dyn Store;

    /// Time.
    fn clock(&self) -> &dyn Clock;

    /// Probability that the interval of a prediction is to cover.
    fn confidence(&self) -> f64;

    /// Lengths of trips that are fitted and predicted, km.
    fn accepted_km(&self) -> RangeInclusive<f64>;

    /// A new name for a file that a client sends, in a folder that this process may write to.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] where there is no such folder.
    fn upload_path(&self, format: UploadFormat, is_packed: bool) -> Result<PathBuf, ServiceError>;

    /// Fits a file.
    ///
    /// # Errors
    /// [`ServiceError::Asked`] where the settings asked for do not do, [`ServiceError::Body`] where
    /// the file does not, [`ServiceError::Cancelled`] after `cancel`.
    async fn fit(&self, ask: &FitAsk, cancel: &CancellationToken) -> Result<Fitted, ServiceError>;

    /// Parameters of a set as CSV, as `speedfit export` writes them.
    ///
    /// # Errors
    /// [`ServiceError::Internal`].
    fn csv(&self, set: &ParameterSet) -> Result<Vec<u8>, ServiceError>;

    /// Runs the job: writes the request, tells its number, and returns when the run is over, however
    /// it ended: of that the ledger tells.
    ///
    /// # Errors
    /// Of what keeps the request from being written; later ones nobody hears.
    async fn run(
        &self,
        ask: RunAsk,
        requested: Requested,
        cancel: &CancellationToken,
    ) -> Result<(), ServiceError>;

    /// Runs the job without a trace in the store, and tells what would be published.
    ///
    /// # Errors
    /// As [`run`](Self::run), and of the run itself.
    async fn dry_run(
        &self,
        ask: RunAsk,
        cancel: &CancellationToken,
    ) -> Result<RunResults, ServiceError>;

    /// Moves the mark, under the scope's lock.
    ///
    /// # Errors
    /// [`ServiceError::NotThere`], [`ServiceError::Refused`], [`ServiceError::Store`]; nothing has
    /// changed then.
    async fn move_mark(
        &self,
        ask: MarkAsk,
        cancel: &CancellationToken,
    ) -> Result<Publication, ServiceError>;

    /// What the schedule of this process does, where it has one.
    fn schedule(&self) -> Option<ScheduleStatus> {
        None
    }

    /// Figures of the job in Prometheus' text format.
    ///
    /// # Errors
    /// [`ServiceError::Store`].
    async fn metrics(&self) -> Result<String, ServiceError>;
}
