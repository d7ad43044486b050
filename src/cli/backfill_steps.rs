//! The windows of a backfill: what becomes of each, and how that is told.

use serde_json::json;

use super::context::Context;
use super::exit::Exit;
use super::table::{self, Align};
use crate::domain::{RunId, Window};
use crate::job::backfill::{Planned, WindowState};

/// A window and what became of it.
pub(super) struct Step {
    pub(super) planned: Planned,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    /// Run before, and not to be run again.
    Skipped,
    /// To be run, and not run.
    Waiting,
    /// Another backfill has it.
    Taken,
    /// Run, with this end.
    Ended { run_id: Option<RunId>, exit: Exit, message: String },
}

impl Step {
    pub(super) fn waiting(planned: Planned) -> Self {
        let outcome = if planned.is_run { Outcome::Waiting } else { Outcome::Skipped };
        Self { planned, outcome }
    }

    /// Whether no later window is to be run.
    pub(super) fn ends_all(&self, fail_fast: bool) -> bool {
        let Outcome::Ended { exit, .. } = self.outcome else { return false };
        match exit {
            Exit::Done | Exit::SomeNotPublished => false,
            Exit::NonePublished | Exit::SourceUnavailable => fail_fast,
            // Whatever it was, it would be the same for every other window.
            _ => true,
        }
    }
}

/// The worst end of all windows.
pub(super) fn worst(steps: &[Step]) -> Exit {
    let exit = |step: &Step| match step.outcome {
        Outcome::Ended { exit, .. } => exit,
        Outcome::Skipped | Outcome::Waiting | Outcome::Taken => Exit::Done,
    };
    // What is left are ends after which it went on.
    let rank = |exit: &Exit| match exit {
        Exit::Done => 0,
        Exit::SomeNotPublished => 1,
        Exit::NonePublished => 2,
        _ => 3,
    };
    steps.iter().map(exit).max_by_key(rank).unwrap_or(Exit::Done)
}

/// Prints the windows.
pub(super) fn tell(context: &Context, steps: &[Step], is_dry: bool) -> anyhow::Result<()> {
    if context.json() {
        return context.print_json(&steps.iter().map(|s| json_of(s, is_dry)).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = steps.iter().map(|step| row(step, is_dry)).collect();
    let alignments = [Align::Left, Align::Left, Align::Left, Align::Right, Align::Left];
    let headers = ["from", "to", "window", "run", "message"];
    context.print(&table::render(&headers, &rows, &alignments, context.width()))
}

/// What becomes of a window, in two words at the most.
fn word(step: &Step, is_dry: bool) -> &'static str {
    match (&step.outcome, step.planned.state) {
        (Outcome::Skipped, WindowState::Completed) => "completed",
        (Outcome::Skipped, _) => "failed before",
        (Outcome::Waiting, _) if is_dry => "would run",
        (Outcome::Waiting, _) => "not run",
        (Outcome::Taken, _) => "taken",
        (Outcome::Ended { exit: Exit::Done, .. }, _) => "done",
        (Outcome::Ended { exit: Exit::SomeNotPublished, .. }, _) => "partial",
        (Outcome::Ended { exit: Exit::Stopped, .. }, _) => "stopped",
        (Outcome::Ended { .. }, _) => "failed",
    }
}

fn told(step: &Step) -> (Option<RunId>, &str) {
    match &step.outcome {
        Outcome::Ended { run_id, message, .. } => (*run_id, message),
        Outcome::Taken => (None, "another backfill has it"),
        Outcome::Skipped => (None, ""),
        Outcome::Waiting => match step.planned.state {
            WindowState::Missing => (None, ""),
            WindowState::Failed => (None, "failed before"),
            WindowState::Completed => (None, "completed before"),
        },
    }
}

fn row(step: &Step, is_dry: bool) -> Vec<String> {
    let Window { from, to } = step.planned.window;
    let (run_id, message) = told(step);
    let moment = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    vec![
        moment(from),
        moment(to),
        word(step, is_dry).to_owned(),
        run_id.map(|id| id.to_string()).unwrap_or_default(),
        message.to_owned(),
    ]
}

fn json_of(step: &Step, is_dry: bool) -> serde_json::Value {
    let (run_id, message) = told(step);
    json!({
        "from": step.planned.window.from,
        "to": step.planned.window.to,
        "window": word(step, is_dry),
        "run": run_id,
        "message": message,
    })
}
