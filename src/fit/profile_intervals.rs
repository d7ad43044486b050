//! Intervals from the profile of the objective: where holding a parameter, the others fitted anew,
//! costs as much as chance would.
//!
//! The root of the cost against the parameter is nearly straight, so that some five fits find an
//! end. An end that no value within the bounds reaches is open, and the row says why.

use super::ascent::{Limits, maximize};
use super::describe::Found;
use super::fitting::{Task, ssr};
use super::least_squares::{LeastSquares, Triangle};
use super::likelihood::Likelihood;
use super::likelihood_fit::limits;
use super::problem::TravelTimes;
use super::report::{FitReport, Identification};
use super::solver::minimize;

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
const NOT_BOUNDED: &str = "no value is so far off that the records would speak against it";

/// Twice the fall of ln likelihood where a parameter is held, and all parameters then.
type Profile<'a> = dyn Fn(usize, f64, &[f64]) -> Option<(f64, Vec<f64>)> + 'a;

/// After least squares: the sum of squares over the residual variance, against F.
pub(super) fn of_squares(
    report: &mut FitReport,
    task: &Task<'_>,
    problem: &TravelTimes<'_>,
    found: &Found,
    triangle: &Triangle,
) {
    let (least, variance) = (triangle.ssr(), found.noise.sigma.powi(2));
    if !(variance > 0.0 && found.noise.has_freedom()) {
        return;
    }
    let bounds = problem.bounds().to_vec();
    let profile = |j: usize, at: f64, start: &[f64]| {
        let minimum = minimize(&problem.holding(j, at), start, task.options, task.stopped);
        let excess = (ssr(&minimum) - least) / variance;
        excess.is_finite().then_some((excess, minimum.parameters))
    };
    replace(report, task, found, &bounds, &profile);
}

/// After maximum likelihood: twice the fall of its logarithm, against chi-square (F in few records).
pub(super) fn of_likelihood(
    report: &mut FitReport,
    task: &Task<'_>,
    likelihood: &Likelihood<'_>,
    found: &Found,
    least: f64,
) {
    if !found.noise.has_freedom() {
        return;
    }
    let profile = |j: usize, at: f64, start: &[f64]| {
        let mut bounds = likelihood.bounds.clone();
        bounds[j] = (at, at);
        let held = Likelihood { bounds, ..*likelihood };
        let limits = Limits { tolerance: OFFSET, ..limits(task) };
        let maximum = maximize(&held, start, limits, task.stopped);
        let excess = 2.0 * (maximum.at.cost - least);
        excess.is_finite().then_some((excess, maximum.parameters))
    };
    replace(report, task, found, &likelihood.bounds, &profile);
}

/// Puts the profile's intervals in place of the others.
fn replace(
    report: &mut FitReport,
    task: &Task<'_>,
    found: &Found,
    bounds: &[(f64, f64)],
    profile: &Profile<'_>,
) {
    let sought = found.noise.t_quantile();
    for (j, &range) in bounds.iter().enumerate() {
        if report.estimates[j].identification == Identification::Fixed {
            continue;
        }
        let search = Search { task, found, bounds: range, profile, parameter: j, sought };
        let (low, high) = (search.end(-1.0), search.end(1.0));
        if (task.stopped)() {
            return;
        }
        let spec = &found.ranges.specs[j];
        let is_falling = spec.slope(found.parameters[j]) < 0.0;
        let published = |end: &End| end.value().map(|x| spec.published(x));
        let row = &mut report.estimates[j];
        row.interval = (published(&low), published(&high));
        let (mut below, mut above) = (low.words(), high.words());
        if is_falling {
            row.interval = (row.interval.1, row.interval.0);
            std::mem::swap(&mut below, &mut above);
        }
        for (side, words) in [("below", below), ("above", above)] {
            if let Some(words) = words {
                let space = if row.reason.is_empty() { "" } else { "; " };
                row.reason.push_str(&format!("{space}{side}, {words}"));
            }
        }
    }
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
    bounds: (f64, f64),
    profile: &'a Profile<'a>,
    parameter: usize,
    sought: f64,
}

impl Search<'_> {
    /// The end to that side (−1 or 1).
    fn end(&self, side: f64) -> End {
        let (low, high) = self.bounds;
        let from = self.found.parameters[self.parameter];
        let bound = if side < 0.0 { low } else { high };
        let room = (bound - from).abs();
        if room == 0.0 {
            return End::AtBound(bound);
        }
        let deviation = self.found.noise.sigma * self.found.information.deviation(self.parameter);
        let is_told = deviation > 0.0 && deviation.is_finite();
        let mut step = if is_told { self.sought * deviation } else { FIRST_STEP };
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
            if (root - self.sought).abs() <= TOLERANCE * self.sought {
                return End::Found(from + side * way);
            }
            if root < self.sought {
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
                Some(far) => step = between(inside, far, self.sought),
                None => step = (GROWTH * way).max(self.straight(inside)),
            }
        }
        match outside {
            Some(far) if far.0 - inside.0 <= 1e-3 * far.0 => End::Found(from + side * far.0),
            _ => End::Open(NOT_BOUNDED),
        }
    }

    fn straight(&self, inside: (f64, f64)) -> f64 {
        let (way, root) = inside;
        if root > 0.1 * self.sought { 1.05 * way * self.sought / root } else { 0.0 }
    }

    fn cost(&self, at: f64, start: &[f64]) -> Option<(f64, Vec<f64>)> {
        (self.profile)(self.parameter, at, start)
    }
}

/// Where the straight line through both would reach what is sought, kept off the ends.
fn between(inside: (f64, f64), outside: (f64, f64), sought: f64) -> f64 {
    let width = outside.0 - inside.0;
    let share = (sought - inside.1) / (outside.1 - inside.1);
    let share = if share.is_finite() && outside.1.is_finite() { share } else { 0.5 };
    inside.0 + share.clamp(0.02, 0.98) * width
}
