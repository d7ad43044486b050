//! What speedfit talks about: records, regions, windows, parameters, runs.
//!
//! Plain data and pure rules. Knows nothing of files, databases, clocks or fitting.

pub mod acceptance;
pub mod band;
pub mod cron;
pub mod detail;
pub mod finding;
pub mod group;
pub mod incident_id;
pub mod notice;
pub mod observed;
pub mod parameters;
pub mod preference;
pub mod published;
pub mod record;
pub mod refusal;
pub mod request;
pub mod results;
pub mod row_fault;
pub mod run;
pub mod scope_metrics;
pub mod selection;
pub mod selector;
pub mod text;
pub mod window;

pub use acceptance::{Accepted, Limits};
pub use band::{Band, BandError, WeekBands};
pub use cron::CronExpression;
pub use detail::{GroupDetail, Holdout, Scores};
pub use finding::{GateFinding, GateRule, Severity};
pub use group::{GroupKey, Splits};
pub use incident_id::{IdColumn, IncidentId};
pub use notice::{NoticeKind, PreviousRun, RunNotice};
pub use observed::Observed;
pub use parameters::{
    GroupOutcome, GroupRow, ParameterRow, ParameterSet, ParameterStatus, SourceLevel, Verdict,
    is_wide,
};
pub use preference::ModelPreference;
pub use published::PublishedGroup;
pub use record::{RecordBatch, TextColumn};
pub use refusal::{RefusalReason, RefusalRow, RefusalTally};
pub use request::RequestDetail;
pub use results::RunResults;
pub use row_fault::RowFault;
pub use run::{
    Publication, RunCounts, RunId, RunRequest, RunRow, RunStatus, Trigger, message_with_remedy,
    outcome_and_remedy,
};
pub use scope_metrics::ScopeMetrics;
pub use selection::{Criterion, RegionTerm, Selection};
pub use selector::{GroupState, Method, Selector, SelectorError};
pub use window::Window;
