//! Intervals from the profile of the objective: where holding a parameter, the others fitted anew,
//! costs as much as chance would; and for which parameters they are needed.
//!
//! The root of the cost against the parameter is nearly straight, so that some five fits find an
//! end. An end that no value within the bounds reaches is open, and the row says why.

use std::cell::RefCell;

use super::ascent::{Limits, maximize};
use super::describe::Found;
use super::fitting::{Task, ssr};
use super::least_squares::{LeastSquares, Triangle};
use super::likelihood::{Block, Evaluation, Likelihood};
use super::likelihood_fit::limits;
use super::models::{ParameterSpec, Transform};
use super::options::Intervals;
use super::problem::TravelTimes;
use super::report::{Estimate, FitReport, Identification};
use super::solver::minimize;
use super::uncertainty::{Information, pinned};

/// Fits for one end at the most.
const MAX_FITS: usize = 40;
/// An end is found where the root of the cost is so near, relative, to what is sought.
const TOLERANCE: f64 = 1e-6;
/// Way that is left at the end of a fit, in standard errors over the root of the number of records:
/// its square, times that number, is what the cost may lack.
const OFFSET: f64 = 1e-6;
/// First step from a parameter without a standard error, on the scale of the fit.
const FIRST_STEP: f64 = 0.1;
/// Steps outward grow by this factor.
const GROWTH: f64 = 2.0;

/// Beyond, on the scale of the fit, nothing ends an interval: twelve powers of ten.
const FARTHEST: f64 = 28.0;
const NOT_BOUNDED: &str = "no value is ruled out by the records";

/// Share of a half-width by which the root of the cost may miss at the end of an interval from the
/// standard error; beyond, that is no interval of the asked probability.
const BEND: f64 = 0.1;
/// Half-widths on the logarithm from which on the bend is looked at: below, no model of the menu bends
/// by as much, and the look would cost as much as a few steps of the fit.
const WIDE: f64 = 0.1;
/// Tie to a parameter at its bound from which on the interval from the standard error, for which that
/// one is known, is not believed: a hundredth of the variance.
const TIED: f64 = 0.1;
/// On the logarithm: how far a parameter that does not show is moved, to where it does, for a second
/// start of each fit.
const NUDGE: f64 = -0.7;
/// Ways outward from which on a cost that no longer rises ends the search, and what counts as none.
const FAR: f64 = 6.0;
const LEVEL: f64 = 1e-4;
/// Fall of the cost below the least that shows another optimum, and not an unfinished fit; and the same
/// as a share of the whole.
const BETTER: (f64, f64) = (1e-4, 1e-9);

/// See [`Objective::cost`].
type Cost<'a> = dyn Fn(Option<(usize, f64)>, &[f64]) -> Option<(f64, Vec<f64>)> + 'a;

/// What is to be minimised, about where it was found to be least. A cost is the excess over that in
/// units of the residual variance: twice the fall of ln likelihood.
struct Objective<'a> {
    /// The cost at these parameters, or where one of them (with its value) is held and all others are
    /// fitted from a start; with the parameters then.
    cost: &'a Cost<'a>,
    bounds: &'a [(f64, f64)],
    /// What the curvature alone tells, without a sandwich.
    unit: &'a Information,
    /// Half the second derivatives of the cost, row-major.
    products: Vec<f64>,
    /// A cost that only another optimum has.
    better: f64,
}

/// After least squares, plain or robust: the sum of squares or losses over the residual variance,
/// against F. Returns a better optimum where the search passed one.
pub(super) fn of_squares(
    report: &mut FitReport,
    task: &Task<'_>,
    problem: &TravelTimes<'_>,
    found: &Found,
    (triangle, unit): (&Triangle, &Information),
) -> Option<Vec<f64>> {
    let (least, variance) = (triangle.ssr(), found.noise.sigma.powi(2));
    let cost = |held: Option<(usize, f64)>, start: &[f64]| {
        let Some((j, at)) = held else {
            let there = Triangle::reduce(problem, start, &mut Vec::new());
            let excess = (there.ssr() - least) / variance;
            return excess.is_finite().then(|| (excess, start.to_vec()));
        };
        let held = problem.holding(j, at);
        let minima = starts(found, start)
            .map(|start| minimize(&held, &start, task.options, task.stopped))
            .min_by(|a, b| ssr(a).total_cmp(&ssr(b)));
        let minimum = minima?;
        let excess = (ssr(&minimum) - least) / variance;
        excess.is_finite().then_some((excess, minimum.parameters))
    };
    let n = triangle.n_parameters();
    let product = |j: usize, k: usize| -> f64 {
        (0..=j.min(k)).map(|row| triangle.r(row, j) * triangle.r(row, k)).sum()
    };
    let products = (0..n * n).map(|entry| product(entry / n, entry % n)).collect();
    let better = -BETTER.0 - BETTER.1 * least / variance;
    let objective = Objective { cost: &cost, bounds: problem.bounds(), unit, products, better };
    if variance > 0.0 { replace(report, task, found, &objective) } else { None }
}

/// After maximum likelihood: twice the fall of its logarithm, against chi-square (F in few records).
/// Returns a better optimum where the search passed one.
pub(super) fn of_likelihood(
    report: &mut FitReport,
    task: &Task<'_>,
    likelihood: &Likelihood<'_>,
    found: &Found,
    (at, unit): (&Evaluation, &Information),
) -> Option<Vec<f64>> {
    let least = at.cost;
    let cost = |held: Option<(usize, f64)>, start: &[f64]| {
        let Some((j, at)) = held else {
            let there = likelihood.evaluate(start, &mut Block::default());
            let excess = 2.0 * (there.cost - least);
            return excess.is_finite().then(|| (excess, start.to_vec()));
        };
        let mut bounds = likelihood.bounds.clone();
        bounds[j] = (at, at);
        let held = Likelihood { bounds, ..*likelihood };
        let limits = Limits { tolerance: OFFSET, ..limits(task) };
        let maxima = starts(found, start)
            .map(|start| maximize(&held, &start, limits, task.stopped))
            .min_by(|a, b| a.at.cost.total_cmp(&b.at.cost));
        let maximum = maxima?;
        let excess = 2.0 * (maximum.at.cost - least);
        excess.is_finite().then_some((excess, maximum.parameters))
    };
    let (bounds, products) = (&likelihood.bounds[..], at.information.clone());
    let better = -BETTER.0 - BETTER.1 * least.abs();
    replace(report, task, found, &Objective { cost: &cost, bounds, unit, products, better })
}

/// Where to start with a parameter held: where the last fit ended and, since a parameter that does not
/// show there has no slope to follow, with all such moved to where they do.
fn starts(found: &Found, last: &[f64]) -> impl Iterator<Item = Vec<f64>> {
    let specs = found.ranges.specs.iter();
    let is_flat = specs.zip(&found.reasons).map(|(spec, reason)| {
        reason.is_some() && matches!(spec.transform, Transform::Exponential { .. })
    });
    let moved: Vec<f64> =
        last.iter().zip(is_flat).map(|(x, flat)| if flat { x + NUDGE } else { *x }).collect();
    let second = (moved != last).then_some(moved);
    std::iter::once(last.to_vec()).chain(second)
}

/// Puts the profile's intervals in place of those that are asked for.
fn replace(
    report: &mut FitReport,
    task: &Task<'_>,
    found: &Found,
    objective: &Objective<'_>,
) -> Option<Vec<f64>> {
    if !found.noise.has_freedom() || task.options.intervals == Intervals::Wald {
        return None;
    }
    let best = RefCell::new((objective.better, None));
    let is_open = |row: &Estimate| row.identification != Identification::Fixed;
    let chosen: Vec<usize> = match task.options.intervals {
        Intervals::Auto => doubtful(report, found, objective),
        _ => (0..objective.bounds.len()).filter(|&j| is_open(&report.estimates[j])).collect(),
    };
    for j in chosen {
        let search = Search { task, found, objective, parameter: j, best: &best };
        let (low, high) = (search.end(-1.0), search.end(1.0));
        if (task.stopped)() {
            return None;
        }
        put(&mut report.estimates[j], &found.ranges.specs[j], found.parameters[j], &low, &high);
    }
    best.into_inner().1
}

/// Writes an interval into a row.
fn put(row: &mut Estimate, spec: &ParameterSpec, at: f64, low: &End, high: &End) {
    let published = |end: &End| end.value().map(|x| spec.published(x));
    row.interval = (published(low), published(high));
    let (mut below, mut above) = (low.words(), high.words());
    if spec.slope(at) < 0.0 {
        row.interval = (row.interval.1, row.interval.0);
        std::mem::swap(&mut below, &mut above);
    }
    for (side, words) in [("below", below), ("above", above)] {
        if let Some(words) = words {
            let space = if row.reason.is_empty() { "" } else { "; " };
            row.reason.push_str(&format!("{space}{side}, {words}"));
        }
    }
    if row.interval == (None, None) && row.identification == Identification::Ok {
        row.identification = Identification::NotIdentified;
        row.std_error = None;
    }
}

/// Parameters whose standard error would mislead: those that would move with one that is held at its
/// bound or does not show, and those about which the objective is not as curved as at the optimum.
fn doubtful(report: &FitReport, found: &Found, objective: &Objective<'_>) -> Vec<usize> {
    let n = objective.bounds.len();
    let is_pinned = pinned(objective.bounds);
    let told = &found.information.identification;
    let is_held = |k: usize| !is_pinned[k] && told[k] == Identification::AtBound;
    let is_any_flat = (0..n).any(|k| !is_pinned[k] && found.reasons[k].is_some());
    let is_led = |j: usize| {
        let tie = |k: usize| objective.unit.tie(j, k, &objective.products);
        (0..n).any(|k| is_held(k) && tie(k) > TIED)
    };
    let is_ok = |j: &usize| report.estimates[*j].identification == Identification::Ok;
    let is_bent = |j: usize| is_wide(found, objective, j) && is_bent(found, objective, j);
    (0..n).filter(is_ok).filter(|&j| is_any_flat || is_led(j) || is_bent(j)).collect()
}

/// Whether the interval is so wide that a bend would show: of any parameter, since they bend together.
fn is_wide(found: &Found, objective: &Objective<'_>, parameter: usize) -> bool {
    let half_width = |j: usize| found.half_width(j);
    let (low, high) = objective.bounds[parameter];
    let (at, width) = (found.parameters[parameter], half_width(parameter));
    at - width < low
        || at + width > high
        || (0..objective.bounds.len()).any(|j| {
            let is_ok = found.information.identification[j] == Identification::Ok;
            let is_logarithm =
                matches!(found.ranges.specs[j].transform, Transform::Exponential { .. });
            is_ok && is_logarithm && half_width(j) > WIDE
        })
}

/// Whether at an end of the interval from the standard error, the other parameters following as the
/// quadratic says, the cost is another than it would be were that right.
fn is_bent(found: &Found, objective: &Objective<'_>, parameter: usize) -> bool {
    let sought = found.noise.t_quantile();
    let to_scale = found.scale(objective.unit, parameter);
    [-1.0, 1.0].into_iter().any(|side| {
        let n_deviations = side * sought * found.noise.sigma / to_scale.sqrt();
        let way = objective.unit.way(parameter, n_deviations);
        let there: Vec<f64> = found.parameters.iter().zip(&way).map(|(x, by)| x + by).collect();
        let mut places = there.iter().zip(objective.bounds);
        let is_inside = places.all(|(x, (low, high))| (low..=high).contains(&x) || low >= high);
        let cost = || (objective.cost)(None, &there).map(|(cost, _)| cost * to_scale);
        let is_right = |cost: f64| (cost.max(0.0).sqrt() - sought).abs() <= BEND * sought;
        !(is_inside && cost().is_some_and(is_right))
    })
}

/// Where a search ended.
enum End {
    Found(f64),
    /// The parameter's bound costs less than is sought.
    AtBound(f64),
    /// No more fits, or one that failed.
    Open(&'static str),
}

impl End {
    fn value(&self) -> Option<f64> {
        match *self {
            Self::Found(x) | Self::AtBound(x) if x.is_finite() => Some(x),
            _ => None,
        }
    }

    fn words(&self) -> Option<&'static str> {
        match self {
            Self::Open(words) => Some(words),
            Self::AtBound(_) => Some("the records would let it pass the edge of its range"),
            Self::Found(_) => None,
        }
    }
}

struct Search<'a> {
    task: &'a Task<'a>,
    found: &'a Found,
    objective: &'a Objective<'a>,
    parameter: usize,
    /// The least cost that was met, and where.
    best: &'a RefCell<(f64, Option<Vec<f64>>)>,
}

impl Search<'_> {
    /// The end to that side (−1 or 1).
    fn end(&self, side: f64) -> End {
        let (low, high) = self.objective.bounds[self.parameter];
        let sought = self.found.noise.t_quantile();
        let from = self.found.parameters[self.parameter];
        let bound = if side < 0.0 { low } else { high };
        let room = (bound - from).abs();
        if room == 0.0 {
            return End::AtBound(bound);
        }
        let half_width = self.found.half_width(self.parameter);
        let is_told = half_width > 0.0 && half_width.is_finite();
        let mut step = if is_told { half_width } else { FIRST_STEP };
        let mut start = self.found.parameters.clone();
        let (mut inside, mut outside): ((f64, f64), Option<(f64, f64)>) = ((0.0, 0.0), None);
        for _ in 0..MAX_FITS {
            if (self.task.stopped)() {
                break;
            }
            let way = step.min(room).min(FARTHEST);
            let Some((excess, fitted)) = self.cost(from + side * way, &start) else {
                // Nothing there: as good as too far.
                outside = Some((way, f64::INFINITY));
                step = 0.5 * (inside.0 + way);
                continue;
            };
            let root = excess.max(0.0).sqrt();
            if (root - sought).abs() <= TOLERANCE * sought {
                return End::Found(from + side * way);
            }
            if root < sought {
                if self.is_level(way, root - inside.1, sought) {
                    return End::Open(NOT_BOUNDED);
                }
                inside = (way, root);
                start = fitted;
                if way >= room.min(FARTHEST) {
                    return if room > FARTHEST {
                        End::Open(NOT_BOUNDED)
                    } else {
                        End::AtBound(bound)
                    };
                }
            } else {
                outside = Some((way, root));
            }
            match outside {
                Some(far) if far.0 - inside.0 <= 1e-9 * far.0 => {
                    return End::Found(from + side * far.0);
                }
                Some(far) => step = between(inside, far, sought),
                None => step = (GROWTH * way).max(straight(inside, sought)),
            }
        }
        match outside {
            Some(far) if far.0 - inside.0 <= 1e-3 * far.0 => End::Found(from + side * far.0),
            _ => End::Open(NOT_BOUNDED),
        }
    }

    /// Whether the cost has ceased to rise; a logarithm so far off is at the end of what it can do.
    fn is_level(&self, way: f64, rise: f64, sought: f64) -> bool {
        let transform = self.found.ranges.specs[self.parameter].transform;
        let is_logarithm = matches!(transform, Transform::Exponential { .. });
        is_logarithm && way >= FAR && rise.abs() <= LEVEL * sought
    }

    fn cost(&self, at: f64, start: &[f64]) -> Option<(f64, Vec<f64>)> {
        let (cost, fitted) = (self.objective.cost)(Some((self.parameter, at)), start)?;
        let mut best = self.best.borrow_mut();
        if cost < best.0 {
            *best = (cost, Some(fitted.clone()));
        }
        Some((cost * self.found.scale(self.objective.unit, self.parameter), fitted))
    }
}

/// Where a straight line from the optimum would reach what is sought.
fn straight((way, root): (f64, f64), sought: f64) -> f64 {
    if root > 0.1 * sought { 1.05 * way * sought / root } else { 0.0 }
}

/// Where the straight line through both would reach what is sought, kept off the ends.
fn between(inside: (f64, f64), outside: (f64, f64), sought: f64) -> f64 {
    let width = outside.0 - inside.0;
    let share = (sought - inside.1) / (outside.1 - inside.1);
    let share = if share.is_finite() && outside.1.is_finite() { share } else { 0.5 };
    inside.0 + share.clamp(0.02, 0.98) * width
}
