//! Records drawn from a curve that is known: for the demo, for tests and for benches.
//!
//! Clean records only; dirt belongs to whoever writes files.

pub mod published;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StudentT};

use super::curve::Curve;
use super::observations::Sample;

/// How ln T scatters about the logarithm of the median.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spread {
    /// Normal with the same standard deviation everywhere.
    Normal {
        /// Standard deviation of ln T.
        sigma_log: f64,
    },
    /// Student's t, scaled by a factor that falls with the median m (min):
    /// `sqrt(b0(b2+1) + b1(b2+1)·m + b2·m²)/m` (Budge, Ingolfsson and Zerom, 2010).
    Budge {
        /// Constant part, min².
        b0: f64,
        /// Part that grows with the median, min.
        b1: f64,
        /// Variance of the factor common to a trip.
        b2: f64,
        /// Degrees of freedom; the smaller, the more often a trip goes badly wrong.
        tail_dof: f64,
    },
}

impl Spread {
    /// Budge, Ingolfsson and Zerom's estimates for ambulances in Calgary.
    pub const CALGARY: Self = Self::Budge { b0: 0.336, b1: 0.000_058, b2: 0.0388, tail_dof: 4.0 };

    /// Scale of ln T where the median is `median_min`.
    #[must_use]
    pub fn scale(&self, median_min: f64) -> f64 {
        match *self {
            Self::Normal { sigma_log } => sigma_log,
            Self::Budge { b0, b1, b2, .. } => {
                let common = (b2 + 1.0) * (b0 + b1 * median_min);
                (common + b2 * median_min * median_min).sqrt() / median_min
            }
        }
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> f64 {
        match *self {
            Self::Budge { tail_dof, .. } => match StudentT::new(tail_dof) {
                Ok(t) => t.sample(rng),
                Err(_) => StandardNormal.sample(rng),
            },
            Self::Normal { .. } => StandardNormal.sample(rng),
        }
    }
}

/// How far trips go: log-normal, drawn again outside the limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TripLengths {
    /// Median before the limits are applied, km.
    pub median_km: f64,
    /// Standard deviation of the logarithm.
    pub sigma_log: f64,
    /// Shortest trip, km.
    pub min_km: f64,
    /// Longest trip, km.
    pub max_km: f64,
}

impl Default for TripLengths {
    fn default() -> Self {
        Self { median_km: 2.5, sigma_log: 0.9, min_km: 0.1, max_km: 40.0 }
    }
}

/// Draws before a trip is put on the nearer limit: reached only if the limits exclude nearly all.
const MAX_DRAWS: u32 = 100;

impl TripLengths {
    fn draw(&self, rng: &mut ChaCha8Rng) -> f64 {
        let mut distance_km = self.median_km;
        for _ in 0..MAX_DRAWS {
            let normal: f64 = StandardNormal.sample(rng);
            distance_km = self.median_km * (self.sigma_log * normal).exp();
            if distance_km >= self.min_km && distance_km <= self.max_km {
                break;
            }
        }
        distance_km.max(self.min_km).min(self.max_km)
    }
}

/// `n` records of weight one about the curve; the same seed gives the same records everywhere.
#[must_use]
pub fn draw(
    curve: &Curve,
    spread: &Spread,
    lengths: &TripLengths,
    n: usize,
    seed: u64,
) -> Vec<Sample> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n)
        .map(|_| {
            let distance_km = lengths.draw(&mut rng);
            let ln_median = curve.ln_median_min(distance_km);
            let ln_time = ln_median + spread.scale(ln_median.exp()) * spread.draw(&mut rng);
            let travel_time_s = (60.0 * ln_time.exp()).clamp(1e-3, 1e9) as f32;
            Sample { distance_km, travel_time_s, weight: 1.0 }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calgary() -> Curve {
        published::CALGARY.curve().unwrap()
    }

    #[test]
    fn draws_repeat_with_the_seed() {
        let draw = |seed| draw(&calgary(), &Spread::CALGARY, &TripLengths::default(), 50, seed);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn distances_stay_within_the_limits() {
        let lengths = TripLengths { median_km: 50.0, ..TripLengths::default() };
        let samples = draw(&calgary(), &Spread::Normal { sigma_log: 0.3 }, &lengths, 500, 3);
        assert!(samples.iter().all(|s| (0.1..=40.0).contains(&s.distance_km)));
    }

    #[test]
    fn half_of_the_times_lie_under_the_median() {
        for spread in [Spread::Normal { sigma_log: 0.4 }, Spread::CALGARY] {
            let samples = draw(&calgary(), &spread, &TripLengths::default(), 4000, 5);
            let curve = calgary();
            let under = |s: &&Sample| f64::from(s.travel_time_s) <= curve.median_s(s.distance_km);
            let n_under = samples.iter().filter(under).count();
            // Four standard deviations of a fair coin.
            assert!(n_under.abs_diff(2000) < 127, "{spread:?}: {n_under}");
        }
    }

    /// Budge, Ingolfsson and Zerom give these spreads for Calgary.
    #[test]
    fn spread_falls_with_distance_as_published() {
        let curve = calgary();
        for (distance_km, expected) in [(0.5, 0.398), (4.13, 0.231), (15.0, 0.204)] {
            let scale = Spread::CALGARY.scale(curve.median_s(distance_km) / 60.0);
            assert!((scale - expected).abs() < 1e-3, "{distance_km} km: {scale}");
        }
    }
}
