//! Groups with few records lean on their likes: from fitted groups to pooled parameters.
//!
//! The hierarchy is group → region → parent region → all; above it stands the RAND/ISO line. What a
//! group of its own tells goes up the tree as evidence (`fit::pooling`); what the others tell comes
//! down as a prior, with which the group's records are fitted again. Knows no settings and no store.

use std::collections::BTreeMap;
use std::sync::Arc;

use nalgebra::{DMatrix, DVector};

use crate::domain::{GroupKey, GroupOutcome, ParameterStatus, SourceLevel};
use crate::fit::holdout::Forecast;
use crate::fit::pooling::{self, Evidence, NodeEstimate, PoolError, PoolOptions, Tree};
use crate::fit::{
    Estimate, FitOptions, FitReport, Identification, Metrics, Model, Observations, Solution, refit,
};

use super::group_fit::caught;
use super::hierarchy::Hierarchy;
use super::pool_rounds::{self, Turn, is_plain, with_error_of_prior};
use super::pooled_rows::{Raw, Scale, rows};
use super::standard;

/// Degrees of freedom under which a group's own fit tells others nothing: its residuals are too
/// few to say how exact it is.
const MIN_DOF: f64 = 5.0;

/// Groups with records enough from which on only they tell others something: what a few records
/// say may be far off the normal distribution that pooling takes it for.
const MIN_LARGE: usize = 3;

/// Share of the records behind a median absolute deviation that a standard deviation of the same
/// exactness would need (its efficiency for normal errors).
const MAD_EFFICIENCY: f64 = 0.37;

/// Which groups are drawn toward others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// None.
    Off,
    /// Those with few records.
    Small,
    /// All.
    All,
}

/// When a group is pooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolPlan {
    /// Which groups.
    pub mode: PoolMode,
    /// Records under which a group is small.
    pub min_records: u64,
    /// Whether groups whose records leave a parameter open are pooled too.
    pub open_too: bool,
}

impl PoolPlan {
    /// Whether a group with so many records and this fit is fitted again with a prior.
    #[must_use]
    pub fn takes(&self, n_records: u64, report: Option<&FitReport>) -> bool {
        let is_open = |report: &FitReport| {
            report.estimates.iter().any(|e| e.identification == Identification::NotIdentified)
        };
        match self.mode {
            PoolMode::Off => false,
            PoolMode::Small if n_records < self.min_records => true,
            PoolMode::Small => self.open_too && report.is_some_and(is_open),
            PoolMode::All => true,
        }
    }
}

/// A parameter after pooling.
#[derive(Debug, Clone, PartialEq)]
pub struct PooledEstimate {
    /// What is published.
    pub estimate: Estimate,
    /// The group's own estimate, where its records give one.
    pub raw: Option<f64>,
    /// Share of it that comes from other groups, 0 to 1.
    pub weight: f64,
    /// What is known of it.
    pub status: ParameterStatus,
}

/// A group's parameters after pooling.
#[derive(Debug, Clone, PartialEq)]
pub struct PooledGroup {
    /// Pooled with records of its own, fallback without.
    pub outcome: GroupOutcome,
    /// Which level serves.
    pub source_level: SourceLevel,
    /// Model that the estimates belong to.
    pub model: &'static str,
    /// The model's parameters, then those of the spread.
    pub estimates: Vec<PooledEstimate>,
    /// Correlations of the estimates on the scale of the fit, row-major over all of them.
    pub correlations: Vec<Option<f64>>,
    /// How well the estimates describe the group's own records; `None` without records.
    pub metrics: Option<Metrics>,
    /// What it stands on, in words.
    pub message: String,
}

/// What pooling needs of one group.
pub(super) struct Member<'a> {
    pub(super) key: &'a GroupKey,
    pub(super) n_used: u64,
    /// Its own fit of the common model, where there is one.
    pub(super) report: Option<&'a FitReport>,
    /// Its records, where it is to be fitted again.
    pub(super) observations: Option<&'a Observations>,
}

/// Pools all members that have observations; one entry per member, an error where a panic kept it
/// from being pooled. Groups with fewer than `min_records` tell others something only where hardly any
/// other does. An error for all says why nothing was pooled.
pub(super) fn pool_groups(
    model: &Arc<dyn Model>,
    members: &[Member<'_>],
    min_records: u64,
    parents: &BTreeMap<String, String>,
    options: &FitOptions,
    stopped: &dyn Fn() -> bool,
) -> Result<Vec<Result<Option<PooledGroup>, String>>, String> {
    if members.iter().all(|member| member.observations.is_none()) {
        return Ok(members.iter().map(|_| Ok(None)).collect());
    }
    let keys: Vec<&GroupKey> = members.iter().map(|member| member.key).collect();
    let hierarchy = Hierarchy::of(&keys, parents);
    let told = told(members, min_records);
    let spread = Pass::spread(&hierarchy, &told, stopped)?;
    let (curve, turns) = Pass::curve(
        &**model,
        &hierarchy,
        (members, min_records),
        &told,
        &spread,
        options,
        stopped,
    )?;
    let scatter = Pass::scatter(&hierarchy, &told, stopped)?;
    let pooling =
        Pooling { model: &**model, hierarchy, spread, curve, turns, scatter, options, stopped };
    let group = |(i, member): (usize, &Member<'_>)| {
        pooling.turns[i].clone()?;
        caught(|| pooling.group(i, member))
    };
    Ok(members.iter().enumerate().map(group).collect())
}

/// One pooled quantity of all nodes.
struct Pass {
    nodes: Vec<NodeEstimate>,
    /// Whether nothing but the standard line told it.
    is_standard: bool,
}

impl Pass {
    /// ln of the standard deviation of the residuals of ln T, in every group.
    fn spread(
        hierarchy: &Hierarchy,
        told: &[Told<'_>],
        stopped: &dyn Fn() -> bool,
    ) -> Result<Self, String> {
        let leaves = told.iter().map(|told| {
            let told = told.and_then(|(report, solution)| {
                let metrics = report.metrics?;
                let n = (solution.n_dof / report.n_records.max(1) as f64).clamp(0.0, 1.0);
                let sigma = metrics.rmse_log / n.sqrt();
                (sigma > 0.0).then(|| Evidence::of_sigma(sigma, solution.n_dof))
            });
            told.unwrap_or_else(|| Evidence::none(1))
        });
        Self::of(hierarchy, leaves.collect(), vec![0.2], || Some(standard::spread()), stopped)
    }

    /// The model's parameters; what groups tell of them is measured with their pooled spread. Also
    /// says for each member whether its records were made linear about what it shares with the others,
    /// or that they panicked.
    fn curve(
        model: &dyn Model,
        hierarchy: &Hierarchy,
        (members, min_records): (&[Member<'_>], u64),
        told: &[Told<'_>],
        spread: &Self,
        options: &FitOptions,
        stopped: &dyn Fn() -> bool,
    ) -> Result<(Self, Vec<Result<bool, String>>), String> {
        let p = model.parameters().len();
        let leaves = told.iter().enumerate().map(|(i, told)| {
            let Some((report, solution)) = told.filter(|(_, s)| s.n_model == p) else {
                return Evidence::none(p);
            };
            let n = solution.parameters.len();
            let own = report.metrics.map_or(0.0, |m| m.rmse_log);
            let pooled = spread.nodes[hierarchy.leaf(i)].mean[0].exp();
            // A fit of few records is as exact as its pooled spread says, not as its residuals.
            let scale = if own > 0.0 { (own / pooled).powi(2).min(1.0) } else { 0.0 };
            let matrix = DMatrix::from_fn(p, p, |j, k| solution.information[j * n + k] * scale);
            let gradient: Vec<f64> = solution.gradient[..p].iter().map(|g| g * scale).collect();
            Evidence::of_information(&matrix, &solution.parameters[..p], &gradient)
        });
        let assumed: Vec<f64> =
            model.parameters().iter().map(standard::assumed_deviation).collect();
        let mut leaves: Vec<Evidence> = leaves.collect();
        let mut turns = vec![Ok(false); members.len()];
        // What many records tell is nearly normal about their own optimum already. Where groups of few
        // tell at all, those that are too few for a fit of their own do too.
        let small = || {
            let each = members.iter().zip(told).enumerate();
            each.filter(|(_, (of, _))| of.n_used < min_records && of.observations.is_some())
        };
        let small_tell = is_plain(options) && small().any(|(_, (_, told))| told.is_some());
        let in_turns: Vec<Turn<'_>> = (small().filter(|_| small_tell))
            .filter_map(|(member, (of, _))| {
                let observations = of.observations.filter(|o| !o.is_empty())?;
                let sigma = spread.nodes[hierarchy.leaf(member)].mean[0].exp();
                Some(Turn { member, observations, sigma })
            })
            .collect();
        if !in_turns.is_empty() {
            let pooled = |leaves: &[Evidence]| {
                let standard = || standard::curve(model);
                let (leaves, assumed) = (leaves.to_vec(), assumed.clone());
                let pass = Self::once(hierarchy, leaves, assumed, standard, stopped)?;
                let node = |i: usize| {
                    let node = &pass.nodes[hierarchy.leaf(i)];
                    ((node.mean.clone(), node.covariance.clone()), node.prior.clone())
                };
                Ok((0..members.len()).map(node).collect())
            };
            in_turns.iter().for_each(|turn| turns[turn.member] = Ok(true));
            let panicked =
                pool_rounds::settled(model, options, &in_turns, &mut leaves, stopped, pooled)?;
            for (member, why) in panicked {
                turns[member] = Err(why);
            }
        }
        let pass = Self::of(hierarchy, leaves, assumed, || standard::curve(model), stopped)?;
        Ok((pass, turns))
    }

    /// Parameters of spread and tail, as they are published.
    fn scatter(
        hierarchy: &Hierarchy,
        told: &[Told<'_>],
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<(Self, Vec<Scale>)>, String> {
        let Some((_, first)) = told.iter().flatten().next() else {
            return Ok(None);
        };
        let scales: Vec<Scale> = first.specs[first.n_model..].iter().map(Scale::of).collect();
        let q = scales.len();
        let leaves = told.iter().map(|told| {
            let evidence = told.and_then(|(report, solution)| {
                let at = solution.n_model;
                (solution.specs.len() == at + q).then_some(())?;
                if report.spread == "constant" && report.errors == "normal" {
                    let efficiency =
                        if report.loss == "least_squares" { 1.0 } else { MAD_EFFICIENCY };
                    let sigma = solution.parameters[at].exp();
                    return Some(Evidence::of_sigma(sigma, solution.n_dof * efficiency));
                }
                let n = solution.parameters.len();
                let covariance =
                    DMatrix::from_fn(q, q, |j, k| solution.covariance[(at + j) * n + at + k]);
                Evidence::of_normal(&solution.parameters[at..], &covariance)
            });
            evidence.unwrap_or_else(|| Evidence::none(q))
        });
        let leaves: Vec<Evidence> = leaves.collect();
        let pass = Self::of(hierarchy, leaves, vec![0.2; q], || None, stopped);
        Ok(pass.ok().map(|pass| (pass, scales)))
    }

    /// Pools; where no group tells enough, with the standard as what is known of the root.
    fn of(
        hierarchy: &Hierarchy,
        leaves: Vec<Evidence>,
        assumed: Vec<f64>,
        standard: impl FnOnce() -> Option<Evidence>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Self, String> {
        let options = PoolOptions {
            with_spread_prior: true,
            with_spread_error: true,
            ..PoolOptions::new(assumed)
        };
        Self::with(hierarchy, leaves, &options, standard, stopped)
    }

    /// The same as one of several rounds.
    fn once(
        hierarchy: &Hierarchy,
        leaves: Vec<Evidence>,
        assumed: Vec<f64>,
        standard: impl FnOnce() -> Option<Evidence>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Self, String> {
        let (max_iterations, tolerance) = pool_rounds::PASSES_OF_A_ROUND;
        let options = PoolOptions {
            max_iterations,
            tolerance,
            with_spread_prior: true,
            ..PoolOptions::new(assumed)
        };
        Self::with(hierarchy, leaves, &options, standard, stopped)
    }

    fn with(
        hierarchy: &Hierarchy,
        leaves: Vec<Evidence>,
        options: &PoolOptions,
        standard: impl FnOnce() -> Option<Evidence>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Self, String> {
        let p = options.assumed_deviations.len();
        let tree = Tree::new(hierarchy.parents()).map_err(|why| why.to_string())?;
        let is_silent = leaves.iter().all(Evidence::is_none);
        let mut evidence = vec![Evidence::none(p); tree.n_nodes()];
        for (i, leaf) in leaves.into_iter().enumerate() {
            evidence[hierarchy.leaf(i)] = leaf;
        }
        let pooled = match pooling::pool(&tree, &evidence, options, stopped) {
            Err(PoolError::NotTold { .. }) => {
                let known = standard().ok_or("no group tells every parameter of the model")?;
                evidence[tree.root()] = known;
                pooling::pool(&tree, &evidence, options, stopped)
            }
            pooled => pooled,
        };
        let nodes = pooled.map_err(|why| why.to_string())?.nodes;
        Ok(Self { nodes, is_standard: is_silent })
    }
}

/// The fit with which a group tells others something.
type Told<'a> = Option<(&'a FitReport, &'a Solution)>;

/// That of every member.
fn told<'a>(members: &[Member<'a>], min_records: u64) -> Vec<Told<'a>> {
    let n_large = members.iter().filter(|m| m.n_used >= min_records && m.report.is_some()).count();
    let least = if n_large >= MIN_LARGE { min_records } else { 0 };
    let of = |member: &Member<'a>| {
        let report = member.report.filter(|_| member.n_used >= least)?;
        let solution = report.solution.as_ref()?;
        (solution.n_dof >= MIN_DOF).then_some((report, solution))
    };
    members.iter().map(of).collect()
}

/// Everything that is known once the tree is pooled.
struct Pooling<'a> {
    model: &'a dyn Model,
    hierarchy: Hierarchy,
    spread: Pass,
    curve: Pass,
    /// For each member, whether its node's posterior is that of its own records.
    turns: Vec<Result<bool, String>>,
    scatter: Option<(Pass, Vec<Scale>)>,
    options: &'a FitOptions,
    stopped: &'a dyn Fn() -> bool,
}

/// A group's curve on the scale of the fit.
struct PooledCurve {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
    weights: Vec<f64>,
    at_bound: Vec<bool>,
    has_records: bool,
}

impl Pooling<'_> {
    fn group(&self, i: usize, member: &Member<'_>) -> Option<PooledGroup> {
        let observations = member.observations?;
        let leaf = self.hierarchy.leaf(i);
        let curve = self.curve_of(i, observations)?;
        let specs = self.model.parameters();
        let scales: Vec<Scale> = specs.iter().map(Scale::of).collect();
        let raw = Raw(member.report);
        let mut pooled =
            rows(&scales, &curve.mean, &curve.covariance, &curve.weights, self.options.confidence);
        for (row, at_bound) in pooled.iter_mut().zip(&curve.at_bound) {
            if *at_bound {
                row.estimate.identification = Identification::AtBound;
                row.estimate.reason = "records and prior push it beyond its bound".to_owned();
                row.status = ParameterStatus::AtBound;
            }
        }
        let sigma = [Scale::sigma()];
        let (pass, scales) = self
            .scatter
            .as_ref()
            .map_or((&self.spread, &sigma[..]), |(pass, scales)| (pass, scales));
        let node = &pass.nodes[leaf];
        let confidence = self.options.confidence;
        pooled.extend(rows(scales, &node.mean, &node.covariance, &node.pool_weights, confidence));
        raw.put_into(&mut pooled);
        let source_level = self.level(leaf, curve.has_records);
        let outcome = if curve.has_records { GroupOutcome::Pooled } else { GroupOutcome::Fallback };
        if outcome == GroupOutcome::Fallback {
            for row in &mut pooled {
                row.status = ParameterStatus::Fallback;
                row.weight = 1.0;
            }
        }
        Some(PooledGroup {
            outcome,
            source_level,
            model: self.model.name(),
            metrics: self.metrics(&pooled, observations),
            correlations: super::pooled_rows::correlations(&curve.covariance, pooled.len()),
            estimates: pooled,
            message: self.message(leaf, member.n_used, source_level),
        })
    }

    fn metrics(&self, rows: &[PooledEstimate], observations: &Observations) -> Option<Metrics> {
        let row = |name: &str| rows.iter().find(|row| row.estimate.name == name);
        let forecast = Forecast::new(self.model, |name| Some(row(name)?.estimate.value))?;
        forecast.metrics(observations)
    }

    /// The group's records fitted again with what the others tell; that alone without records, or
    /// where the records give no finite fit. `None` after the stop signal.
    fn curve_of(&self, i: usize, observations: &Observations) -> Option<PooledCurve> {
        let leaf = self.hierarchy.leaf(i);
        let node = &self.curve.nodes[leaf];
        if self.turns[i] == Ok(true) {
            return Some(self.of_turns(node, observations));
        }
        let prior = PooledCurve {
            mean: node.mean.clone(),
            covariance: &node.covariance + &node.spread_error,
            weights: vec![1.0; node.mean.len()],
            at_bound: vec![false; node.mean.len()],
            has_records: false,
        };
        if observations.is_empty() {
            return Some(prior);
        }
        let sigma = self.spread.nodes[leaf].mean[0].exp();
        let fitted =
            refit(self.model, observations, &node.prior, sigma, self.options, self.stopped);
        match fitted {
            Ok(fit) => Some(PooledCurve {
                covariance: with_error_of_prior(node, &fit),
                mean: DVector::from_vec(fit.parameters),
                weights: fit.pool_weights,
                at_bound: fit.at_bound,
                has_records: true,
            }),
            Err(crate::fit::Termination::Cancelled) => None,
            Err(_) => Some(prior),
        }
    }

    /// The posterior that the rounds have ended with, within the bounds.
    fn of_turns(&self, node: &NodeEstimate, observations: &Observations) -> PooledCurve {
        let ranges = self.model.bounds(observations);
        let is_beyond = |(x, (low, high)): (&f64, &(f64, f64))| x < low || x > high;
        let clamped = node.mean.iter().zip(&ranges).map(|(x, (low, high))| x.max(*low).min(*high));
        PooledCurve {
            mean: DVector::from_iterator(node.mean.len(), clamped),
            covariance: &node.covariance + &node.spread_error,
            weights: node.pool_weights.clone(),
            at_bound: node.mean.iter().zip(&ranges).map(is_beyond).collect(),
            has_records: true,
        }
    }

    /// The level that serves: the group's own where it has records.
    fn level(&self, leaf: usize, has_records: bool) -> SourceLevel {
        if has_records {
            return SourceLevel::Group;
        }
        if self.curve.is_standard {
            return SourceLevel::Standard;
        }
        self.hierarchy.level(self.curve.nodes[leaf].served_by)
    }

    fn message(&self, leaf: usize, n_used: u64, level: SourceLevel) -> String {
        let from = if self.curve.is_standard {
            "the RAND/ISO line, since no group has records enough".to_owned()
        } else {
            let above = self.hierarchy.above(leaf, self.curve.nodes[leaf].served_by);
            self.hierarchy.phrase(above)
        };
        let records = if n_used == 1 { "record" } else { "records" };
        match level {
            SourceLevel::Group => format!("{n_used} {records}: drawn toward {from}"),
            _ => format!("no accepted record: taken from {from}"),
        }
    }
}
