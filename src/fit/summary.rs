//! Records gathered by distance, for plots.

use super::observations::{Observations, Sample};

/// Travel times of the records in one bin of distances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DistanceBin {
    /// Median distance, km.
    pub distance_km: f64,
    /// Records, not weighted.
    pub n: usize,
    /// 10th percentile of travel time, s.
    pub p10_s: f64,
    /// Median travel time, s.
    pub p50_s: f64,
    /// 90th percentile of travel time, s.
    pub p90_s: f64,
}

/// Up to `n_bins` bins of (nearly) equal numbers of records, by ascending distance; fewer where
/// there are fewer records. Quantiles count a record as often as its weight says.
#[must_use]
pub fn distance_bins(observations: &Observations, n_bins: usize) -> Vec<DistanceBin> {
    let n = observations.len();
    let n_bins = n_bins.min(n);
    (0..n_bins)
        .map(|i| bin(&observations.samples()[i * n / n_bins..(i + 1) * n / n_bins]))
        .collect()
}

/// The samples are ordered by distance.
fn bin(samples: &[Sample]) -> DistanceBin {
    let mut by_time: Vec<(f32, f32)> =
        samples.iter().map(|s| (s.travel_time_s, s.weight)).collect();
    // The bits of positive numbers are ordered as the numbers are, and compare faster.
    by_time.sort_unstable_by_key(|(time_s, weight)| (time_s.to_bits(), weight.to_bits()));
    let total: f64 = samples.iter().map(|s| f64::from(s.weight)).sum();
    let distances = || samples.iter().map(|s| (s.distance_km, f64::from(s.weight)));
    let times = || by_time.iter().map(|(t, weight)| (f64::from(*t), f64::from(*weight)));
    DistanceBin {
        distance_km: quantile(distances(), total, 0.5),
        n: samples.len(),
        p10_s: quantile(times(), total, 0.1),
        p50_s: quantile(times(), total, 0.5),
        p90_s: quantile(times(), total, 0.9),
    }
}

/// The least value at or under which lies the share `p` of the weight; zero of no values.
fn quantile(sorted: impl Iterator<Item = (f64, f64)>, total: f64, p: f64) -> f64 {
    let (mut below, mut last) = (0.0, 0.0);
    for (value, weight) in sorted {
        below += weight;
        last = value;
        if below >= p * total {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(distance_km: f64, travel_time_s: f32, weight: f32) -> Sample {
        Sample { distance_km, travel_time_s, weight }
    }

    #[test]
    fn bins_share_the_records_and_ascend() {
        let samples: Vec<Sample> =
            (1..=103).map(|i| sample(f64::from(i), i as f32 * 10.0, 1.0)).collect();
        let bins = distance_bins(&Observations::new(samples), 10);
        assert_eq!(bins.len(), 10);
        assert_eq!(bins.iter().map(|b| b.n).sum::<usize>(), 103);
        assert!(bins.iter().all(|b| (10..=11).contains(&b.n)));
        assert!(bins.windows(2).all(|pair| pair[0].distance_km < pair[1].distance_km));
        assert_eq!((bins[0].p10_s, bins[0].p50_s, bins[0].p90_s), (10.0, 50.0, 90.0));
    }

    #[test]
    fn weights_count_as_repeats() {
        let weighted = vec![sample(1.0, 60.0, 9.0), sample(2.0, 120.0, 1.0)];
        let [bin] = distance_bins(&Observations::new(weighted), 1)[..] else {
            panic!("one bin");
        };
        assert_eq!((bin.distance_km, bin.p50_s, bin.p90_s, bin.n), (1.0, 60.0, 60.0, 2));
    }

    #[test]
    fn few_records_give_few_bins() {
        assert!(distance_bins(&Observations::new(Vec::new()), 5).is_empty());
        assert!(distance_bins(&Observations::new(vec![sample(1.0, 60.0, 1.0)]), 0).is_empty());
        assert_eq!(distance_bins(&Observations::new(vec![sample(1.0, 60.0, 1.0)]), 5).len(), 1);
    }
}
