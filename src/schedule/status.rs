//! What the schedule is doing, for whoever asks: the health file, the HTTP API.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::RunId;

/// Every scope of a schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleStatus {
    /// When something was last told.
    pub updated_at: Timestamp,
    /// In the order in which they were given.
    pub scopes: Vec<ScopeStatus>,
}

/// What a scope's schedule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeState {
    /// It looks at what was missed.
    Starting,
    /// It waits for the next moment.
    Waiting,
    /// It waits for the next try of a moment, or for another process that has it.
    BetweenTries,
    /// It runs.
    Running,
    /// It was stopped.
    Stopped,
    /// It broke off by a mistake in this program; it needs a new start.
    Broken,
}

/// One scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScopeStatus {
    /// Its name.
    pub scope: String,
    /// What it does.
    pub state: ScopeState,
    /// When it last showed that it lives.
    pub seen_at: Timestamp,
    /// Its next moment, without jitter; none where its calendar has ended.
    pub next_at: Option<Timestamp>,
    /// The last run that this process made and that came to its end.
    pub last_run: Option<LastRun>,
    /// When this process last published for it.
    pub last_success_at: Option<Timestamp>,
    /// The last thing that went wrong; stays until a run publishes.
    pub last_error: Option<LastError>,
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// Its number, where the store could tell it.
    pub id: Option<RunId>,
    /// What it answered, or none for a request that was left behind.
    pub slot: Option<String>,
    /// How it ended: a status of the ledger, or `stopped`, `failed`.
    pub ended: String,
    /// When.
    pub finished_at: Timestamp,
    /// In words.
    pub message: String,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastError {
    /// When.
    pub at: Timestamp,
    /// What, with its causes.
    pub message: String,
}

impl ScopeStatus {
    /// A scope that is about to start.
    #[must_use]
    pub fn starting(scope: &str, now: Timestamp) -> Self {
        Self {
            scope: scope.to_owned(),
            state: ScopeState::Starting,
            seen_at: now,
            next_at: None,
            last_run: None,
            last_success_at: None,
            last_error: None,
        }
    }
}

impl ScheduleStatus {
    /// What is wrong with the schedule as such, `None` where it is healthy. That a run failed is not:
    /// a new start would not help.
    #[must_use]
    pub fn complaint(&self, now: Timestamp, max_age_s: u32) -> Option<String> {
        let age_s = |seen: Timestamp| now.duration_since(seen).as_secs();
        let told_s = age_s(self.updated_at);
        if told_s > i64::from(max_age_s) {
            return Some(format!("nothing was told for {told_s} s"));
        }
        self.scopes.iter().find_map(|scope| {
            let (name, seen_s) = (&scope.scope, age_s(scope.seen_at));
            match scope.state {
                ScopeState::Broken => Some(format!("the schedule of scope `{name}` broke off")),
                ScopeState::Stopped => Some(format!("the schedule of scope `{name}` has ended")),
                _ if seen_s > i64::from(max_age_s) => {
                    Some(format!("scope `{name}` gave no sign of life for {seen_s} s"))
                }
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_schedule_complains_of_silence_and_breaks() {
        let now: Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
        let status = |state, seen_s: u64, told_s: u64| ScheduleStatus {
            updated_at: now - Duration::from_secs(told_s),
            scopes: vec![
                ScopeStatus::starting("a", now),
                ScopeStatus {
                    state,
                    seen_at: now - Duration::from_secs(seen_s),
                    ..ScopeStatus::starting("b", now)
                },
            ],
        };
        let check = |status: ScheduleStatus, expected: Option<&str>| {
            assert_eq!(status.complaint(now, 120).as_deref(), expected);
        };
        check(status(ScopeState::Waiting, 120, 120), None);
        check(status(ScopeState::Waiting, 0, 121), Some("nothing was told for 121 s"));
        check(
            status(ScopeState::Running, 121, 0),
            Some("scope `b` gave no sign of life for 121 s"),
        );
        check(status(ScopeState::Broken, 0, 0), Some("the schedule of scope `b` broke off"));
        check(status(ScopeState::Stopped, 0, 0), Some("the schedule of scope `b` has ended"));
    }
}
