//! What a run comes to: the set that the judge leaves, how the run ends, and the document that
//! tells of both.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::assemble;
use super::error::{EXIT_NOTHING_PUBLISHED, EXIT_PARTIAL};
use super::fitting::{FittedGroup, FittedSource, between};
use super::group_fit::caught;
use super::judge::PublishedCurves;
use super::overrule;
use super::plan::RunPlan;
use crate::domain::results::{GroupResult, RowCounts, SCHEMA_VERSION};
use crate::domain::{GroupRow, ParameterSet, RefusalRow, RunCounts, RunResults, RunStatus};
use crate::fit::Curve;
use crate::ports::Clock;

/// A run that came to its end, published or not.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// What `run_results.json` tells.
    pub results: RunResults,
    /// The new set.
    pub set: ParameterSet,
    /// The groups with their observed quantiles, for plots.
    pub groups: Vec<FittedGroup>,
    /// For each of `groups` the curve that was current before.
    pub curves_before: Vec<Option<Curve>>,
    /// How the run ended.
    pub status: RunStatus,
    /// The process's exit code.
    pub exit_code: u8,
    /// How it ended, in words.
    pub message: String,
}

/// Judges what was fitted against the current set.
pub(super) fn judge(
    plan: &RunPlan,
    fitted: FittedSource,
    current: Option<&ParameterSet>,
    begun: Timestamp,
    clock: &dyn Clock,
) -> RunReport {
    let judging = clock.now();
    let curves = PublishedCurves::of(current);
    let mut objections: Vec<Option<String>> =
        fitted.groups.iter().map(|group| objection(plan, group, &curves)).collect();
    let asked = &plan.request.detail;
    let overruled = overrule::overrule(asked, &fitted.groups, &mut objections);
    let mut set = assemble::judged(plan, &fitted.groups, &objections, current);
    overrule::note(&mut set, &overruled);
    let share = assemble::share_published(&fitted.groups, &objections);
    let verdict = SetVerdict::new(plan, &fitted, &objections, share);
    let verdict = verdict.under_request(plan, &fitted, &objections, overruled.len());
    let curves_before = fitted.groups.iter().map(|group| curves.get(&group.key).cloned()).collect();
    let now = clock.now();
    let timing = BTreeMap::from([
        ("read".to_owned(), millis(fitted.read_time)),
        ("fit".to_owned(), millis(fitted.fit_time)),
        ("judge".to_owned(), millis(between(judging, now))),
        ("total".to_owned(), millis(between(begun, now))),
    ]);
    RunReport {
        results: results(plan.request.settings_hash.clone(), &fitted, &set, timing),
        set,
        groups: fitted.groups,
        curves_before,
        status: verdict.status,
        exit_code: verdict.exit_code,
        message: verdict.message,
    }
}

/// What the judge says against a group; that it panicked, where it did.
fn objection(plan: &RunPlan, group: &FittedGroup, curves: &PublishedCurves<'_>) -> Option<String> {
    caught(|| plan.judge.objection(group, curves)).unwrap_or_else(Some)
}

/// The document that tells of a fit, before the ledger has its row.
#[must_use]
pub fn results(
    settings_hash: String,
    fitted: &FittedSource,
    set: &ParameterSet,
    timing_ms: BTreeMap<String, f64>,
) -> RunResults {
    let counts = RunCounts::default().with_groups(&set.groups);
    RunResults {
        schema_version: SCHEMA_VERSION,
        run: None,
        settings_hash,
        timing_ms,
        rows: RowCounts {
            read: fitted.n_read,
            used: fitted.n_used,
            refused: fitted.refused.clone(),
        },
        groups: counts.groups().into_iter().collect(),
        refusals: fitted.refusals.clone(),
        model_preference: fitted.model_preference.clone(),
        results: group_results(set),
    }
}

/// The groups of a set, each with its parameters.
#[must_use]
pub fn group_results(set: &ParameterSet) -> Vec<GroupResult> {
    let mut parameters: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in &set.parameters {
        parameters.entry(&row.key).or_default().push(row.clone());
    }
    let of = |group: &GroupRow| GroupResult {
        group: group.clone(),
        parameters: parameters.get(&group.key).cloned().unwrap_or_default(),
    };
    set.groups.iter().map(of).collect()
}

/// The phases of a fit that nobody judges.
#[must_use]
pub fn timing(fitted: &FittedSource) -> BTreeMap<String, f64> {
    BTreeMap::from([
        ("read".to_owned(), millis(fitted.read_time)),
        ("fit".to_owned(), millis(fitted.fit_time)),
        ("total".to_owned(), millis(fitted.read_time + fitted.fit_time)),
    ])
}

/// Milliseconds, to the microsecond.
#[must_use]
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// How the run as a whole ends.
struct SetVerdict {
    status: RunStatus,
    exit_code: u8,
    message: String,
}

impl SetVerdict {
    fn new(
        plan: &RunPlan,
        fitted: &FittedSource,
        objections: &[Option<String>],
        share: f64,
    ) -> Self {
        let n_passed = objections.iter().filter(|o| o.is_none()).count();
        let n_groups = objections.len();
        if fitted.n_used == 0 || n_passed == 0 {
            return Self::refused(nothing_to_publish(plan, fitted, objections));
        }
        // Shares are the judge's too, which `force` overrules.
        let is_judged = !plan.request.detail.force;
        if is_judged && share < plan.judge.min_share_published {
            return Self::refused(format!(
                "nothing published: only {n_passed} of {n_groups} groups passed, with {:.0} % of the \
                 records; {:.0} % needed",
                share * 100.0,
                plan.judge.min_share_published * 100.0
            ));
        }
        let share_groups = n_passed as f64 / n_groups as f64;
        if is_judged && share_groups < plan.judge.min_share_groups {
            return Self::refused(format!(
                "nothing published: only {n_passed} of {n_groups} groups passed, {:.0} %; {:.0} % \
                 needed",
                share_groups * 100.0,
                plan.judge.min_share_groups * 100.0
            ));
        }
        let became = match plan.dry_run {
            true => "would be published",
            false if plan.request.detail.keep_unpublished => "passed",
            false => "published",
        };
        let message = format!("{n_passed} of {n_groups} groups {became}");
        if n_passed < n_groups {
            Self { status: RunStatus::Partial, exit_code: EXIT_PARTIAL, message }
        } else {
            Self { status: RunStatus::Done, exit_code: 0, message }
        }
    }

    /// The same under the rules of the one who asked for the run.
    fn under_request(
        self,
        plan: &RunPlan,
        fitted: &FittedSource,
        objections: &[Option<String>],
        n_forced: usize,
    ) -> Self {
        if self.status == RunStatus::Refused {
            return self;
        }
        let asked = &plan.request.detail;
        if let Some(why) = overrule::too_many_failures(asked, &fitted.groups, objections) {
            return Self::refused(why);
        }
        let mut message = self.message;
        if n_forced > 0 {
            message = format!("{message}, {n_forced} of them forced");
        }
        if asked.keep_unpublished {
            message = format!("{message}, kept unpublished");
        }
        Self { message, ..self }
    }

    fn refused(message: String) -> Self {
        Self { status: RunStatus::Refused, exit_code: EXIT_NOTHING_PUBLISHED, message }
    }
}

/// Says why probably there is nothing.
fn nothing_to_publish(
    plan: &RunPlan,
    fitted: &FittedSource,
    objections: &[Option<String>],
) -> String {
    if fitted.n_read == 0 {
        let selected = match &plan.selection {
            all if all.is_all() => String::new(),
            selection => format!(" of {selection}"),
        };
        return format!(
            "nothing published: the source holds no record{selected} in the window ({})",
            plan.request.window
        );
    }
    if fitted.n_used == 0 {
        let most = RefusalRow::commonest_in_words(&fitted.refusals);
        return format!("nothing published: all {} rows were refused, {most}", fitted.n_read);
    }
    let first = objections.iter().flatten().next().map_or("", String::as_str);
    format!("nothing published: none of {} groups passed, the first: {first}", objections.len())
}
