//! Starts from a profile over the knot, on records gathered into about a hundred points.
//!
//! For a given knot T = t0 + s·h(d/k) leaves the scale s, a mean on the log scale, and the
//! intercept t0, a line. What remains is a curve over the knot alone, which is scanned: every dip
//! of it is a start, so that no minimum is missed because the iteration began near another.

use std::f64::consts::LN_2;

use super::super::observations::Observations;
use super::LN_LIMIT;

/// Records at the near and at the far end that keep a bin of their own: the far ones alone decide
/// whether the cruise speed shows.
const SINGLES_NEAR: usize = 4;
const SINGLES_FAR: usize = 16;
/// Bins for what lies between; each becomes two points, which keep its trend. Without that the steep
/// short end of a curve moves the sum of squares by more than two minima differ.
const MIDDLE_BINS: usize = 40;
/// Knots tried at equal shares of the bins, and at equal ratios of distance.
const N_QUANTILES: usize = 24;
const N_RATIOS: usize = 12;
/// Where knots are tried in the gaps between the shortest distances.
const NEAR_SHARES: [f64; 2] = [0.3, 0.7];
/// Of the gaps between the longest distances, each a place where the cruise speed may hang on
/// a record or two: their number plus one, and where in a gap knots are tried.
const N_FAR: usize = 9;
const FAR_SHARES: [f64; 4] = [0.1, 0.4, 0.7, 0.9];
/// Gauss–Newton steps for intercept and scale at one knot.
const MAX_PROFILE_STEPS: usize = 8;
/// Dips followed at the most.
const MAX_STARTS: usize = 4;
/// Dips whose sum of squares is so much above the least are not followed: gathering moves it by a
/// tenth of that at the most.
const HOPELESS: f64 = 0.02;
/// Sums of squares that differ by less are one: where every knot is below the shortest trip the curve
/// is a straight line, the same for each.
const SAME: f64 = 1e-9;

/// Records gathered by distance.
#[derive(Debug, Clone)]
pub(super) struct Bins {
    ln_distance: Vec<f64>,
    distance_km: Vec<f64>,
    /// Weighted ln T, T in min.
    ln_time: Vec<f64>,
    weight: Vec<f64>,
    /// Sum of squares of ln T about the trends of the bins, which no curve removes.
    within: f64,
}

/// Intercept (min), scale (min per unit of the shape) and sum of squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ShapeFit {
    pub(super) intercept: f64,
    pub(super) scale: f64,
    pub(super) ssr: f64,
}

/// A dip of the profile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Minimum {
    pub(super) ln_knot: f64,
    pub(super) fit: ShapeFit,
}

impl Bins {
    pub(super) fn of(observations: &Observations) -> Self {
        let n = observations.len();
        let near = SINGLES_NEAR.min(n);
        let far = n - SINGLES_FAR.min(n - near);
        let middle = far - near;
        let n_middle = MIDDLE_BINS.min(middle);
        let mut edges: Vec<usize> = (0..near).collect();
        edges.extend((0..n_middle).map(|i| near + i * middle / n_middle));
        edges.extend(far..=n);
        let mut bins = Self {
            ln_distance: Vec::with_capacity(edges.len()),
            distance_km: Vec::new(),
            ln_time: Vec::with_capacity(edges.len()),
            weight: Vec::with_capacity(edges.len()),
            within: 0.0,
        };
        for edge in edges.windows(2) {
            bins.push(observations, edge[0]..edge[1]);
        }
        bins.distance_km = bins.ln_distance.iter().map(|ln_d| ln_d.exp()).collect();
        bins
    }

    /// Adds records as two points, a standard deviation of ln d to either side of their mean and on
    /// their regression line: to a curve that is straight over the bin they are the same, but for a
    /// constant. One point where the distances are one.
    fn push(&mut self, observations: &Observations, rows: std::ops::Range<usize>) {
        let weights = observations.samples()[rows.clone()].iter().map(|s| f64::from(s.weight));
        let weight: f64 = weights.clone().sum();
        let (ln_d, ln_t) =
            (&observations.distances().ln_km[rows.clone()], &observations.ln_time()[rows.clone()]);
        let mean = |value: &dyn Fn(usize) -> f64| -> f64 {
            weights.clone().enumerate().map(|(i, w)| w / weight * value(i)).sum()
        };
        let (centre, time) = (mean(&|i| ln_d[i]), mean(&|i| ln_t[i]));
        let variance = mean(&|i| (ln_d[i] - centre).powi(2));
        let covariance = mean(&|i| (ln_d[i] - centre) * (ln_t[i] - time));
        let is_wide = variance > f64::EPSILON * centre * centre;
        let (deviation, slope) =
            if is_wide { (variance.sqrt(), covariance / variance) } else { (0.0, 0.0) };
        let sides: &[f64] = if is_wide { &[-1.0, 1.0] } else { &[0.0] };
        for side in sides {
            self.ln_distance.push(centre + side * deviation);
            self.ln_time.push(time + side * slope * deviation);
            self.weight.push(weight / sides.len() as f64);
        }
        let rest = |i: usize| (ln_t[i] - time - slope * (ln_d[i] - centre)).powi(2);
        self.within += weight * mean(&rest);
    }

    pub(super) fn ln_distance(&self) -> &[f64] {
        &self.ln_distance
    }

    /// ln of the knots to try, ascending: below the shortest trip, within the trips, and at the
    /// longest, which stands for every knot beyond it.
    fn ln_knots(&self) -> Vec<f64> {
        let (Some(&first), Some(&last)) = (self.ln_distance.first(), self.ln_distance.last())
        else {
            return Vec::new();
        };
        if last - first <= 1e-12 * last.abs() {
            return vec![last];
        }
        let n = self.ln_distance.len();
        let mut knots: Vec<f64> = [1e-6, 1e-4, 1e-2, 0.1, 0.5, 1.0]
            .iter()
            .map(|share: &f64| first + share.ln())
            .collect();
        knots.extend((1..N_QUANTILES).map(|i| self.ln_distance[i * (n - 1) / N_QUANTILES]));
        let ratio = |i: usize| i as f64 / N_RATIOS as f64;
        knots.extend((1..N_RATIOS).map(|i| first + (last - first) * ratio(i)));
        for pair in self.ln_distance[..SINGLES_NEAR.min(n)].windows(2) {
            knots.extend(NEAR_SHARES.map(|share| pair[0] + share * (pair[1] - pair[0])));
        }
        for pair in self.far_distances().windows(2) {
            knots.extend(FAR_SHARES.map(|share| pair[0] + share * (pair[1] - pair[0])));
        }
        knots.push(last);
        knots.sort_unstable_by(f64::total_cmp);
        knots.dedup();
        knots
    }

    /// ln h(d/k) of every bin.
    fn ln_shape(&self, ln_knot: f64) -> Vec<f64> {
        let per_knot = (-ln_knot).clamp(-LN_LIMIT, LN_LIMIT).exp();
        let rows = self.ln_distance.iter().zip(&self.distance_km);
        let shape = |(ln_d, d): (&f64, &f64)| {
            let ln_x = ln_d - ln_knot;
            if ln_x <= 0.0 { LN_2 + 0.5 * ln_x } else { (1.0 + (d * per_knot).min(1e300)).ln() }
        };
        rows.map(shape).collect()
    }

    /// The longest distinct distances, ascending.
    fn far_distances(&self) -> Vec<f64> {
        let mut far = self.ln_distance.clone();
        far.dedup();
        far.split_off(far.len().saturating_sub(N_FAR))
    }
}

/// Dips of the profile that `best` draws over the knot, the deepest first.
pub(super) fn minima(bins: &Bins, best: impl Fn(&Bins, &[f64]) -> ShapeFit) -> Vec<Minimum> {
    let scan: Vec<Minimum> = (bins.ln_knots().into_iter())
        .map(|ln_knot| Minimum { ln_knot, fit: best(bins, &bins.ln_shape(ln_knot)) })
        .filter(|point| point.fit.ssr.is_finite())
        .collect();
    let ssr = |i: usize| scan.get(i).map_or(f64::INFINITY, |point| point.fit.ssr);
    let mut dips: Vec<Minimum> = (0..scan.len())
        .filter(|&i| {
            let (before, after) = (ssr(i.wrapping_sub(1)), ssr(i + 1));
            ssr(i) < before - SAME * ssr(i) && ssr(i) <= after + SAME * ssr(i)
        })
        .map(|i| scan[i])
        .collect();
    dips.sort_by(|a, b| a.fit.ssr.total_cmp(&b.fit.ssr));
    let limit = dips.first().map_or(0.0, |d| d.fit.ssr + HOPELESS * (d.fit.ssr + bins.within));
    dips.retain(|dip| dip.fit.ssr <= limit);
    dips.truncate(MAX_STARTS);
    dips
}

/// The best T = s·shape.
pub(super) fn best_scale(bins: &Bins, ln_shape: &[f64]) -> ShapeFit {
    let total: f64 = bins.weight.iter().sum();
    let rows = || bins.ln_time.iter().zip(ln_shape).zip(&bins.weight);
    let ln_scale = rows().map(|((t, ln_h), w)| w / total * (t - ln_h)).sum::<f64>();
    let ssr = rows().map(|((t, ln_h), w)| w * (t - ln_h - ln_scale).powi(2)).sum();
    ShapeFit { intercept: 0.0, scale: ln_scale.exp(), ssr }
}

/// The best T = t0 + s·shape with t0 >= 0, nearly: some Gauss–Newton steps on ln T from the curve
/// without intercept, halved until they help. At least as good as [`best_scale`].
pub(super) fn best_intercept(bins: &Bins, ln_shape: &[f64]) -> ShapeFit {
    let shape: Vec<f64> = ln_shape.iter().map(|ln_h| ln_h.exp()).collect();
    let mut best = best_scale(bins, ln_shape);
    let mut fitted: Vec<f64> = shape.iter().map(|h| best.scale * h).collect();
    for _ in 0..MAX_PROFILE_STEPS {
        let Some((intercept, scale)) = newton(bins, &shape, &fitted) else {
            break;
        };
        let before = best;
        let mut share = 1.0;
        while share > 0.05 {
            let between = |from: f64, to: f64| from + share * (to - from);
            let intercept = between(before.intercept, intercept).max(0.0);
            let scale = between(before.scale, scale);
            let trial: Vec<f64> = shape.iter().map(|h| intercept + scale * h).collect();
            let ssr = sum_of_squares(bins, &trial);
            if scale > 0.0 && ssr < before.ssr {
                best = ShapeFit { intercept, scale, ssr };
                fitted = trial;
                break;
            }
            share *= 0.5;
        }
        if before.ssr - best.ssr <= 1e-6 * before.ssr {
            break;
        }
    }
    best
}

fn sum_of_squares(bins: &Bins, fitted: &[f64]) -> f64 {
    let rows = bins.ln_time.iter().zip(fitted).zip(&bins.weight);
    rows.map(|((t, f), w)| w * (t - f.ln()).powi(2)).sum()
}

/// Where the linearised problem has its minimum: with ln T ≈ ln F + (t0 + s·h − F)/F, least squares
/// of (t0 + s·h)/F against 1 + ln T − ln F. `None` where shape and constant are one column.
fn newton(bins: &Bins, shape: &[f64], fitted: &[f64]) -> Option<(f64, f64)> {
    let (mut s00, mut s01, mut s11, mut t0, mut t1) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for i in 0..shape.len() {
        let (one, h) = (1.0 / fitted[i], shape[i] / fitted[i]);
        let (w, y) = (bins.weight[i], 1.0 + bins.ln_time[i] - fitted[i].ln());
        s00 += w * one * one;
        s01 += w * one * h;
        s11 += w * h * h;
        t0 += w * one * y;
        t1 += w * h * y;
    }
    let determinant = s00 * s11 - s01 * s01;
    let intercept = (t0 * s11 - t1 * s01) / determinant;
    let scale = (s00 * t1 - s01 * t0) / determinant;
    let is_told = determinant > 1e-12 * s00 * s11;
    (is_told && intercept.is_finite() && scale.is_finite()).then_some((intercept, scale))
}
