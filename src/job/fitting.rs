//! From a source to fitted groups: reading, one fit per group on all cores, the choice of a model,
//! and pooling.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, info, info_span, warn};

use crate::domain::{GroupKey, ModelPreference, Observed, ParameterSet, RefusalReason, RefusalRow};
use crate::fit::holdout::{HeldOut, NotHeldOut, cut_time};
use crate::fit::summary::DistanceBin;
use crate::fit::{Curve, FitReport, Metrics, Model, Observations};
use crate::ports::{Clock, FailureKind, PortError, RecordSource};

use super::choose::{Criterion, choose};
use super::collect::{Collected, GroupRecords};
use super::current::CurrentParameters;
use super::error::JobError;
use super::events::{Observer, RunEvent};
use super::gate::{Shape, Watch};
use super::group_fit::{GroupFits, Task, caught, fit_group};
use super::off_thread::off_thread;
use super::plan::RunPlan;
use super::pool::{Member, PooledGroup, pool_groups};
use super::preference::Comparison;
use super::reading::read;

/// One group after its fit.
#[derive(Debug, Clone)]
pub struct FittedGroup {
    /// Which group.
    pub key: GroupKey,
    /// Records offered to the fit.
    pub n_used: u64,
    /// Rows refused that named this group.
    pub n_refused: u64,
    /// Shortest trip, km; 0 without records.
    pub shortest_km: f64,
    /// Longest trip, km; 0 without records.
    pub longest_km: f64,
    /// Share of each class of road in the ways of its records; empty unless they carry lengths.
    pub class_shares: Vec<f64>,
    /// Observed times by distance.
    pub bins: Vec<DistanceBin>,
    /// The fit, or why there is none although there were records.
    pub fit: Result<FitReport, String>,
    /// What is published in its place, where the group leans on others.
    pub pooled: Option<PooledGroup>,
    /// How well what is current for it describes its records; `None` without either.
    pub current_metrics: Option<Metrics>,
    /// Scores on its latest records, or why there are none; nothing where none are held out.
    pub held_out: Option<Result<HeldOut, NotHeldOut>>,
    /// Moment from which on they are held out.
    pub held_out_from: Option<Timestamp>,
    /// Why this model; empty where it is the one asked for.
    pub choice: String,
    /// What its rows looked like.
    pub observed: Observed,
    /// What those of them looked like that are no newer than the newest of the published set, as far as
    /// they have a distance and a time.
    pub earlier: Observed,
    /// What else the gate looks at in its rows.
    pub shape: Shape,
    /// Its records that are no newer than the newest of the published set.
    pub n_old: u64,
}

/// What a source gave, fitted.
#[derive(Debug, Clone)]
pub struct FittedSource {
    /// Groups, ordered by key.
    pub groups: Vec<FittedGroup>,
    /// Refusals by region and reason.
    pub refusals: Vec<RefusalRow>,
    /// Refusals by reason.
    pub refused: BTreeMap<RefusalReason, u64>,
    /// The model that the records prefer to the one that is set.
    pub model_preference: Option<ModelPreference>,
    /// Rows read.
    pub n_read: u64,
    /// Rows accepted.
    pub n_used: u64,
    /// What the gate looks at.
    pub watch: Watch,
    /// Time spent waiting for and sorting rows.
    pub read_time: Duration,
    /// Time spent fitting.
    pub fit_time: Duration,
}

/// Reads what the plan asks for and fits every group; `current` is scored on the same records.
///
/// # Errors
/// [`JobError::Source`] where reading fails, [`JobError::Cancelled`] after the stop signal. A group
/// whose fit fails or panics is no error: it says so itself.
pub async fn fit_source(
    plan: &RunPlan,
    source: &Arc<dyn RecordSource>,
    current: Option<&ParameterSet>,
    clock: &dyn Clock,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<FittedSource, JobError> {
    let begun = clock.now();
    let watch = plan.watch(begun, current);
    let reading = read(plan, source, &watch, clock, observer, cancel);
    let mut collected = reading.instrument(info_span!("read")).await?;
    let read_done = clock.now();
    plan.add_silent_regions(&mut collected);
    let n_used = collected.n_used();
    let refused = collected.refused_by_reason();
    let models = plan.candidates(&collected);
    let parents = collected.parents();
    let compared = plan.compared_models(&collected);
    let Collected { groups, refusals, n_read, watch, .. } = collected;
    let share = plan.holdout.share;
    let (groups, cut) = off_thread(move || {
        let cut = cut_of(share, &groups);
        (groups, cut)
    })
    .await;
    let (mut groups, model_preference) = match models {
        Some(models) => {
            let comparison = Comparison::new(plan, compared, &groups);
            let current = CurrentParameters::of(current);
            let task = Arc::new(Task::new(plan, models, cut, current, comparison));
            let fitting = async {
                let fits = fit_groups(groups, &task, plan, observer, cancel).await?;
                let compared = fits.iter().filter_map(|of| of.compared.as_ref());
                let preference = task.comparison.preference(plan.model.name(), compared);
                if let Some(preference) = &preference {
                    info!("{preference}");
                }
                let (chooser, of_task) = (plan.clone(), Arc::clone(&task));
                let fits = off_thread(move || chosen(&chooser, &of_task.models, fits)).await;
                let groups = pooled(plan, &task.models, fits, parents, cancel).await?;
                Ok::<_, JobError>((groups, preference))
            };
            fitting.instrument(info_span!("fit")).await?
        }
        None if groups.is_empty() => (Vec::new(), None),
        None => return Err(without_lengths(source.describe())),
    };
    for group in &mut groups {
        group.observed.accepted_until = watch.moments.accepted;
    }
    Ok(FittedSource {
        groups,
        refusals: refusals.into_rows(),
        refused,
        model_preference,
        n_read,
        n_used,
        watch,
        read_time: between(begun, read_done),
        fit_time: between(read_done, clock.now()),
    })
}

fn without_lengths(source_name: String) -> JobError {
    let what = "the records carry no lengths by class of road, which the model needs";
    JobError::Source { source_name, cause: PortError::new(FailureKind::Missing, what) }
}

/// Where the latest records begin, the same for all groups.
fn cut_of(share: f64, groups: &[GroupRecords]) -> Option<u32> {
    let times: Vec<&[u32]> = groups.iter().map(|group| group.times.as_slice()).collect();
    (share > 0.0).then(|| cut_time(&times, share)).flatten()
}

impl FittedGroup {
    /// The curve to be published, for which a bare distance is a way of the group's own mix of
    /// roads.
    #[must_use]
    pub fn curve(&self) -> Option<Curve> {
        let curve = match &self.pooled {
            Some(pooled) => {
                let rows = pooled.estimates.iter().map(|e| (&*e.estimate.name, e.estimate.value));
                Curve::from_rows(pooled.model, rows)
            }
            None => self.fit.as_ref().ok()?.curve(),
        };
        curve.map(|curve| self.at_own_mix(curve))
    }

    /// A curve as it is for the group's own mix of roads.
    #[must_use]
    pub fn at_own_mix(&self, curve: Curve) -> Curve {
        curve.with_shares(&self.class_shares).unwrap_or(curve)
    }
}

/// Time from one moment to a later one; none where the clock was set back.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

/// One fit per group, at most `plan.workers` at once, the largest first so that no core is left
/// with a long one at the end.
async fn fit_groups(
    groups: Vec<GroupRecords>,
    task: &Arc<Task>,
    plan: &RunPlan,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Vec<GroupFits>, JobError> {
    let n_total = groups.len();
    let mut waiting = groups;
    waiting.sort_by_key(|group| group.samples.len());
    let stops_at_failure = plan.request.detail.fail_fast;
    // A child, so that fits under way notice a run that stops early.
    let stop_fits = cancel.child_token();
    let _stop_on_return = stop_fits.clone().drop_guard();
    let mut fits: JoinSet<GroupFits> = JoinSet::new();
    let mut fitted = Vec::with_capacity(n_total);
    loop {
        while fits.len() < plan.workers.get() && !cancel.is_cancelled() {
            let Some(group) = waiting.pop() else { break };
            let (task, stop) = (Arc::clone(task), stop_fits.clone());
            fits.spawn_blocking(move || fit_group(group, &task, &|| stop.is_cancelled()));
        }
        match fits.join_next().await {
            Some(Ok(group)) => {
                let (key, n_used) = (&group.key, group.n_used);
                debug!(region = %key.region, band = %key.band, priority = %key.priority, n_used, "group fitted");
                let lost = group.is_lost(plan.judge.min_records).filter(|_| stops_at_failure);
                if let Some(why) = lost.filter(|_| !cancel.is_cancelled()) {
                    return Err(JobError::GroupFailed { group: group.key, why });
                }
                fitted.push(group);
                observer.notice(RunEvent::GroupsFitted { n_done: fitted.len(), n_total });
            }
            // A panic is caught in `fit_group`, whatever raised it: what is left is a runtime that
            // shuts down.
            Some(Err(_)) => return Err(JobError::Cancelled),
            None => break,
        }
    }
    if cancel.is_cancelled() {
        return Err(JobError::Cancelled);
    }
    fitted.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(fitted)
}

/// A group with the fit that serves, and the records with which it is fitted again.
struct Chosen {
    group: FittedGroup,
    /// Which of the candidates the fit is of.
    candidate: usize,
    observations: Option<Observations>,
}

/// The scores of every group; small ones, which no model fits well, have no say where others are.
fn scores(plan: &RunPlan, criterion: Criterion, fits: &[GroupFits]) -> Vec<Vec<Option<f64>>> {
    let is_large = |of: &GroupFits| of.n_used >= plan.pool.min_records;
    let any_large = fits.iter().any(is_large);
    let of = |of: &GroupFits| {
        let scores = of.scores(criterion);
        if any_large && !is_large(of) { vec![None; scores.len()] } else { scores }
    };
    fits.iter().map(of).collect()
}

/// Leaves each group the fit of one model.
fn chosen(plan: &RunPlan, models: &[Arc<dyn Model>], fits: Vec<GroupFits>) -> Vec<Chosen> {
    let names: Vec<&str> = models.iter().map(|model| model.name()).collect();
    let (wanted, reason) = match &plan.auto {
        Some(auto) => {
            let scores = scores(plan, auto.criterion, &fits);
            let choice = choose(auto.criterion, auto.per, &names, &scores);
            (choice.chosen, choice.reason)
        }
        None => (vec![models.len().saturating_sub(1); fits.len()], String::new()),
    };
    if !reason.is_empty() {
        info!("{reason}");
    }
    let simplifies = plan.simplifies();
    let of = |(of, wanted): (GroupFits, usize)| {
        let candidate = if simplifies { of.told(wanted) } else { wanted };
        let why = match (candidate == wanted, &plan.auto) {
            (false, _) => format!(
                "`{}` serves, since the records do not tell every parameter of `{}`",
                names[candidate], names[wanted]
            ),
            (true, Some(_)) if reason.is_empty() => format!("`{}` was chosen", names[wanted]),
            _ => reason.clone(),
        };
        let observations = of.observations.clone();
        Chosen { group: of.into_group(candidate, why), candidate, observations }
    };
    fits.into_iter().zip(wanted).map(of).collect()
}

/// Draws groups toward others where the plan says so. Those of another model than most have nothing
/// in common to be drawn to.
async fn pooled(
    plan: &RunPlan,
    models: &[Arc<dyn Model>],
    mut groups: Vec<Chosen>,
    parents: BTreeMap<String, String>,
    cancel: &CancellationToken,
) -> Result<Vec<FittedGroup>, JobError> {
    if groups.iter().all(|of| of.group.n_used == 0) {
        // A source without a single good record has gone wrong: nothing is made up for it.
        return Ok(groups.into_iter().map(|of| of.group).collect());
    }
    let common = common_candidate(models.len(), &groups);
    let takes = |of: &Chosen| plan.pool.takes(of.group.n_used, of.group.fit.as_ref().ok());
    for of in &mut groups {
        let is_small = of.group.n_used < plan.pool.min_records;
        if !takes(of) || (of.candidate != common && !is_small) {
            of.observations = None;
        }
    }
    let Some(model) = models.get(common).cloned() else {
        return Ok(groups.into_iter().map(|of| of.group).collect());
    };
    let (options, stop) = (plan.fit_options.clone(), cancel.clone());
    let min_records = plan.pool.min_records;
    let work = move || {
        let of_common = |of: &Chosen| of.candidate == common;
        let members: Vec<Member<'_>> = groups
            .iter()
            .map(|of| Member {
                key: &of.group.key,
                n_used: of.group.n_used,
                report: of.group.fit.as_ref().ok().filter(|_| of_common(of)),
                observations: of.observations.as_ref(),
            })
            .collect();
        let stopped = || stop.is_cancelled();
        let pooling = || pool_groups(&model, &members, min_records, &parents, &options, &stopped);
        let outcome = caught(pooling).flatten();
        drop(members);
        let all = outcome.unwrap_or_else(|why| {
            warn!("groups with few records lean on no others: {why}");
            groups.iter().map(|_| Ok(None)).collect()
        });
        groups.into_iter().zip(all).map(|(of, pooled)| with_pooled(of.group, pooled)).collect()
    };
    // Like a fit, it may take seconds.
    let groups = tokio::task::spawn_blocking(work).await;
    match groups {
        Ok(groups) if !cancel.is_cancelled() => Ok(groups),
        // A panic is caught above: what is left is a runtime that shuts down.
        Ok(_) | Err(_) => Err(JobError::Cancelled),
    }
}

/// The group with what pooling made of it; where that failed, the group has.
fn with_pooled(group: FittedGroup, pooled: Result<Option<PooledGroup>, String>) -> FittedGroup {
    match pooled {
        Ok(pooled) => FittedGroup { pooled, ..group },
        Err(why) => FittedGroup { fit: Err(why), pooled: None, ..group },
    }
}

/// The candidate that serves most groups; the first of equals.
fn common_candidate(n_models: usize, groups: &[Chosen]) -> usize {
    let count = |j: usize| groups.iter().filter(|of| of.candidate == j).count();
    (0..n_models).rev().max_by_key(|&j| count(j)).unwrap_or(0)
}
