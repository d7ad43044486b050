//! One execution of the job: its row in the ledger and the states it may pass through.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::parameters::{GroupOutcome, GroupRow, named_enum};
use super::request::RequestDetail;
use super::window::Window;

/// Number of a run, given by the store, ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

named_enum! {
    /// What made a run start.
    Trigger {
        /// A person at a terminal.
        Operator = "operator",
        /// The calendar.
        Timer = "timer",
        /// A call of the HTTP API.
        Api = "api",
        /// `speedfit demo`.
        Demo = "demo",
        /// `speedfit retry`.
        Retry = "retry",
        /// `speedfit backfill`.
        Backfill = "backfill",
    }
}

named_enum! {
    /// Where a run stands.
    RunStatus {
        /// Asked for, not started.
        Requested = "requested",
        /// Holds its scope's lock and works.
        Running = "running",
        /// Everything was published, or kept, where that was asked for.
        Done = "done",
        /// Published, or kept; some groups kept what they had, or have nothing.
        Partial = "partial",
        /// Nothing was published: another run held the lock, or the judge said no.
        Refused = "refused",
        /// Stopped by a signal; nothing was published.
        Cancelled = "cancelled",
        /// Ended by an error; nothing was published.
        Failed = "failed",
        /// Died without a word; found by the next run.
        Abandoned = "abandoned",
    }
}

impl RunStatus {
    /// Whether the run is over.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Requested | Self::Running)
    }

    /// Whether a run may pass from this state to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match self {
            // A request may be refused (the scope is busy), cancelled or found broken before it starts.
            Self::Requested => !matches!(next, Self::Requested | Self::Done | Self::Partial),
            Self::Running => next.is_final(),
            Self::Done
            | Self::Partial
            | Self::Refused
            | Self::Cancelled
            | Self::Failed
            | Self::Abandoned => false,
        }
    }
}

/// Who asks for a run, and for what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRequest {
    /// Name of the job.
    pub scope: String,
    /// What made it start.
    pub trigger: Trigger,
    /// Who asked: a user, a service.
    pub requested_by: String,
    /// Why, in the requester's words; may be empty.
    pub reason: String,
    /// Records of this span.
    pub window: Window,
    /// Model, for example `kwh`.
    pub model: String,
    /// SHA-256 of the effective settings, hexadecimal.
    pub settings_hash: String,
    /// Version of this program.
    pub code_version: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// What it answers, where that is to be answered once: the moment of a calendar, for example. No
    /// two runs of a scope have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// What else was asked for.
    #[serde(default, skip_serializing_if = "RequestDetail::is_empty")]
    pub detail: RequestDetail,
}

/// What a run counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCounts {
    /// Rows read from the source.
    pub rows_read: u64,
    /// Of these, refused.
    pub rows_refused: u64,
    /// Of these, fitted or offered to a fit.
    pub rows_used: u64,
    /// Groups by outcome.
    pub groups_fitted: u64,
    /// Groups shrunk toward their parents.
    pub groups_pooled: u64,
    /// Groups served by a level above.
    pub groups_fallback: u64,
    /// Groups that keep what they had.
    pub groups_carried_over: u64,
    /// Groups without parameters.
    pub groups_failed: u64,
    /// Groups that the stop signal met.
    pub groups_cancelled: u64,
}

impl RunCounts {
    /// Counts the groups by outcome; rows stay as they are.
    #[must_use]
    pub fn with_groups(mut self, groups: &[GroupRow]) -> Self {
        let count = |outcome| groups.iter().filter(|g| g.outcome == outcome).count() as u64;
        self.groups_fitted = count(GroupOutcome::Fitted);
        self.groups_pooled = count(GroupOutcome::Pooled);
        self.groups_fallback = count(GroupOutcome::Fallback);
        self.groups_carried_over = count(GroupOutcome::CarriedOver);
        self.groups_failed = count(GroupOutcome::Failed);
        self.groups_cancelled = count(GroupOutcome::Cancelled);
        self
    }

    /// The groups by the name of their outcome, in the order of [`GroupOutcome::ALL`].
    #[must_use]
    pub fn groups(&self) -> [(GroupOutcome, u64); 6] {
        [
            (GroupOutcome::Fitted, self.groups_fitted),
            (GroupOutcome::Pooled, self.groups_pooled),
            (GroupOutcome::Fallback, self.groups_fallback),
            (GroupOutcome::CarriedOver, self.groups_carried_over),
            (GroupOutcome::Failed, self.groups_failed),
            (GroupOutcome::Cancelled, self.groups_cancelled),
        ]
    }
}

/// A run as the ledger tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// Number.
    pub id: RunId,
    /// Who asked for what.
    #[serde(flatten)]
    pub request: RunRequest,
    /// Where it stands.
    pub status: RunStatus,
    /// When it took the lock.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What it counted.
    #[serde(flatten)]
    pub counts: RunCounts,
    /// The process's exit code, once the run is over and its process told.
    pub exit_code: Option<u8>,
    /// How it ended, in words, and what to do about it, as [`message_with_remedy`] joins them.
    pub message: String,
}

impl RunRow {
    /// How it ended, in words.
    #[must_use]
    pub fn outcome(&self) -> &str {
        outcome_and_remedy(&self.message).0
    }

    /// What to do about it, where the run itself could say so.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        outcome_and_remedy(&self.message).1
    }
}

/// Between how a run ended and what to do about it, in its message.
const REMEDY: &str = "; to mend it: ";

/// The message of a run that ended so, with what to do about it: whoever finds the run later reads both.
#[must_use]
pub fn message_with_remedy(outcome: &str, remedy: &str) -> String {
    format!("{outcome}{REMEDY}{remedy}")
}

/// How a run ended, and what to do about it, where its message says so.
#[must_use]
pub fn outcome_and_remedy(message: &str) -> (&str, Option<&str>) {
    match message.rsplit_once(REMEDY) {
        Some((outcome, remedy)) => (outcome, Some(remedy)),
        None => (message, None),
    }
}

/// One move of the mark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Publication {
    /// Name of the job.
    pub scope: String,
    /// The run whose set becomes current.
    pub run_id: RunId,
    /// When.
    pub published_at: Timestamp,
    /// By whom.
    pub published_by: String,
    /// Why: `run`, `publish`, `rollback`.
    pub reason: String,
    /// What the one who did it has to say; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_holds_outcome_and_remedy() {
        let message =
            message_with_remedy("nothing published: [x] y; z", "set `a` to \"m\"; or `b`");
        let expected = ("nothing published: [x] y; z", Some("set `a` to \"m\"; or `b`"));
        assert_eq!(outcome_and_remedy(&message), expected);
        assert_eq!(
            outcome_and_remedy("33 of 33 groups published"),
            ("33 of 33 groups published", None)
        );
    }

    #[test]
    fn a_run_ends_once() {
        for &from in RunStatus::ALL {
            for &to in RunStatus::ALL {
                let legal = from.may_become(to);
                assert!(!(legal && from.is_final()), "{from} -> {to}");
                assert!(!(legal && to == RunStatus::Requested), "{from} -> {to}");
            }
        }
        assert!(RunStatus::Requested.may_become(RunStatus::Running));
        assert!(RunStatus::Requested.may_become(RunStatus::Refused));
        assert!(!RunStatus::Requested.may_become(RunStatus::Done));
        assert!(RunStatus::Running.may_become(RunStatus::Abandoned));
    }
}
