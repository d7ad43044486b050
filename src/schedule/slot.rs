//! Names of moments in the ledger, and what the ledger's rows say of a moment. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{RunRow, RunStatus};
use crate::job::error::{EXIT_REFUSED, EXIT_SOURCE, EXIT_STORE};

/// The slot of a try of a moment: `2026-03-29T01:30:00Z` for the first, `2026-03-29T01:30:00Z/2` for
/// the second, and so on.
#[must_use]
pub fn slot_name(moment: Timestamp, attempt: u32) -> String {
    if attempt <= 1 { moment.to_string() } else { format!("{moment}/{attempt}") }
}

/// The moment and the try that a slot stands for; `None` for a slot of another kind.
#[must_use]
pub fn slot_moment(slot: &str) -> Option<(Timestamp, u32)> {
    let (moment, attempt) = match slot.split_once('/') {
        Some((moment, attempt)) => (moment, attempt.parse().ok()?),
        None => (slot, 1),
    };
    Some((moment.parse().ok()?, attempt))
}

/// What the ledger says of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotState {
    /// A try may be made, this one, and not before then.
    Open {
        /// Which try, counted from 1.
        attempt: u32,
        /// When the wait after the try before is over.
        not_before: Timestamp,
    },
    /// A try was asked for or works, or its process died.
    Underway,
    /// A try came to an end that more of them would not change.
    Settled,
    /// Every try was made, and none came to such an end.
    Exhausted,
}

impl SlotState {
    /// What the rows of all tries of one moment come to; the moment itself is the earliest of a try.
    #[must_use]
    pub fn of(moment: Timestamp, rows: &[RunRow], attempts: u32, retry_wait: Duration) -> Self {
        if rows.iter().any(|row| !row.status.is_final()) {
            return Self::Underway;
        }
        if rows.iter().any(|row| !may_be_tried_again(row)) {
            return Self::Settled;
        }
        let last = rows.iter().filter_map(|row| {
            let (_, attempt) = slot_moment(row.request.slot.as_deref()?)?;
            Some((attempt, row))
        });
        let Some((attempt, row)) = last.max_by_key(|(attempt, _)| *attempt) else {
            return Self::Open { attempt: 1, not_before: moment };
        };
        if attempt >= attempts {
            return Self::Exhausted;
        }
        let ended = row.finished_at.unwrap_or(row.request.requested_at);
        let not_before = ended.checked_add(retry_wait).unwrap_or(Timestamp::MAX);
        Self::Open { attempt: attempt + 1, not_before }
    }
}

/// Whether another try may come to a better end, as far as a row tells: source or store failed, another
/// run held the lock, the run died or was stopped. What the judge refused, it would refuse again. Of
/// source and store the row does not tell whether that may pass; the process whose try it was knows, and
/// makes no other.
fn may_be_tried_again(row: &RunRow) -> bool {
    match row.status {
        RunStatus::Abandoned | RunStatus::Cancelled => true,
        RunStatus::Failed => matches!(row.exit_code, Some(EXIT_SOURCE | EXIT_STORE)),
        RunStatus::Refused => row.exit_code == Some(EXIT_REFUSED),
        RunStatus::Requested | RunStatus::Running | RunStatus::Done | RunStatus::Partial => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{RequestDetail, RunCounts, RunId, RunRequest, Trigger, Window};

    fn moment() -> Timestamp {
        "2026-03-29T01:30:00Z".parse().unwrap()
    }

    #[test]
    fn names_are_read_back() {
        let check = |attempt, name: &str| {
            assert_eq!(slot_name(moment(), attempt), name);
            assert_eq!(slot_moment(name), Some((moment(), attempt)));
        };
        check(1, "2026-03-29T01:30:00Z");
        check(2, "2026-03-29T01:30:00Z/2");
        check(100, "2026-03-29T01:30:00Z/100");
        assert_eq!(slot_moment("2026-W13"), None);
        assert_eq!(slot_moment("2026-03-29T01:30:00Z/two"), None);
    }

    fn row(attempt: u32, status: RunStatus, exit_code: Option<u8>) -> RunRow {
        let request = RunRequest {
            scope: "s".to_owned(),
            trigger: Trigger::Timer,
            requested_by: String::new(),
            reason: String::new(),
            window: Window::ALL,
            model: String::new(),
            settings_hash: String::new(),
            code_version: String::new(),
            requested_at: moment(),
            slot: Some(slot_name(moment(), attempt)),
            detail: RequestDetail::default(),
        };
        RunRow {
            id: RunId(attempt.into()),
            request,
            status,
            started_at: None,
            finished_at: exit_code.map(|_| moment() + Duration::from_secs(60)),
            counts: RunCounts::default(),
            exit_code,
            message: String::new(),
        }
    }

    #[test]
    fn the_rows_of_a_moment_say_what_is_next() {
        use RunStatus::{Abandoned, Cancelled, Done, Failed, Partial, Refused, Requested, Running};
        let check = |rows: &[RunRow], expected| {
            let state = SlotState::of(moment(), rows, 3, Duration::from_secs(300));
            assert_eq!(state, expected, "{rows:?}");
        };
        let open = |attempt, wait_s| SlotState::Open {
            attempt,
            not_before: moment() + Duration::from_secs(wait_s),
        };
        check(&[], open(1, 0));
        for (status, exit_code, expected) in [
            (Requested, None, SlotState::Underway),
            (Running, None, SlotState::Underway),
            (Done, Some(0), SlotState::Settled),
            (Partial, Some(6), SlotState::Settled),
            (Refused, Some(7), SlotState::Settled),
            (Refused, Some(8), open(2, 360)),
            (Failed, Some(4), open(2, 360)),
            (Failed, Some(5), open(2, 360)),
            (Failed, Some(1), SlotState::Settled),
            (Failed, Some(3), SlotState::Settled),
            (Cancelled, Some(130), open(2, 360)),
            (Abandoned, None, open(2, 300)),
        ] {
            check(&[row(1, status, exit_code)], expected);
        }
        let failed = |attempt| row(attempt, Failed, Some(4));
        check(&[failed(2), failed(1)], open(3, 360));
        check(&[failed(2), failed(1), failed(3)], SlotState::Exhausted);
        check(&[row(2, Done, Some(0)), failed(1)], SlotState::Settled);
        check(&[row(2, Running, None), failed(1)], SlotState::Underway);
    }
}
