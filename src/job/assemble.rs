//! From fitted groups, the judge's words and the current set to the rows of a new set.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::{
    GroupDetail, GroupKey, GroupOutcome, GroupRow, Holdout, ParameterRow, ParameterSet,
    ParameterStatus, Scores, SourceLevel, Verdict, is_wide,
};
use crate::fit::holdout::HeldOut;
use crate::fit::options::Loss;
use crate::fit::{Estimate, FitReport, Identification, Metrics};

use super::fitting::FittedGroup;
use super::plan::RunPlan;
use super::pool::PooledEstimate;

/// Rows of groups that nobody judges: a file in, parameters out. Beyond `imprecise_factor` an
/// interval is wide, see [`RunPlan::imprecise_factor`].
#[must_use]
pub fn unjudged(
    scope: &str,
    model: &str,
    groups: &[FittedGroup],
    imprecise_factor: f64,
) -> ParameterSet {
    let mut set = ParameterSet { scope: scope.to_owned(), ..ParameterSet::default() };
    for group in groups {
        let (mut row, parameters) = new_rows(model, group, imprecise_factor);
        row.verdict = Verdict::None;
        if parameters.is_empty() {
            row = with_metrics(row, None);
            row.outcome = GroupOutcome::Failed;
            row.source_level = SourceLevel::None;
        }
        set.parameters.extend(parameters);
        set.groups.push(row);
    }
    set
}

/// The set that would become current: new estimates where the judge has no objection, else what
/// the current set holds. Groups that this run did not meet keep what they have.
#[must_use]
pub fn judged(
    plan: &RunPlan,
    groups: &[FittedGroup],
    objections: &[Option<String>],
    current: Option<&ParameterSet>,
) -> ParameterSet {
    let model = plan.model.name();
    let mut current = CurrentGroups::new(current);
    let mut set = ParameterSet { scope: plan.request.scope.clone(), ..ParameterSet::default() };
    for (group, objection) in groups.iter().zip(objections) {
        let before = current.take(&group.key);
        let (row, parameters) = match (objection, before) {
            (None, _) => {
                let (row, parameters) = new_rows(model, group, plan.imprecise_factor);
                (GroupRow { verdict: Verdict::Publish, ..row }, parameters)
            }
            (Some(why), Some(before)) => kept(model, group, why, &before),
            (Some(why), None) => without_parameters(model, group, why),
        };
        set.groups.push(row);
        set.parameters.extend(parameters);
    }
    for (key, before) in current.rest().filter(|(key, _)| plan.splits.could_make(key)) {
        let (row, parameters) = unmet(before, plan.asks_for(&key));
        set.groups.push(row);
        set.parameters.extend(parameters);
    }
    set.groups.sort_by(|a, b| a.key.cmp(&b.key));
    // Stable: within a group the model's order stays.
    set.parameters.sort_by(|a, b| a.key.cmp(&b.key));
    set
}

/// Share of the accepted records that stand behind groups without objection; 0 without records.
#[must_use]
pub fn share_published(groups: &[FittedGroup], objections: &[Option<String>]) -> f64 {
    let n_all: u64 = groups.iter().map(|g| g.n_used).sum();
    let passed = groups.iter().zip(objections).filter(|(_, objection)| objection.is_none());
    let n_passed: u64 = passed.map(|(g, _)| g.n_used).sum();
    if n_all == 0 { 0.0 } else { n_passed as f64 / n_all as f64 }
}

type Before = (GroupRow, Vec<ParameterRow>);

/// The groups of the current set that have parameters, each taken once.
struct CurrentGroups(BTreeMap<GroupKey, Before>);

impl CurrentGroups {
    fn new(set: Option<&ParameterSet>) -> Self {
        let mut groups: BTreeMap<GroupKey, Before> = BTreeMap::new();
        if let Some(set) = set {
            let served: BTreeSet<&GroupKey> = set.parameters.iter().map(|p| &p.key).collect();
            for row in set.groups.iter().filter(|row| served.contains(&row.key)) {
                groups.insert(row.key.clone(), (row.clone(), Vec::new()));
            }
            for parameter in &set.parameters {
                if let Some((_, parameters)) = groups.get_mut(&parameter.key) {
                    parameters.push(parameter.clone());
                }
            }
        }
        Self(groups)
    }

    fn take(&mut self, key: &GroupKey) -> Option<Before> {
        self.0.remove(key)
    }

    fn rest(self) -> impl Iterator<Item = (GroupKey, Before)> {
        self.0.into_iter()
    }
}

/// What the fit gives; the message names what is imprecise.
fn new_rows(model: &str, group: &FittedGroup, imprecise_factor: f64) -> Before {
    let mut row = group_row(model, group);
    let mut parameters = parameter_rows(group);
    let mut imprecise = Vec::new();
    for parameter in &mut parameters {
        if is_imprecise(parameter, imprecise_factor) {
            parameter.status = ParameterStatus::Imprecise;
            imprecise.push(parameter.name.as_str());
        }
    }
    if !imprecise.is_empty() {
        let space = if row.message.is_empty() { "" } else { "; " };
        row.message.push_str(&format!("{space}imprecise: {}", imprecise.join(", ")));
    }
    (row, parameters)
}

/// Of what the group's records tell, alone or with others': whatever else has a status that says why
/// it is not to be trusted. Pooling leaves only what does not move without an interval.
fn is_imprecise(row: &ParameterRow, factor: f64) -> bool {
    let is_estimated = match row.status {
        ParameterStatus::Ok => true,
        ParameterStatus::Pooled => row.std_error.is_some(),
        _ => false,
    };
    is_estimated && is_wide(row.estimate, [row.ci_low, row.ci_high], factor)
}

fn kept(model: &str, group: &FittedGroup, why: &str, before: &Before) -> Before {
    let own = parameter_rows(group);
    let (before_row, before_parameters) = before;
    let row = GroupRow {
        model: before_row.model.clone(),
        outcome: GroupOutcome::CarriedOver,
        source_level: SourceLevel::Previous,
        verdict: Verdict::Keep,
        message: why.to_owned(),
        detail: before_row.detail.carried_over(),
        ..with_metrics(group_row(model, group), group.current_metrics)
    };
    let raw = |name: &str| own.iter().find(|p| p.name == name).and_then(|p| p.raw_estimate);
    let parameters = before_parameters.iter().map(|before| ParameterRow {
        status: ParameterStatus::CarriedOver,
        raw_estimate: raw(&before.name),
        ..before.clone()
    });
    (row, parameters.collect())
}

fn without_parameters(model: &str, group: &FittedGroup, why: &str) -> Before {
    let row = GroupRow {
        outcome: GroupOutcome::Failed,
        source_level: SourceLevel::None,
        verdict: Verdict::Keep,
        message: why.to_owned(),
        ..with_metrics(group_row(model, group), None)
    };
    (row, Vec::new())
}

/// A group of the current set of which this run saw no row.
fn unmet((before_row, before_parameters): Before, selected: bool) -> Before {
    let why = if selected { "no row in this run" } else { "not selected in this run" };
    let carried_over = before_row.detail.carried_over();
    // What a group's records looked like says nothing of later ones, where it has none any more.
    let observed = carried_over.observed.clone().filter(|_| !selected);
    let row = GroupRow {
        outcome: GroupOutcome::CarriedOver,
        source_level: SourceLevel::Previous,
        n_read: 0,
        n_refused: 0,
        n_used: 0,
        termination: String::new(),
        iterations: 0,
        ssr_log: None,
        rmse_log: None,
        mae_s: None,
        median_ape: None,
        share_under_p90: None,
        condition: None,
        verdict: Verdict::None,
        message: why.to_owned(),
        detail: GroupDetail { observed, ..carried_over },
        ..before_row
    };
    let carried =
        |p| ParameterRow { status: ParameterStatus::CarriedOver, raw_estimate: None, ..p };
    (row, before_parameters.into_iter().map(carried).collect())
}

fn group_row(model: &str, group: &FittedGroup) -> GroupRow {
    let report = group.fit.as_ref().ok();
    let pooled = group.pooled.as_ref();
    let own_model = pooled.map(|p| p.model).or(report.map(|r| r.model)).unwrap_or(model);
    let metrics = match pooled {
        Some(pooled) => pooled.metrics,
        None => report.and_then(|r| r.metrics),
    };
    let row = GroupRow {
        key: group.key.clone(),
        model: own_model.to_owned(),
        loss: report.map_or(Loss::LeastSquares.as_str(), |r| r.loss).to_owned(),
        outcome: pooled.map_or(GroupOutcome::Fitted, |p| p.outcome),
        source_level: pooled.map_or(SourceLevel::Group, |p| p.source_level),
        n_read: group.n_used + group.n_refused,
        n_refused: group.n_refused,
        n_used: group.n_used,
        termination: report.map_or_else(String::new, |r| r.termination.to_string()),
        iterations: report.map_or(0, |r| r.n_iterations),
        ssr_log: None,
        rmse_log: None,
        mae_s: None,
        median_ape: None,
        share_under_p90: None,
        condition: report.and_then(|r| r.condition).filter(|x| x.is_finite()),
        verdict: Verdict::None,
        message: message(group),
        detail: detail(group),
    };
    with_metrics(row, metrics)
}

/// The row with the figures of what is published for the group, on its own records.
fn with_metrics(row: GroupRow, metrics: Option<Metrics>) -> GroupRow {
    let figure = |of: fn(&Metrics) -> f64| metrics.as_ref().map(of).filter(|x| x.is_finite());
    GroupRow {
        ssr_log: figure(|m| m.ssr_log),
        rmse_log: figure(|m| m.rmse_log),
        mae_s: figure(|m| m.mae_s),
        median_ape: figure(|m| m.median_ape),
        share_under_p90: figure(|m| m.share_under_p90),
        ..row
    }
}

/// What the row has no column for. Likelihood and criteria are those of the group's own fit.
fn detail(group: &FittedGroup) -> GroupDetail {
    let report = group.fit.as_ref().ok();
    let (square, n_rows) = match (&group.pooled, report) {
        (Some(pooled), _) => (&pooled.correlations[..], pooled.estimates.len()),
        (None, Some(report)) => (&report.correlations[..], report.estimates.len()),
        (None, None) => (&[][..], 0),
    };
    let finite = |x: Option<f64>| x.filter(|x| x.is_finite());
    let seen = |km: f64| Some(km).filter(|_| group.n_used > 0);
    GroupDetail {
        distance_min_km: seen(group.shortest_km),
        distance_max_km: seen(group.longest_km),
        correlations: GroupDetail::packed(square, n_rows),
        log_likelihood: finite(report.and_then(|r| r.log_likelihood)),
        aic: finite(report.and_then(|r| r.aic)),
        bic: finite(report.and_then(|r| r.bic)),
        holdout: (group.held_out.as_ref().and_then(|told| told.as_ref().ok()))
            .map(|told| holdout(told, group.held_out_from)),
        observed: Some(group.observed.clone()),
    }
}

fn holdout(told: &HeldOut, from: Option<Timestamp>) -> Holdout {
    let scores = |scores: &crate::fit::holdout::Scores| Scores {
        mae_s: scores.mae_s,
        median_ape: scores.median_ape,
        share_under_p90: scores.share_under_p90,
        log_score: scores.log_score,
    };
    Holdout {
        n_train: told.n_train as u64,
        n: told.n as u64,
        from,
        new: scores(&told.new),
        current: told.other.as_ref().map(scores),
    }
}

/// What the fit says, and what its records cannot tell.
fn message(group: &FittedGroup) -> String {
    let pooled = group.pooled.as_ref().map(|pooled| pooled.message.clone());
    let choice = Some(group.choice.clone()).filter(|text| !text.is_empty());
    let own = Some(own_message(group)).filter(|text| !text.is_empty());
    choice.into_iter().chain(pooled).chain(own).collect::<Vec<_>>().join("; ")
}

fn own_message(group: &FittedGroup) -> String {
    let report = match &group.fit {
        Ok(report) => report,
        Err(why) => return why.clone(),
    };
    let reasons = report.estimates.iter().filter(|e| !e.reason.is_empty());
    let parts = reasons.map(|e| format!("{}: {}", e.name, e.reason));
    let own = Some(report.message.clone()).filter(|text| !text.is_empty());
    // The report may have told the reasons itself.
    let parts = parts.filter(|part| !report.message.contains(part.as_str()));
    own.into_iter().chain(parts).collect::<Vec<_>>().join("; ")
}

fn parameter_rows(group: &FittedGroup) -> Vec<ParameterRow> {
    if let Some(pooled) = &group.pooled {
        let finite = pooled.estimates.iter().filter(|row| row.estimate.value.is_finite());
        return finite.map(|row| pooled_row(&group.key, row)).collect();
    }
    let estimates = group.fit.as_ref().map_or(&[][..], |r: &FitReport| &r.estimates);
    let finite = estimates.iter().filter(|e| e.value.is_finite());
    finite.map(|estimate| parameter_row(&group.key, estimate)).collect()
}

fn pooled_row(key: &GroupKey, pooled: &PooledEstimate) -> ParameterRow {
    ParameterRow {
        raw_estimate: pooled.raw,
        pool_weight: Some(pooled.weight),
        status: pooled.status,
        ..parameter_row(key, &pooled.estimate)
    }
}

fn parameter_row(key: &GroupKey, estimate: &Estimate) -> ParameterRow {
    ParameterRow {
        key: key.clone(),
        name: estimate.name.to_string(),
        unit: estimate.unit.to_owned(),
        estimate: estimate.value,
        std_error: estimate.std_error.filter(|error| error.is_finite()),
        ci_low: estimate.interval.0.filter(|end| end.is_finite()),
        ci_high: estimate.interval.1.filter(|end| end.is_finite()),
        raw_estimate: Some(estimate.value),
        pool_weight: Some(0.0),
        status: match estimate.identification {
            Identification::Ok => ParameterStatus::Ok,
            Identification::AtBound => ParameterStatus::AtBound,
            Identification::Fixed => ParameterStatus::Fixed,
            Identification::NotIdentified => ParameterStatus::NotIdentified,
        },
    }
}
