//! Groups of few records about a common curve, drawn with a seed: pooled estimates are not biased, and
//! their intervals hold the truth about as often as they say.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::pool::{Member, PooledGroup, pool_groups};
use crate::domain::GroupKey;
use crate::fit::simulate::{Spread, TripLengths, draw};
use crate::fit::{Curve, FitOptions, FitReport, Model, Observations, fit, models};

/// Normal quantiles in the middle of each of `n` equal shares, in an order that mixes them.
fn normal(i: usize, n: usize, stride: usize) -> f64 {
    use statrs::distribution::{ContinuousCDF, Normal};
    let place = (i * stride) % n;
    Normal::standard().inverse_cdf((place as f64 + 0.5) / n as f64)
}

struct Drawn {
    key: GroupKey,
    truth: [f64; 2],
    observations: Observations,
    report: FitReport,
}

/// 53 groups of 4 to 39 records about 0.39 km/min² and 45 km/h, whose logarithms differ by a standard
/// deviation of 0.25 and 0.15.
fn drawn(model: &dyn Model, seed: u64) -> Vec<Drawn> {
    let n = 53;
    let group = |i: usize| {
        let ln_a = 0.39_f64.ln() + 0.25 * normal(i, n, 1);
        let ln_v = 45_f64.ln() + 0.15 * normal(i, n, 5 + seed as usize);
        let of = |name: &str| Some(if name == "cruise_speed_kmh" { ln_v } else { ln_a }.exp());
        let curve = Curve::from_parameters("kwh", of).unwrap();
        let lengths = TripLengths { median_km: 1.6, sigma_log: 0.6, min_km: 0.2, max_km: 12.0 };
        let spread = Spread::Normal { sigma_log: 0.3 };
        let n_records = [4, 8, 15, 25, 39][i % 5];
        let samples = draw(&curve, &spread, &lengths, n_records, 1000 * seed + i as u64);
        let observations = Observations::new(samples);
        let report = fit(model, &observations, &FitOptions::default(), &|| false);
        let key = GroupKey::region(&format!("r{i:02}"));
        Drawn { key, truth: [ln_a, ln_v], observations, report }
    };
    (0..n).map(group).collect()
}

fn pooled(model: &Arc<dyn Model>, groups: &[Drawn]) -> Vec<PooledGroup> {
    let members: Vec<Member<'_>> = groups
        .iter()
        .map(|of| Member {
            key: &of.key,
            n_used: of.observations.len() as u64,
            report: Some(&of.report),
            observations: Some(&of.observations),
        })
        .collect();
    let parents = BTreeMap::new();
    let all = pool_groups(model, &members, 40, &parents, &FitOptions::default(), &|| false);
    all.unwrap().into_iter().map(|group| group.unwrap().unwrap()).collect()
}

#[test]
fn pooled_speeds_are_not_biased_and_their_intervals_hold_the_truth() {
    let model = models::by_name("kwh").unwrap();
    let (mut bias, mut held, mut n) = ([0.0; 2], [0.0; 2], 0.0);
    for seed in 0..12 {
        let groups = drawn(&*model, seed);
        for (group, of) in pooled(&model, &groups).iter().zip(&groups) {
            n += 1.0;
            for j in [0, 1] {
                let row = &group.estimates[j].estimate;
                bias[j] += row.value.ln() - of.truth[j];
                let (low, high) = (row.interval.0.unwrap().ln(), row.interval.1.unwrap().ln());
                held[j] += f64::from(u8::from(low <= of.truth[j] && of.truth[j] <= high));
            }
        }
    }
    let (bias, held) = (bias.map(|x| x / n), held.map(|x| x / n));
    // One Gaussian per group at its own optimum: −0.18 and 0.48 of the speeds. Made linear about the
    // shrunk estimates, with the likeliest spread between groups: 0.84.
    assert!(bias.iter().all(|b| b.abs() < 0.05), "{bias:?} {held:?}");
    assert!(held.iter().all(|share| (0.91..0.98).contains(share)), "{held:?}");
}
