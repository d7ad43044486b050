//! The gate before publication: what a run's records and its set as a whole must be like, on the
//! first night too. Pure: the judge looks at each group's fit, the gate at what all of them are made
//! of, alone and beside the last published set.
//!
//! A rule says what is wrong in one sentence with its figures and its limit, and what to do about it.
//! `docs/gate.md` has the rules as a table.

mod ages;
mod before;
mod drift;
mod groups;
mod histogram;
mod history;
mod new_rows;
mod refused;
mod repeats;
mod shape;
mod shift;
#[cfg(test)]
mod tests;
pub mod units;
mod unread;
mod watch;

use jiff::Timestamp;

use crate::domain::{
    GateFinding, GateRule, GroupKey, Observed, ParameterSet, RunCounts, RunRow, RunStatus,
    Severity, Window,
};
use crate::fit::Sample;

use super::fitting::FittedGroup;
use before::Before;
pub use shape::Shape;
pub use units::Units;
pub(crate) use watch::{GroupWatch, Kind};
pub use watch::{Moments, Tally, Watch};

/// What a run's records and its set are held to. A share of 1 and a factor or a number of days of 0
/// switch a limit off.
#[derive(Debug, Clone, PartialEq)]
pub struct GateRules {
    /// Rules that are not asked.
    pub skip: Vec<GateRule>,
    /// Fewest rows of which a share or a distribution says something.
    pub min_rows: u64,
    /// Largest share of the rows that could not be read.
    pub max_unreadable: f64,
    /// Largest share of the rows refused for their distance, time or speed.
    pub max_refused_values: f64,
    /// By how much that share may exceed the published set's.
    pub max_refused_values_rise: f64,
    /// Largest share of the rows with a distance or time of exactly zero.
    pub max_zero_values: f64,
    /// Largest share of the rows refused for anything else.
    pub max_refused_others: f64,
    /// By how much that share may exceed the published set's.
    pub max_refused_others_rise: f64,
    /// Largest share of the groups that no records of this run stand behind.
    pub max_groups_without_fit: f64,
    /// Largest factor by which there may be more or fewer records than in the published set.
    pub max_row_factor: f64,
    /// Largest share of the records in regions that vanished, came, or are of another size.
    pub max_regions_changed: f64,
    /// Largest factor by which distances, times and speeds as a whole may be off the published set's.
    pub max_distribution_factor: f64,
    /// Largest share of the rows that repeat another.
    pub max_repeated_rows: f64,
    /// Age of the newest record from which on it is said, days.
    pub warn_age_days: f64,
    /// Age of the newest record from which on nothing is published, days.
    pub max_age_days: f64,
    /// Whether the window ends with the run, so that records are to be new on the first night too.
    pub is_live: bool,
    /// The units that the settings name.
    pub units: Units,
    /// Whether the records are read as they were imported, so that a change of settings or of a file
    /// says nothing until they are imported again.
    pub is_imported: bool,
}

impl Default for GateRules {
    /// Those of `config/default.toml`, which a test holds.
    fn default() -> Self {
        Self {
            skip: Vec::new(),
            min_rows: 100,
            max_unreadable: 0.01,
            max_refused_values: 0.05,
            max_refused_values_rise: 0.03,
            max_zero_values: 0.1,
            max_refused_others: 0.5,
            max_refused_others_rise: 0.15,
            max_groups_without_fit: 0.3,
            max_row_factor: 1.5,
            max_regions_changed: 0.2,
            max_distribution_factor: 1.5,
            max_repeated_rows: 0.2,
            warn_age_days: 2.0,
            max_age_days: 7.0,
            is_live: false,
            units: Units::default(),
            is_imported: false,
        }
    }
}

/// Records behind the published set, in fewest rows of which a share says something, from which on it
/// is compared with.
const MIN_PUBLISHED: u64 = 5;

/// What the gate looks at.
pub(crate) struct Night<'a> {
    rules: &'a GateRules,
    watch: &'a Watch,
    groups: &'a [FittedGroup],
    window: Window,
    min_records: u64,
    /// Groups of the new set that were asked for, and those of them that no records of this run stand
    /// behind.
    n_groups: usize,
    n_without_fit: usize,
    before: Before<'a>,
    before_as_of: Option<Timestamp>,
    /// All of its rows.
    before_counts: Option<RunCounts>,
}

/// What of a run the gate is asked about.
pub(crate) struct Question<'a> {
    pub(crate) rules: &'a GateRules,
    pub(crate) watch: &'a Watch,
    pub(crate) groups: &'a [FittedGroup],
    pub(crate) window: Window,
    /// Fewest records of a group that stands on its own.
    pub(crate) min_records: u64,
    /// The set that is to be published.
    pub(crate) set: &'a ParameterSet,
    /// The set that is.
    pub(crate) current: Option<&'a ParameterSet>,
    /// As of when its run looked.
    pub(crate) current_as_of: Option<Timestamp>,
    /// Rows of its run, where the ledger still knows.
    pub(crate) current_counts: Option<RunCounts>,
}

impl Question<'_> {
    /// Everything that the rules find, refusals first; `asks` says whether a group was asked for.
    pub(crate) fn findings(&self, asks: impl Fn(&GroupKey) -> bool) -> Vec<GateFinding> {
        let met = |key: &GroupKey| {
            self.groups.binary_search_by(|group| group.key.cmp(key)).is_ok() || asks(key)
        };
        let served = self.set.groups.iter().filter(|row| met(&row.key));
        let (n_groups, n_without_fit) = groups::without_fit(served);
        let night = Night {
            rules: self.rules,
            watch: self.watch,
            groups: self.groups,
            window: self.window,
            min_records: self.min_records,
            n_groups,
            n_without_fit,
            before: Before::of(self.current, met),
            before_as_of: self.current_as_of,
            before_counts: self.current_counts,
        };
        night.findings()
    }
}

impl Night<'_> {
    fn findings(&self) -> Vec<GateFinding> {
        let mut found: Vec<GateFinding> = [
            self.unreadable(),
            self.constant(),
            self.distribution(),
            self.refused_values(),
            self.zero_values(),
            self.clock_times(),
            self.unrelated(),
            self.weights(),
            self.refused_others(),
            self.row_count(),
            self.regions().or_else(|| self.alike_regions()),
            self.history(),
            self.newest_rows(),
            self.repeated_rows(),
            self.stale(),
            self.future(),
            self.groups_without_fit(),
        ]
        .into_iter()
        .flatten()
        .filter(|finding| !self.rules.skip.contains(&finding.rule))
        .collect();
        // Stable: of two alike the first says more of the cause.
        found.sort_by_key(|finding| finding.severity == Severity::Warn);
        found
    }

    /// The rows since the published set; where nothing is wrong with them, those of the last week.
    fn newest_rows(&self) -> Option<GateFinding> {
        let is_refused = |finding: &GateFinding| finding.severity == Severity::Refuse;
        let new = self.new_rows();
        if new.as_ref().is_some_and(is_refused) { new } else { self.drift().or(new) }
    }

    fn is_enough(&self, n: u64) -> bool {
        n >= self.rules.min_rows.max(1)
    }

    /// Whether so many records stand behind the published set that this one is compared with it: a set
    /// of a few hundred changes for good reasons.
    fn is_comparable(&self) -> bool {
        self.before.n_used() >= MIN_PUBLISHED * self.rules.min_rows.max(1)
    }
}

/// What to do about everything that is refused, each remedy once behind the rule that gives it; nothing
/// where nothing is refused. `is_imported` as in [`GateRules`].
#[must_use]
pub fn remedy(findings: &[GateFinding], is_imported: bool) -> Option<String> {
    let refused = || findings.iter().filter(|finding| finding.severity == Severity::Refuse);
    // What follows from another finding is mended with it.
    let is_cause = |finding: &&GateFinding| {
        use GateRule as R;
        let follows_from = |rules: &[R]| refused().any(|other| rules.contains(&other.rule));
        match finding.rule {
            R::GroupsWithoutFit => refused().count() == 1,
            R::History => !follows_from(&[R::Distribution, R::RefusedValues, R::Constant]),
            R::RowCount | R::Regions => {
                !follows_from(&[R::Unreadable, R::RefusedValues, R::ZeroValues, R::RefusedOthers])
            }
            _ => true,
        }
    };
    let mut told: Vec<&GateFinding> = Vec::new();
    for finding in refused().filter(is_cause) {
        if told.iter().all(|earlier| earlier.remedy != finding.remedy) {
            told.push(finding);
        }
    }
    let text = match told.as_slice() {
        [] => return None,
        [only] => only.remedy.clone(),
        several => {
            let each =
                several.iter().map(|finding| format!("[{}] {}", finding.rule, finding.remedy));
            each.collect::<Vec<_>>().join("; ")
        }
    };
    let is_imported = is_imported && told.iter().any(|finding| finding.rule.is_of_records());
    Some(if is_imported { text + UNDO } else { text })
}

/// What else it takes where the records are those of an import.
const UNDO: &str =
    "; `speedfit import --undo FILE` takes out what was imported, to import it again";

/// What the gate finds wrong with a group: that its distances or times are in another unit than those
/// of the published set.
pub(crate) fn group_objection(
    rules: &GateRules,
    group: &FittedGroup,
    current: Option<&Observed>,
) -> Option<String> {
    if let Some(why) = group.shape.weight_objection(group.n_used) {
        return Some(why);
    }
    let (current, limit) = (current?, rules.max_distribution_factor);
    let asks = |rule| limit > 0.0 && !rules.skip.contains(&rule);
    let whole = || shift::of_group(&group.observed, current, rules.units);
    let newest = || shift::of_newest(&group.shape.recent, rules.units);
    asks(GateRule::Distribution)
        .then(whole)
        .flatten()
        .or_else(|| asks(GateRule::Drift).then(newest).flatten())
}

/// As of when a run looks that starts at this moment: the end of its window where that is earlier.
pub(crate) fn as_of(start: Timestamp, window: Window) -> Timestamp {
    window.to.map_or(start, |to| to.min(start))
}

/// As of when a run of the ledger looked, for one whose window ends or does not: beside one that does
/// not, a past window's records are not taken for a feed that was fresh.
pub(crate) fn as_of_run(run: &RunRow, beside: Window) -> Timestamp {
    let start = run.started_at.unwrap_or(run.request.requested_at);
    if beside.to.is_some() { as_of(start, run.request.window) } else { start }
}

/// When a run looks, and which records the current set knows of.
pub(crate) fn moments(now: Timestamp, as_of: Timestamp, current: Option<&ParameterSet>) -> Moments {
    let before = Before::of(current, |_| true);
    let observed = || before.rows().map(|(_, observed)| observed);
    Moments {
        now,
        as_of,
        since: observed().filter_map(|of| of.oldest).min(),
        cut: before.newest(),
        accepted: observed().filter_map(|of| of.accepted_until).max(),
    }
}

/// Whether a person made that run's set the current one although the gate or the judge objected.
pub(crate) fn is_accepted(run: &RunRow) -> bool {
    run.request.detail.force || run.status == RunStatus::Refused
}

/// Notes that a person accepted the current set, so that what it is made of is not asked about again.
pub(crate) fn accept(current: &mut ParameterSet) {
    for observed in current.groups.iter_mut().filter_map(|row| row.detail.observed.as_mut()) {
        observed.accepted_until = observed.newest;
    }
}

/// What a group's rows looked like, those of them no newer than the published set's newest, and what
/// else is looked at.
pub(crate) fn observed(watch: &GroupWatch, samples: &[Sample]) -> (Observed, Observed, Shape) {
    let values = history::values(watch, samples);
    let all = Observed {
        oldest: watch.oldest(),
        newest: watch.newest(),
        n_used: samples.len() as u64,
        n_refused_values: watch.tally.n_values,
        n_refused_zeros: watch.tally.n_zeros,
        n_refused_others: watch.tally.n_others,
        distance_km: values.distance_km.percentiles(),
        travel_time_s: values.travel_time_s.percentiles(),
        speed_kmh: values.speed_kmh.percentiles(),
        accepted_until: None,
    };
    (all, history::earlier(watch, &values), Shape::of(watch, &values))
}

fn refuse(rule: GateRule, message: String, remedy: impl Into<String>) -> GateFinding {
    GateFinding { rule, severity: Severity::Refuse, message, remedy: remedy.into() }
}

fn warn(rule: GateRule, message: String) -> GateFinding {
    let remedy = rule.remedy().to_owned();
    GateFinding { rule, severity: Severity::Warn, message, remedy }
}

/// A share as people read it: three significant digits of a per cent.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    // Nearly all is not all.
    let is_round = (10.0..99.95).contains(&percent);
    let text = if is_round { format!("{percent:.1}") } else { format!("{percent:.2}") };
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A count with commas between its thousands.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The first names of many.
fn names(mut all: Vec<String>) -> String {
    const MAX_NAMES: usize = 3;
    let n_more = all.len().saturating_sub(MAX_NAMES);
    all.truncate(MAX_NAMES);
    let shown = all.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if n_more > 0 { format!("{shown} and {n_more} more") } else { shown }
}
