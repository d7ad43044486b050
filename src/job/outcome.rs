//! What a run comes to: the set that the judge leaves, how the run ends, and the document that
//! tells of both.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::assemble;
use super::error::{EXIT_NOTHING_PUBLISHED, EXIT_PARTIAL};
use super::fitting::{FittedGroup, FittedSource, between};
use super::gate;
use super::group_fit::caught;
use super::judge::PublishedCurves;
use super::overrule;
use super::plan::RunPlan;
use crate::domain::results::{GroupResult, RowCounts, SCHEMA_VERSION};
use crate::domain::{
    GateFinding, GateRule, GroupRow, ParameterSet, RefusalRow, RunCounts, RunResults, RunStatus,
    Severity, message_with_remedy,
};
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

/// What is current when a run begins.
#[derive(Debug, Clone, Copy, Default)]
pub struct Current<'a> {
    /// The set, where there is one that the run is compared with.
    pub set: Option<&'a ParameterSet>,
    /// As of when its run looked, where the ledger still knows.
    pub as_of: Option<Timestamp>,
    /// Its rows, likewise.
    pub counts: Option<RunCounts>,
}

/// Judges what was fitted against the current set.
pub(super) fn judge(
    plan: &RunPlan,
    fitted: FittedSource,
    current: Current<'_>,
    begun: Timestamp,
    clock: &dyn Clock,
) -> RunReport {
    let judging = clock.now();
    let curves = PublishedCurves::of(current.set);
    let mut objections: Vec<Option<String>> =
        fitted.groups.iter().map(|group| objection(plan, group, &curves)).collect();
    let asked = &plan.request.detail;
    let overruled = overrule::overrule(asked, &fitted.groups, &mut objections);
    let mut set = assemble::judged(plan, &fitted.groups, &objections, current.set);
    overrule::note(&mut set, &overruled);
    let share = assemble::share_published(&fitted.groups, &objections);
    let findings = gate_findings(plan, &fitted, &set, current);
    let verdict = SetVerdict::new(plan, &fitted, &objections, share, &findings);
    let verdict = verdict.under_request(plan, &fitted, &objections, overruled.len());
    let verdict = verdict.warned(&findings);
    let curves_before = fitted.groups.iter().map(|group| curves.get(&group.key).cloned()).collect();
    let now = clock.now();
    let timing = BTreeMap::from([
        ("read".to_owned(), millis(fitted.read_time)),
        ("fit".to_owned(), millis(fitted.fit_time)),
        ("judge".to_owned(), millis(between(judging, now))),
        ("total".to_owned(), millis(between(begun, now))),
    ]);
    RunReport {
        results: RunResults {
            findings,
            ..results(plan.request.settings_hash.clone(), &fitted, &set, timing)
        },
        set,
        groups: fitted.groups,
        curves_before,
        status: verdict.status,
        exit_code: verdict.exit_code,
        message: verdict.message,
    }
}

/// What the judge or the gate says against a group; that it panicked, where it did.
fn objection(plan: &RunPlan, group: &FittedGroup, curves: &PublishedCurves<'_>) -> Option<String> {
    let of_gate = || gate::group_objection(&plan.gate, group, curves.observed(&group.key));
    let objection = || plan.judge.objection(group, curves).or_else(of_gate);
    caught(objection).unwrap_or_else(Some)
}

/// What the gate finds: alone, and beside the current set where there is one.
#[must_use]
pub fn gate_findings(
    plan: &RunPlan,
    fitted: &FittedSource,
    set: &ParameterSet,
    current: Current<'_>,
) -> Vec<GateFinding> {
    let question = gate::Question {
        rules: &plan.gate,
        watch: &fitted.watch,
        groups: &fitted.groups,
        window: plan.request.window,
        min_records: plan.judge.min_records,
        set,
        current: current.set,
        current_as_of: current.as_of,
        current_counts: current.counts,
    };
    question.findings(|key| plan.asks_for(key))
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
        findings: Vec::new(),
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
        findings: &[GateFinding],
    ) -> Self {
        let n_passed = objections.iter().filter(|o| o.is_none()).count();
        let n_groups = objections.len();
        if fitted.n_used == 0 || n_passed == 0 {
            let nothing = nothing_to_publish(plan, fitted, objections);
            let why = reasons(findings, None).map(|why| format!("; {why}"));
            return Self::refused(nothing + &why.unwrap_or_default()).with_remedy(plan, findings);
        }
        // The judge's and the gate's alike, which `force` overrules.
        if !plan.request.detail.force {
            let of_judge = too_small_a_share(plan, n_passed, n_groups, share);
            if let Some(why) = reasons(findings, of_judge) {
                let refused = Self::refused(format!("nothing published: {why}"));
                return refused.with_remedy(plan, findings);
            }
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

    /// The same, that says what the gate found and let pass.
    fn warned(self, findings: &[GateFinding]) -> Self {
        if self.status == RunStatus::Refused || findings.is_empty() {
            return self;
        }
        let said = |finding: &GateFinding| match finding.severity {
            Severity::Warn => format!("; warning: {finding}"),
            Severity::Refuse => format!("; forced: {finding}"),
        };
        let message = findings.iter().map(said).fold(self.message, |text, said| text + &said);
        let is_warned = findings.iter().any(|finding| finding.severity == Severity::Warn);
        if self.status == RunStatus::Done && is_warned {
            return Self { status: RunStatus::Partial, exit_code: EXIT_PARTIAL, message };
        }
        Self { message, ..self }
    }

    /// The same, that says what to do about what the gate refused.
    fn with_remedy(mut self, plan: &RunPlan, findings: &[GateFinding]) -> Self {
        if let Some(remedy) = gate::remedy(findings, plan.gate.is_imported) {
            self.message = message_with_remedy(&self.message, &remedy);
        }
        self
    }

    fn refused(message: String) -> Self {
        Self { status: RunStatus::Refused, exit_code: EXIT_NOTHING_PUBLISHED, message }
    }
}

/// Findings for which nothing is published.
fn refusals(findings: &[GateFinding]) -> impl Iterator<Item = &GateFinding> {
    findings.iter().filter(|finding| finding.severity == Severity::Refuse)
}

/// What the judge says of the set, where too little of it passed.
fn too_small_a_share(
    plan: &RunPlan,
    n_passed: usize,
    n_groups: usize,
    share: f64,
) -> Option<String> {
    if share < plan.judge.min_share_published {
        return Some(format!(
            "only {n_passed} of {n_groups} groups passed, with {:.0} % of the records; {:.0} % needed",
            share * 100.0,
            plan.judge.min_share_published * 100.0
        ));
    }
    let share_groups = n_passed as f64 / n_groups as f64;
    (share_groups < plan.judge.min_share_groups).then(|| {
        format!(
            "only {n_passed} of {n_groups} groups passed, {:.0} %; {:.0} % needed",
            share_groups * 100.0,
            plan.judge.min_share_groups * 100.0
        )
    })
}

/// Reasons told of one run at the most: the first says most of the cause.
const MAX_REASONS: usize = 3;

/// Why nothing is published: what is wrong with the records, then what became of the groups.
fn reasons(findings: &[GateFinding], of_judge: Option<String>) -> Option<String> {
    let is_of_groups = |finding: &&GateFinding| finding.rule == GateRule::GroupsWithoutFit;
    let of_records = refusals(findings).filter(|finding| !is_of_groups(finding));
    let of_groups = refusals(findings).filter(is_of_groups);
    let all = of_records.map(ToString::to_string).chain(of_judge);
    let all: Vec<String> =
        all.chain(of_groups.map(ToString::to_string)).take(MAX_REASONS).collect();
    (!all.is_empty()).then(|| all.join("; "))
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
