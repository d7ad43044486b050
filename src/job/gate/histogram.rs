//! Percentiles of many positive numbers without holding them: counts in bins of a sixteenth of an
//! octave, in which a percentile is exact to about one per cent.

use std::collections::BTreeMap;

use crate::domain::observed::Percentiles;

/// Bins of an octave, a power of two.
const PER_OCTAVE_BITS: u32 = 4;

/// Counts of positive numbers by size. The order in which they come does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Histogram(BTreeMap<u16, u64>);

impl Histogram {
    /// Counts a number; what is not above zero and finite is left out.
    pub(crate) fn add(&mut self, x: f64) {
        if x > 0.0 && x.is_finite() {
            *self.0.entry(bin(x)).or_default() += 1;
        }
    }

    pub(crate) fn n(&self) -> u64 {
        self.0.values().sum()
    }

    /// Counts all of these too.
    pub(crate) fn extend(&mut self, more: &Self) {
        for (bin, n) in &more.0 {
            *self.0.entry(*bin).or_default() += n;
        }
    }

    /// Each number over another, to half a bin.
    pub(crate) fn over(&self, divisor: f64) -> Self {
        let mut scaled = Self::default();
        for (&of, n) in &self.0 {
            let ratio = f64::midpoint(start(of), start(of + 1)) / divisor;
            if ratio > 0.0 && ratio.is_finite() {
                *scaled.0.entry(bin(ratio)).or_default() += n;
            }
        }
        scaled
    }

    /// Share of all that is smaller, by the line through its bin.
    pub(crate) fn share_below(&self, x: f64) -> f64 {
        let of_x = bin(x);
        let n_before: u64 = self.0.range(..of_x).map(|(_, n)| n).sum();
        let within = self.0.get(&of_x).copied().unwrap_or(0) as f64;
        let (low, high) = (start(of_x), start(of_x + 1));
        (n_before as f64 + within * (x - low) / (high - low)) / self.n().max(1) as f64
    }

    /// The bin that holds most: how many, and its bounds.
    pub(crate) fn fullest(&self) -> Option<(u64, f64, f64)> {
        let (&of, &n) = self.0.iter().max_by_key(|(of, n)| (**n, std::cmp::Reverse(**of)))?;
        Some((n, start(of), start(of + 1)))
    }

    /// What is left without these, which are among them.
    fn without(&self, part: &Self) -> Self {
        let mut left = self.clone();
        for (bin, n) in &part.0 {
            if let Some(all) = left.0.get_mut(bin) {
                *all = all.saturating_sub(*n);
            }
        }
        left
    }

    /// Missing where nothing was counted.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        let n = self.n();
        let at = |share: f64| self.quantile(share * n as f64);
        Some(Percentiles { p10: at(0.1)?, p50: at(0.5)?, p90: at(0.9)? })
    }

    /// The number below which `n_below` of all lie, by the line through its bin.
    fn quantile(&self, n_below: f64) -> Option<f64> {
        let mut n_before = 0.0;
        let mut last = None;
        for (&bin, &n) in &self.0 {
            let n = n as f64;
            let (low, high) = (start(bin), start(bin + 1));
            if n_before + n >= n_below {
                let share = ((n_below - n_before) / n).clamp(0.0, 1.0);
                return Some(low + share * (high - low));
            }
            n_before += n;
            last = Some(high);
        }
        last
    }
}

/// The bins of doubles: their exponent and the first bits of the fraction, in ascending order.
fn bin(x: f64) -> u16 {
    let bits = x.to_bits() >> (52 - PER_OCTAVE_BITS);
    // A positive double has no sign bit: 11 + 4 bits are left.
    u16::try_from(bits).unwrap_or(u16::MAX)
}

fn start(bin: u16) -> f64 {
    f64::from_bits(u64::from(bin) << (52 - PER_OCTAVE_BITS))
}

/// Distances, times and speeds of rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Values {
    pub(crate) distance_km: Histogram,
    pub(crate) travel_time_s: Histogram,
    pub(crate) speed_kmh: Histogram,
}

impl Values {
    /// Counts a row that has both values above zero.
    pub(crate) fn add(&mut self, distance_km: f64, travel_time_s: f64) {
        let is_told = |x: f64| x > 0.0 && x.is_finite();
        if is_told(distance_km) && is_told(travel_time_s) {
            self.distance_km.add(distance_km);
            self.travel_time_s.add(travel_time_s);
            self.speed_kmh.add(distance_km * 3600.0 / travel_time_s);
        }
    }

    pub(crate) fn n(&self) -> u64 {
        self.distance_km.n()
    }

    /// Counts all of these too.
    pub(crate) fn extend(&mut self, more: &Self) {
        self.distance_km.extend(&more.distance_km);
        self.travel_time_s.extend(&more.travel_time_s);
        self.speed_kmh.extend(&more.speed_kmh);
    }

    /// Of distances, times and speeds; missing where nothing was counted.
    pub(crate) fn percentiles(&self) -> Option<[Percentiles; 3]> {
        let [km, s, kmh] = [&self.distance_km, &self.travel_time_s, &self.speed_kmh];
        Some([km.percentiles()?, s.percentiles()?, kmh.percentiles()?])
    }

    /// What is left without these, which are among them.
    pub(crate) fn without(&self, part: &Self) -> Self {
        Self {
            distance_km: self.distance_km.without(&part.distance_km),
            travel_time_s: self.travel_time_s.without(&part.travel_time_s),
            speed_kmh: self.speed_kmh.without(&part.speed_kmh),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact_to_a_per_cent() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentiles(), None);
        for i in 1..=10_000_u32 {
            histogram.add(f64::from(i) * 0.003);
        }
        let told = histogram.percentiles().unwrap();
        for (got, exact) in [(told.p10, 3.0), (told.p50, 15.0), (told.p90, 27.0)] {
            assert!((got / exact - 1.0).abs() < 0.01, "{got} for {exact}");
        }
    }

    #[test]
    fn any_double_has_a_bin() {
        let mut histogram = Histogram::default();
        for x in [f64::MIN_POSITIVE, 5e-324, 1.0, f64::MAX] {
            histogram.add(x);
        }
        for x in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            histogram.add(x);
        }
        assert_eq!(histogram.n(), 4);
        assert!(histogram.percentiles().is_some());
    }
}
