//! Past windows, each a run of its own: which windows there are, and which of them are to be run.
//! Pure but for [`settle`]. `docs/backfill.md` has the decision as a table; a test reads it and checks
//! every cell.

use std::collections::BTreeMap;
use std::fmt;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::domain::{RunId, RunRow, RunStatus, Trigger, Window};
use crate::ports::{FailureKind, PortError, PortResult, Store};

use super::dead::end_dead;
use super::error::EXIT_REFUSED;

/// Windows of one backfill at the most: 27 years of days.
pub const MAX_WINDOWS: usize = 10_000;

/// Characters of the settings' hash that tell one settings' slots from another's.
const HASH_CHARS: usize = 16;

/// Why there are no windows.
#[derive(Debug, thiserror::Error)]
pub enum WindowsError {
    /// The end is not after the start.
    #[error("there is no window: `--to` ({to}) is not after `--from` ({from})")]
    Empty {
        /// Start.
        from: Timestamp,
        /// End.
        to: Timestamp,
    },
    /// A step that does not lead forward.
    #[error("`--step` must be longer than nothing")]
    Step,
    /// Too many.
    #[error("there are more than {MAX_WINDOWS} windows")]
    TooMany,
    /// A window that leaves the calendar.
    #[error("a window leaves the calendar")]
    Calendar(#[source] jiff::Error),
}

/// The span cut into windows of one step each in the zone's calendar: a day is 23 to 25 hours long
/// where clocks are set, a month as long as it is. Every start is counted from `from`, so that months
/// do not drift; the last window is cut at `to`.
///
/// # Errors
/// [`WindowsError`].
pub fn windows(
    from: Timestamp,
    to: Timestamp,
    step: Span,
    zone: &TimeZone,
) -> Result<Vec<Window>, WindowsError> {
    if from >= to {
        return Err(WindowsError::Empty { from, to });
    }
    if !step.is_positive() {
        return Err(WindowsError::Step);
    }
    let start = from.to_zoned(zone.clone());
    let nth_start = |n: i64| {
        let steps = step.checked_mul(n).map_err(WindowsError::Calendar)?;
        let at = start.checked_add(steps).map_err(WindowsError::Calendar)?;
        Ok(at.timestamp())
    };
    let mut windows = Vec::new();
    let mut begins = from;
    while begins < to {
        if windows.len() == MAX_WINDOWS {
            return Err(WindowsError::TooMany);
        }
        let ends = nth_start(windows.len() as i64 + 1)?.min(to);
        if ends <= begins {
            return Err(WindowsError::Step);
        }
        windows.push(Window { from: Some(begins), to: Some(ends) });
        begins = ends;
    }
    Ok(windows)
}

/// Which windows are run that have been run before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reprocess {
    /// None: only those without a run that came to an end.
    #[default]
    None,
    /// Those whose last such run published nothing or broke off too.
    Failed,
    /// All.
    Completed,
}

impl Reprocess {
    /// Every choice, in the order in which they run more.
    pub const ALL: [Self; 3] = [Self::None, Self::Failed, Self::Completed];

    /// Its name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Failed => "failed",
            Self::Completed => "completed",
        }
    }
}

impl fmt::Display for Reprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How far the runs of a window have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowState {
    /// No run of it came to an end of its own.
    Missing,
    /// The last that did has no set to show.
    Failed,
    /// The last that did has a set.
    Completed,
}

/// What a run says of its window; `None` where it says nothing: it was stopped, died, never started,
/// or found its scope busy.
#[must_use]
pub fn word_of(status: RunStatus, exit_code: Option<u8>) -> Option<WindowState> {
    match status {
        RunStatus::Done | RunStatus::Partial => Some(WindowState::Completed),
        RunStatus::Failed => Some(WindowState::Failed),
        RunStatus::Refused if exit_code == Some(EXIT_REFUSED) => None,
        RunStatus::Refused => Some(WindowState::Failed),
        RunStatus::Requested | RunStatus::Running | RunStatus::Cancelled | RunStatus::Abandoned => {
            None
        }
    }
}

/// Whether a window is run.
#[must_use]
pub fn is_run(state: WindowState, reprocess: Reprocess) -> bool {
    match state {
        WindowState::Missing => true,
        WindowState::Failed => reprocess != Reprocess::None,
        WindowState::Completed => reprocess == Reprocess::Completed,
    }
}

/// A window and what there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The window.
    pub window: Window,
    /// How far its runs have come.
    pub state: WindowState,
    /// Whether it is run.
    pub is_run: bool,
    /// What its next run answers: whoever asks for it first does it.
    pub slot: String,
}

/// Leaves out what another process has under way: its window has the same slot as long as it has, so
/// that whoever asks for it finds it taken. `newest` is the newest run that there was before the dead
/// were looked for: a request that is newer is about to begin.
pub fn leave_out_live(runs: &mut Vec<RunRow>, newest: Option<RunId>) {
    runs.retain(|row| match row.status {
        RunStatus::Running => false,
        RunStatus::Requested => Some(row.id) <= newest,
        _ => true,
    });
}

/// What is to be done, where `earlier` are the runs of the scope, newest first.
#[must_use]
pub fn plan(
    windows: &[Window],
    settings_hash: &str,
    reprocess: Reprocess,
    earlier: &[RunRow],
) -> Vec<Planned> {
    let mut by_window: BTreeMap<(i64, i64), Vec<&RunRow>> = BTreeMap::new();
    for row in earlier {
        let request = &row.request;
        if request.trigger == Trigger::Backfill && request.settings_hash == settings_hash {
            by_window.entry(request.window.bounds_us()).or_default().push(row);
        }
    }
    let planned = |&window: &Window| {
        let own = by_window.get(&window.bounds_us()).map_or(&[][..], Vec::as_slice);
        let state = own.iter().find_map(|row| word_of(row.status, row.exit_code));
        let state = state.unwrap_or(WindowState::Missing);
        Planned {
            window,
            state,
            is_run: is_run(state, reprocess),
            slot: slot(window, settings_hash, own.len()),
        }
    };
    windows.iter().map(planned).collect()
}

fn slot(window: Window, settings_hash: &str, n_earlier: usize) -> String {
    let at = |end: Option<Timestamp>| end.map(|end| end.to_string()).unwrap_or_default();
    let hash = settings_hash.get(..HASH_CHARS).unwrap_or(settings_hash);
    format!("backfill/{}/{}/{hash}/{n_earlier}", at(window.from), at(window.to))
}

/// Marks runs of the scope that died as abandoned, so that what the ledger says holds, and returns them:
/// whoever asks has them to tell of.
///
/// # Errors
/// [`FailureKind::Refused`] where another run of the scope is active; the store's.
pub async fn settle(store: &dyn Store, scope: &str, now: Timestamp) -> PortResult<Vec<RunRow>> {
    end_dead(store, scope, None, now).await?.ok_or_else(|| {
        let what = format!("another run of scope `{scope}` is active");
        PortError::new(FailureKind::Refused, what)
            .with_hint("`speedfit runs` shows it; wait for its end, then start again")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn shown(from: &str, to: &str, step: &str, zone: &str) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let windows = windows(at(from), at(to), step.parse().unwrap(), &zone).unwrap();
        windows.iter().map(|window| window.from.unwrap().to_string()).collect()
    }

    #[test]
    fn windows_follow_the_calendar_of_the_zone() {
        let check = |from: &str, to: &str, step: &str, zone: &str, expected: &[&str]| {
            assert_eq!(shown(from, to, step, zone), expected, "{from} {to} {step} {zone}");
        };
        let utc = ["2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"];
        check("2026-01-31T00:00:00Z", "2026-04-01T00:00:00Z", "1mo", "UTC", &utc);
        // The night in which clocks are set forward has an hour less.
        let london = ["2026-03-28T00:00:00Z", "2026-03-29T00:00:00Z", "2026-03-29T23:00:00Z"];
        check("2026-03-28T00:00:00Z", "2026-03-30T22:00:00Z", "1d", "Europe/London", &london);
        check(
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:30:00Z",
            "1h",
            "UTC",
            &["2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"],
        );
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        let check = |from: &str, to: &str, step: &str, expected: &str| {
            let told = windows(at(from), at(to), step.parse().unwrap(), &TimeZone::UTC);
            assert_eq!(told.unwrap_err().to_string(), expected);
        };
        let (a, b) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
        check(a, a, "1d", &format!("there is no window: `--to` ({a}) is not after `--from` ({a})"));
        check(a, b, "0d", "`--step` must be longer than nothing");
        check(a, b, "-1d", "`--step` must be longer than nothing");
        check(a, b, "1s", "there are more than 10000 windows");
    }

    proptest::proptest! {
        #[test]
        fn windows_cover_the_span_once(days in 1_i64..900, step in 1_i64..40, hour in 0_i64..24) {
            let from = at("2024-02-10T00:00:00Z") + Span::new().hours(hour);
            let to = from + Span::new().hours(24 * days);
            for step in [Span::new().days(step), Span::new().weeks(step), Span::new().months(step)] {
                let zone = TimeZone::get("America/New_York").unwrap();
                let windows = windows(from, to, step, &zone).unwrap();
                proptest::prop_assert_eq!(windows.first().unwrap().from, Some(from));
                proptest::prop_assert_eq!(windows.last().unwrap().to, Some(to));
                proptest::prop_assert!(windows.iter().all(|window| !window.is_empty()));
                proptest::prop_assert!(windows.windows(2).all(|pair| pair[0].to == pair[1].from));
            }
        }
    }
}
