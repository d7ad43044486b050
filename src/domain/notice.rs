//! What people are told of runs: which runs are worth a message, and what it says. Pure rules over
//! the ledger's rows; knows nothing of who is told, or how.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::parameters::named_enum;
use super::run::{RunId, RunRow, RunStatus, Trigger};
use super::window::Window;
use std::fmt;

named_enum! {
    /// Why somebody is told.
    NoticeKind {
        /// A run ended by an error, or died without a word.
        Failed = "failed",
        /// The judge refused a set, or another run held the scope.
        Refused = "refused",
        /// A run published, and the one before it had not.
        Recovered = "recovered",
    }
}

/// The run that ended last before the one that is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousRun {
    /// Its number.
    pub id: RunId,
    /// How it ended.
    pub status: RunStatus,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunNotice {
    /// Why it is told.
    #[serde(rename = "event")]
    pub kind: NoticeKind,
    /// Name of the job.
    pub scope: String,
    /// What made the run start.
    pub trigger: Trigger,
    /// Who asked for it.
    pub requested_by: String,
    /// Records of this span; `None` where the run was not planned yet.
    pub window: Option<Window>,
    /// How it ended.
    pub status: RunStatus,
    /// The process's exit code; none for a run that died without a word.
    pub exit_code: Option<u8>,
    /// How it ended, in words.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// When it ended, as far as that is known.
    pub at: Timestamp,
    /// The run as the ledger tells it; `None` where the store could not be reached, or the run ended
    /// before it had a row.
    pub run: Option<RunRow>,
    /// What went before.
    pub previous: Option<PreviousRun>,
}

impl RunNotice {
    /// The message of a run that the ledger knows, where it is worth one. `earlier` are rows of its
    /// scope, newest first.
    #[must_use]
    pub fn of_run(run: &RunRow, earlier: &[RunRow]) -> Option<Self> {
        let before = last_told_before(run, earlier);
        let kind = kind_of(run, before)?;
        Some(Self {
            kind,
            scope: run.request.scope.clone(),
            trigger: run.request.trigger,
            requested_by: run.request.requested_by.clone(),
            window: Some(run.request.window),
            status: run.status,
            exit_code: run.exit_code,
            message: run.outcome().to_owned(),
            hint: run.remedy().map_or_else(|| hint(kind, run), str::to_owned),
            at: run.finished_at.unwrap_or(run.request.requested_at),
            previous: before.map(|before| PreviousRun { id: before.id, status: before.status }),
            run: Some(run.clone()),
        })
    }
}

/// Whether a run is worth a message, given the last one before it that was or could have been.
#[must_use]
pub fn kind_of(run: &RunRow, before: Option<&RunRow>) -> Option<NoticeKind> {
    match run.status {
        RunStatus::Failed | RunStatus::Abandoned => Some(NoticeKind::Failed),
        RunStatus::Refused => Some(NoticeKind::Refused),
        RunStatus::Done | RunStatus::Partial if has_published(run) => {
            let was_well = before.is_none_or(has_published);
            (!was_well).then_some(NoticeKind::Recovered)
        }
        RunStatus::Done
        | RunStatus::Partial
        | RunStatus::Cancelled
        | RunStatus::Requested
        | RunStatus::Running => None,
    }
}

/// The last run before this one of which there was something to tell. A run that somebody stopped
/// tells nothing, nor does one that was to publish nothing: what went before them still stands.
#[must_use]
pub fn last_told_before<'a>(run: &RunRow, rows: &'a [RunRow]) -> Option<&'a RunRow> {
    let earlier = rows.iter().filter(|row| row.id < run.id);
    let told = earlier.filter(|row| match row.status {
        RunStatus::Failed | RunStatus::Abandoned | RunStatus::Refused => true,
        RunStatus::Done | RunStatus::Partial => has_published(row),
        RunStatus::Cancelled | RunStatus::Requested | RunStatus::Running => false,
    });
    told.max_by_key(|row| row.id)
}

/// The runs that this one found dead when it took the lock, oldest first: nobody else tells of them. Of
/// those that somebody else found and marked, whoever that was has told.
#[must_use]
pub fn found_dead_by(run: &RunRow, rows: &[RunRow]) -> Vec<RunRow> {
    let is_dead = |row: &&RunRow| {
        row.status == RunStatus::Abandoned
            && row.id < run.id
            && run.started_at.is_some()
            && row.finished_at == run.started_at
    };
    let mut dead: Vec<_> = rows.iter().filter(is_dead).cloned().collect();
    dead.sort_by_key(|row| row.id);
    dead
}

fn has_published(run: &RunRow) -> bool {
    matches!(run.status, RunStatus::Done | RunStatus::Partial)
        && !run.request.detail.keep_unpublished
}

/// What to do about a run, with the command that says more.
fn hint(kind: NoticeKind, run: &RunRow) -> String {
    let id = run.id;
    match (kind, run.status, run.exit_code) {
        (NoticeKind::Recovered, ..) => "nothing needs to be done".to_owned(),
        (_, RunStatus::Abandoned, _) => {
            "its process was killed: look for memory or a deadline on the machine that ran it"
                .to_owned()
        }
        (NoticeKind::Refused, _, Some(8)) => {
            "another run of the scope was active; `speedfit runs` shows it".to_owned()
        }
        (NoticeKind::Refused, ..) => format!(
            "the application still reads what it read before; `speedfit show {id}` says why"
        ),
        (NoticeKind::Failed, _, Some(4)) => {
            "check the source with `speedfit doctor`, then run again".to_owned()
        }
        (NoticeKind::Failed, _, Some(5)) => {
            "check the store with `speedfit doctor`, and `speedfit status` before running again"
                .to_owned()
        }
        (NoticeKind::Failed, ..) => format!("`speedfit show {id}` says more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{RequestDetail, RunCounts, RunRequest};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn row(id: i64, status: RunStatus) -> RunRow {
        RunRow {
            id: RunId(id),
            request: RunRequest {
                scope: "city".to_owned(),
                trigger: Trigger::Timer,
                requested_by: "schedule".to_owned(),
                reason: String::new(),
                window: Window::ALL,
                model: "kwh".to_owned(),
                settings_hash: String::new(),
                code_version: String::new(),
                requested_at: at(id),
                slot: None,
                detail: RequestDetail::default(),
            },
            status,
            started_at: Some(at(id)),
            finished_at: status.is_final().then(|| at(id + 1)),
            counts: RunCounts::default(),
            exit_code: None,
            message: String::new(),
        }
    }

    /// Runs as a word each; the last of them is told of.
    fn told(history: &str) -> Option<&'static str> {
        let rows = history.split(' ').zip(1..);
        let rows = rows.map(|(word, id)| {
            let (word, is_kept) = word.strip_suffix('*').map_or((word, false), |word| (word, true));
            let mut row = row(id, RunStatus::from_name(word).unwrap());
            row.request.detail.keep_unpublished = is_kept;
            row
        });
        let mut rows: Vec<RunRow> = rows.collect();
        rows.reverse();
        let notice = RunNotice::of_run(&rows[0], &rows)?;
        assert!(!notice.hint.is_empty());
        Some(notice.kind.as_str())
    }

    #[test]
    fn who_is_told_of_what() {
        let check = |history: &str, expected: Option<&str>| {
            assert_eq!(told(history), expected, "{history}");
        };
        check("done", None);
        check("partial", None);
        check("failed", Some("failed"));
        check("done failed", Some("failed"));
        check("failed failed", Some("failed"));
        check("refused", Some("refused"));
        check("abandoned", Some("failed"));
        check("failed done", Some("recovered"));
        check("refused partial", Some("recovered"));
        check("abandoned done", Some("recovered"));
        check("failed done done", None);
        check("failed partial done", None);
        // Whoever stopped a run knows; the failure before it still stands.
        check("cancelled", None);
        check("done cancelled", None);
        check("cancelled done", None);
        check("failed cancelled done", Some("recovered"));
        // A run that was to publish nothing is no recovery, and hides none.
        check("failed done*", None);
        check("failed done* done", Some("recovered"));
        check("failed*", Some("failed"));
        check("running", None);
        check("failed requested done", Some("recovered"));
    }

    #[test]
    fn a_later_run_is_no_run_before() {
        let (this, later) = (row(2, RunStatus::Done), row(3, RunStatus::Refused));
        assert_eq!(RunNotice::of_run(&this, &[later, this.clone()]), None);
    }

    #[test]
    fn the_dead_are_told_of_by_who_found_them() {
        let mut this = row(5, RunStatus::Done);
        let mut mine = row(3, RunStatus::Abandoned);
        let mut another = row(4, RunStatus::Abandoned);
        mine.finished_at = this.started_at;
        another.finished_at = Some(at(100));
        let rows = [this.clone(), another.clone(), mine.clone(), row(2, RunStatus::Failed)];
        assert_eq!(found_dead_by(&this, &rows), [mine]);
        // A run that never took the lock has found none.
        this.started_at = None;
        another.finished_at = None;
        assert_eq!(found_dead_by(&this, &[another]), []);
    }
}
