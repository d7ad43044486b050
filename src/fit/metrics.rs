//! How well a curve describes the records it was fitted to, on both scales.

use super::errors::Law;
use super::least_squares::BLOCK_ROWS;
use super::models::{LN_LIMIT, Model};
use super::observations::{Observations, Sample};
use super::report::Metrics;
use super::spread::Scatter;

/// 90th percentile of the standard normal distribution.
const NORMAL_P90: f64 = 1.281_551_565_544_600_4;

/// Metrics of a model at internal `parameters` with the scatter of ln T and the law of its errors,
/// from which the 90th percentile follows; `ssr_log` where it is known from the fit. `None` without
/// observations.
pub(super) fn metrics(
    model: &dyn Model,
    parameters: &[f64],
    scatter: &Scatter,
    law: &Law,
    ssr_log: Option<f64>,
    observations: &Observations,
) -> Option<Metrics> {
    if observations.is_empty() {
        return None;
    }
    let total = observations.weight_sum();
    let p90 = if *law == Law::Normal { NORMAL_P90 } else { law.quantile(0.9) };
    // Errors are told to three digits: f32 holds them, and a large group has many.
    let mut errors: Vec<f32> = Vec::with_capacity(observations.len());
    let (mut mae_s, mut under, mut squares) = (0.0, 0.0, 0.0);
    for_each_ln_ratio(model, parameters, observations, |predicted, ln_ratio, sample| {
        let weight = f64::from(sample.weight);
        under += if ln_ratio + p90 * scatter.scale(predicted) >= 0.0 { weight } else { 0.0 };
        squares += weight * ln_ratio * ln_ratio;
        let error = (ln_ratio.clamp(-LN_LIMIT, LN_LIMIT).exp() - 1.0).abs();
        mae_s += weight * (error * f64::from(sample.travel_time_s) / total).min(f64::MAX / 1e40);
        errors.push(error.min(f64::from(f32::MAX)) as f32);
    });
    let median_ape = if observations.sqrt_weight().is_empty() {
        median(&mut errors)
    } else {
        let weights = observations.samples().iter().map(|s| f64::from(s.weight));
        weighted_median(errors.into_iter().map(f64::from).zip(weights).collect(), total)
    };
    let ssr_log = ssr_log.unwrap_or(squares).min(f64::MAX);
    Some(Metrics {
        ssr_log,
        rmse_log: (ssr_log / total).sqrt(),
        mae_s: mae_s.min(f64::MAX),
        median_ape,
        share_under_p90: (under / total).min(1.0),
    })
}

/// Hands on ln of the predicted time (min) and of predicted over observed time, per record, in
/// order.
fn for_each_ln_ratio(
    model: &dyn Model,
    parameters: &[f64],
    observations: &Observations,
    mut take: impl FnMut(f64, f64, &Sample),
) {
    let mut ln_time = [0.0; BLOCK_ROWS];
    let mut gradient = vec![0.0; parameters.len() * BLOCK_ROWS];
    for (block, samples) in observations.samples().chunks(BLOCK_ROWS).enumerate() {
        let (first, rows) = (block * BLOCK_ROWS, samples.len());
        let distances = observations.distances().slice(first, rows);
        let gradient = &mut gradient[..parameters.len() * rows];
        model.evaluate(parameters, distances, &mut ln_time[..rows], gradient);
        let observed = &observations.ln_time()[first..];
        for ((predicted, observed), sample) in ln_time.iter().zip(observed).zip(samples) {
            take(*predicted, predicted - observed, sample);
        }
    }
}

/// The middle value, or the mean of the two; zero of none.
fn median(values: &mut [f32]) -> f64 {
    let n = values.len();
    if n == 0 {
        return 0.0;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(n / 2, f32::total_cmp);
    if n % 2 == 1 {
        return f64::from(upper);
    }
    let lower = below.iter().copied().max_by(f32::total_cmp).unwrap_or(upper);
    0.5 * (f64::from(lower) + f64::from(upper))
}

/// The median of records that stand for `weight` like ones each.
pub(super) fn weighted_median(mut values: Vec<(f64, f64)>, total: f64) -> f64 {
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut below = 0.0;
    for (i, &(value, weight)) in values.iter().enumerate() {
        below += weight;
        if below > 0.5 * total {
            return value;
        }
        if below == 0.5 * total {
            let next = values.get(i + 1).map_or(value, |(next, _)| *next);
            return 0.5 * (value + next);
        }
    }
    values.last().map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[(f64, f64)], expected: f64) {
        let total = values.iter().map(|(_, w)| w).sum();
        assert_eq!(weighted_median(values.to_vec(), total), expected, "{values:?}");
    }

    #[test]
    fn medians() {
        check(&[(1.0, 1.0)], 1.0);
        check(&[(1.0, 1.0), (4.0, 1.0)], 2.5);
        check(&[(4.0, 1.0), (1.0, 2.0)], 1.0);
        check(&[(1.0, 2.0), (4.0, 2.0)], 2.5);
        check(&[(1.0, 0.25), (2.0, 0.25), (4.0, 1.0)], 4.0);
        for values in [vec![3.0], vec![3.0, 1.0], vec![3.0, 1.0, 2.0], vec![4.0, 1.0, 3.0, 3.5]] {
            let weighted: Vec<(f64, f64)> = values.iter().map(|v| (f64::from(*v), 1.0)).collect();
            check(&weighted, median(&mut values.clone()));
        }
    }
}
