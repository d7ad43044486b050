//! `road_class`: every class of road has its speed, T = t0 + Σ L_c/v_c.
//!
//! In the slownesses 1/v_c the time is linear. So the exact start is a sequence of linear
//! least-squares problems with nonnegative unknowns; the solver then works on ln v_c like every
//! model, which with one class makes it `linear`.

use std::borrow::Cow;

use nalgebra::{DMatrix, DVector};

use super::super::least_squares::{LeastSquares, Triangle};
use super::super::observations::{Distances, Observations};
use super::nonnegative;
use super::straight::{MAX_SPEED, sum};
use super::{INTERCEPT, LN_LIMIT, Model, ParameterSpec, ROAD_CLASS, Transform};

/// Linearised problems solved for a start; a handful suffice.
const MAX_ROUNDS: usize = 30;
/// Fall of the sum of squares, as a share of it, that is not worth another round.
const LEAST_FALL: f64 = 1e-13;
/// Halvings of a step that does not help.
const MAX_HALVINGS: usize = 12;

/// T = t0 + Σ L_c/v_c. Internal: t0 (min, not negative), ln v_c (km/min).
///
/// Where records carry no lengths, and for a distance alone, the way is taken to be the model's
/// mix of classes.
#[derive(Debug, Clone)]
pub struct RoadClass {
    classes: Vec<String>,
    specs: Vec<ParameterSpec>,
    shares: Vec<f64>,
}

impl RoadClass {
    /// Start of the published name of a class's speed; its end is [`Self::SPEED_SUFFIX`].
    pub const SPEED_PREFIX: &str = "class_speed_";
    /// End of the published name of a class's speed.
    pub const SPEED_SUFFIX: &str = "_kmh";

    /// A model of these classes, in the order of the lengths of the records; a bare distance has
    /// equal shares of them. `None` without classes, or where two have one name.
    #[must_use]
    pub fn new(classes: &[impl AsRef<str>]) -> Option<Self> {
        let classes: Vec<String> = classes.iter().map(|name| name.as_ref().to_owned()).collect();
        let is_new = |(at, name): (usize, &String)| !classes[..at].contains(name);
        if classes.is_empty() || !classes.iter().enumerate().all(is_new) {
            return None;
        }
        let speed = |class: &String| ParameterSpec {
            name: Cow::Owned(format!("{}{class}{}", Self::SPEED_PREFIX, Self::SPEED_SUFFIX)),
            unit: "km/h",
            transform: Transform::Exponential { factor: 60.0 },
        };
        let specs = std::iter::once(INTERCEPT).chain(classes.iter().map(speed)).collect();
        let shares = vec![1.0 / classes.len() as f64; classes.len()];
        Some(Self { classes, specs, shares })
    }

    /// The same with another mix of classes for a bare distance; `None` unless there is a share for
    /// each class, not negative, and not all zero. They are scaled to add up to one.
    #[must_use]
    pub fn with_shares(mut self, shares: &[f64]) -> Option<Self> {
        let all: f64 = shares.iter().sum();
        let is_share = |share: &f64| *share >= 0.0 && share.is_finite();
        if shares.len() != self.classes.len() || !shares.iter().all(is_share) {
            return None;
        }
        self.shares = shares.iter().map(|share| share / all).collect();
        (all > 0.0 && all.is_finite()).then_some(self)
    }

    /// Names of the classes, in the order of the lengths.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The class of a published name such as `class_speed_motorway_kmh`.
    #[must_use]
    pub fn class_of(name: &str) -> Option<&str> {
        let class = name.strip_prefix(Self::SPEED_PREFIX)?.strip_suffix(Self::SPEED_SUFFIX)?;
        (!class.is_empty()).then_some(class)
    }

    /// Hands on a class's length of every record, km.
    fn each_length(
        &self,
        class: usize,
        distances: Distances<'_>,
        mut take: impl FnMut(usize, f64),
    ) {
        if distances.n_classes() == self.classes.len() {
            for (i, km) in distances.lengths_km(class).iter().enumerate() {
                take(i, *km);
            }
        } else {
            for (i, km) in distances.km().enumerate() {
                take(i, self.shares[class] * km);
            }
        }
    }

    /// ln T at slownesses (min/km), and its derivatives with respect to ln of each of them.
    fn evaluate_slowness(
        &self,
        intercept: f64,
        slowness: &[f64],
        distances: Distances<'_>,
        ln_time: &mut [f64],
        gradient: &mut [f64],
    ) {
        let n = ln_time.len();
        let (by_intercept, by_class) = gradient.split_at_mut(n);
        ln_time.fill(0.0);
        for (class, part) in by_class.chunks_exact_mut(n.max(1)).enumerate() {
            self.each_length(class, distances, |i, km| {
                part[i] = (km * slowness[class]).min(1e300);
                ln_time[i] += part[i];
            });
        }
        for (out, g0) in ln_time.iter_mut().zip(by_intercept.iter_mut()) {
            let (_, time) = sum(intercept, *out);
            *out = time.ln();
            *g0 = 1.0 / time;
        }
        for part in by_class.chunks_exact_mut(n.max(1)) {
            for (part, per_time) in part.iter_mut().zip(by_intercept.iter()) {
                *part *= per_time;
            }
        }
    }

    /// Of each class, whether a record uses it.
    fn used(&self, observations: &Observations) -> Vec<bool> {
        let is_used = |class| {
            let mut any = false;
            self.each_length(class, observations.distances(), |_, km| any |= km > 0.0);
            any
        };
        (0..self.classes.len()).map(is_used).collect()
    }
}

/// Mean slowness of the records, min/km, cut to the range of the model.
fn mean_slowness(observations: &Observations) -> f64 {
    let rows = || observations.samples().iter().zip(observations.ln_time());
    let time: f64 = rows().map(|(s, ln_t)| f64::from(s.weight) * ln_t.exp()).sum();
    let way: f64 = rows().map(|(s, _)| f64::from(s.weight) * s.distance_km).sum();
    let slowness = time / way;
    if slowness.is_finite() { slowness.clamp(1.0 / MAX_SPEED, 1e100) } else { 1.0 }
}

/// ln of the speed up to which a class is fitted, km/min: that of `linear`.
fn ln_fastest(observations: &Observations) -> f64 {
    let pairs = observations.distances().ln_km.iter().zip(observations.ln_time());
    pairs.map(|(d, t)| d - t).fold(MAX_SPEED.ln(), f64::max).min(LN_LIMIT)
}

impl Model for RoadClass {
    fn name(&self) -> &'static str {
        ROAD_CLASS
    }

    fn parameters(&self) -> &[ParameterSpec] {
        &self.specs
    }

    /// A class that no record uses has the mean speed of the records, and that alone.
    fn bounds(&self, observations: &Observations) -> Vec<(f64, f64)> {
        let free = (-LN_LIMIT, ln_fastest(observations));
        let pinned = -mean_slowness(observations).ln();
        let speeds = self.used(observations).into_iter();
        let speeds = speeds.map(|used| if used { free } else { (pinned, pinned) });
        std::iter::once((0.0, LN_LIMIT.exp())).chain(speeds).collect()
    }

    fn evaluate(
        &self,
        p: &[f64],
        distances: Distances<'_>,
        ln_time: &mut [f64],
        gradient: &mut [f64],
    ) {
        let slowness: Vec<f64> = p[1..].iter().map(|ln_v| (-ln_v).exp()).collect();
        let n = ln_time.len();
        self.evaluate_slowness(p[0], &slowness, distances, ln_time, gradient);
        for entry in &mut gradient[n..] {
            *entry = -*entry;
        }
    }

    fn ln_time(&self, p: &[f64], distance_km: f64) -> f64 {
        let lengths: Vec<f64> = self.shares.iter().map(|share| share * distance_km).collect();
        self.ln_time_of_lengths(p, &lengths)
    }

    fn ln_time_of_lengths(&self, p: &[f64], lengths_km: &[f64]) -> f64 {
        let parts =
            lengths_km.iter().zip(&p[1..]).map(|(km, ln_v)| (km * (-ln_v).exp()).min(1e300));
        sum(p[0], parts.sum()).1.ln()
    }

    fn starts(&self, observations: &Observations) -> Vec<Vec<f64>> {
        let fit = Slowness::new(self, observations).minimize();
        let unused = -mean_slowness(observations).ln();
        let highest = ln_fastest(observations);
        let used = self.used(observations);
        let speeds = fit[1..].iter().zip(used).map(|(slowness, used)| {
            if used { (-slowness.ln()).clamp(-LN_LIMIT, highest) } else { unused }
        });
        vec![std::iter::once(fit[0]).chain(speeds).collect()]
    }

    fn settle(&self, _: &mut [f64], observations: &Observations) -> Vec<Option<String>> {
        let used = self.used(observations).into_iter();
        let classes = used.map(|used| (!used).then(|| NO_RECORD.to_owned()));
        std::iter::once(None).chain(classes).collect()
    }
}

const NO_RECORD: &str = "no record of the group uses this class of road; the value is the mean \
                         speed of all its records";

/// The same problem in t0 and the slownesses, in which T is linear.
struct Slowness<'a> {
    model: &'a RoadClass,
    observations: &'a Observations,
    bounds: Vec<(f64, f64)>,
}

impl<'a> Slowness<'a> {
    fn new(model: &'a RoadClass, observations: &'a Observations) -> Self {
        let bounds = vec![(0.0, f64::INFINITY); model.specs.len()];
        Self { model, observations, bounds }
    }

    /// Gauss–Newton whose every step is exact within the bounds: with ln T ≈ ln F + (T − F)/F the
    /// linearised problem is one of nonnegative least squares. Steps are halved until they help.
    fn minimize(&self) -> Vec<f64> {
        let mut block = Vec::new();
        let mut at = vec![mean_slowness(self.observations); self.bounds.len()];
        at[0] = 0.0;
        let mut triangle = Triangle::reduce(self, &at, &mut block);
        for _ in 0..MAX_ROUNDS {
            let before = triangle.ssr();
            let Some(goal) = goal(&triangle, &at) else { break };
            let mut share = 1.0;
            for _ in 0..MAX_HALVINGS {
                let between = at.iter().zip(&goal).map(|(from, to)| from + share * (to - from));
                let trial: Vec<f64> = between.map(|x: f64| x.max(0.0)).collect();
                let reduced = Triangle::reduce(self, &trial, &mut block);
                if reduced.is_finite() && reduced.ssr() < before {
                    (at, triangle) = (trial, reduced);
                    break;
                }
                share *= 0.5;
            }
            // Also where no share helped.
            if before - triangle.ssr() <= LEAST_FALL * before {
                break;
            }
        }
        at
    }
}

/// Where the linearised sum of squares is least.
fn goal(triangle: &Triangle, at: &[f64]) -> Option<Vec<f64>> {
    let n = at.len();
    let matrix = DMatrix::from_fn(n, n, |row, column| triangle.r(row, column));
    let target =
        &matrix * DVector::from_column_slice(at) - DVector::from_fn(n, |row, _| triangle.qtr(row));
    nonnegative::least_squares(&matrix, &target)
}

impl LeastSquares for Slowness<'_> {
    fn n_parameters(&self) -> usize {
        self.bounds.len()
    }

    fn n_rows(&self) -> usize {
        self.observations.len()
    }

    fn bounds(&self) -> &[(f64, f64)] {
        &self.bounds
    }

    fn residual_noise(&self) -> f64 {
        self.observations.residual_noise()
    }

    fn fill(&self, p: &[f64], first: usize, jacobian: &mut [f64], residuals: &mut [f64]) {
        let n = residuals.len();
        let distances = self.observations.distances().slice(first, n);
        let (model, slowness) = (self.model, &p[1..]);
        model.evaluate_slowness(p[0], slowness, distances, residuals, jacobian);
        // The derivative with respect to a slowness, which may be zero, is L/T itself.
        let (by_intercept, by_class) = jacobian.split_at_mut(n);
        for (class, column) in by_class.chunks_exact_mut(n).enumerate() {
            model.each_length(class, distances, |i, km| {
                column[i] = (km.min(1e300) * by_intercept[i]).min(1e150);
            });
        }
        self.observations.subtract_from(first, residuals);
        self.observations.weigh(first, jacobian, residuals);
    }
}
