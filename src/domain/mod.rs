//! What speedfit talks about: records, regions, windows, parameters, runs.
//!
//! Plain data and pure rules. Knows nothing of files, databases, clocks or fitting.

pub mod acceptance;
pub mod band;
pub mod cron;
pub mod detail;
pub mod group;
pub mod incident_id;
pub mod parameters;
pub mod published;
pub mod record;
pub mod refusal;
pub mod request;
pub mod results;
pub mod run;
pub mod selection;
pub mod window;

pub use acceptance::{Accepted, Limits};
pub use band::{Band, BandError, WeekBands};
pub use cron::CronExpression;
pub use detail::{GroupDetail, Holdout, Scores};
pub use group::{GroupKey, Splits};
pub use incident_id::{IdColumn, IncidentId};
pub use parameters::{
    GroupOutcome, GroupRow, ParameterRow, ParameterSet, ParameterStatus, SourceLevel, Verdict,
};
pub use published::PublishedGroup;
pub use record::{RecordBatch, TextColumn};
pub use refusal::{RefusalReason, RefusalRow, RefusalTally};
pub use request::RequestDetail;
pub use results::RunResults;
pub use run::{Publication, RunCounts, RunId, RunRequest, RunRow, RunStatus, Trigger};
pub use selection::Selection;
pub use window::Window;
