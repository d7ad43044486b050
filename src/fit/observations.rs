//! The records of one group in the form in which the solver reads them.

/// One accepted record, 16 bytes: millions of them are held at once.
///
/// The distance is f64: rounded to f32 it would move the sum of squares of a small group by more
/// than the 1e-7 to which fits are compared. Times are whole seconds in practice, exact in f32.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Distance, km; positive and finite.
    pub distance_km: f64,
    /// Travel time, s; positive and finite.
    pub travel_time_s: f32,
    /// Like records that it stands for; positive and finite.
    pub weight: f32,
}

impl Sample {
    fn is_valid(&self) -> bool {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        positive(self.distance_km)
            && positive(f64::from(self.travel_time_s))
            && positive(f64::from(self.weight))
    }
}

/// Samples in canonical order, so that a fit does not depend on the order in which they came, with
/// the columns that every evaluation needs: 16 bytes a record more, 24 with weights.
#[derive(Debug, Clone)]
pub struct Observations {
    samples: Vec<Sample>,
    ln_distance: Vec<f64>,
    ln_time: Vec<f64>,
    /// Square roots of the weights; empty where every weight is one.
    sqrt_weight: Vec<f64>,
    weight_sum: f64,
    noise: f64,
}

/// Distances of some consecutive records, ascending.
#[derive(Debug, Clone, Copy)]
pub struct Distances<'a> {
    samples: &'a [Sample],
    /// Natural logarithms of the kilometres.
    pub ln_km: &'a [f64],
}

impl Observations {
    /// Orders the samples by distance, then time, then weight. Samples that break the contract of
    /// [`Sample`] (zero, negative, not finite) are left out.
    #[must_use]
    pub fn new(mut samples: Vec<Sample>) -> Self {
        samples.retain(Sample::is_valid);
        // The room to grow is not needed any more, and the columns are about to need it.
        samples.shrink_to_fit();
        // The bits of positive numbers are ordered as the numbers are, and compare faster.
        samples.sort_unstable_by_key(|s| {
            (s.distance_km.to_bits(), s.travel_time_s.to_bits(), s.weight.to_bits())
        });
        let ln_distance = samples.iter().map(|s| s.distance_km.ln()).collect();
        let ln_time: Vec<f64> =
            samples.iter().map(|s| (f64::from(s.travel_time_s) / 60.0).ln()).collect();
        let is_weighted = samples.iter().any(|s| s.weight != 1.0);
        let sqrt_weight = if is_weighted {
            samples.iter().map(|s| f64::from(s.weight).sqrt()).collect()
        } else {
            Vec::new()
        };
        let weight_sum = samples.iter().map(|s| f64::from(s.weight)).sum();
        let sizes = samples.iter().zip(&ln_time);
        let noise = sizes.map(|(s, t)| f64::from(s.weight) * (1.0 + t * t)).sum::<f64>();
        let noise = f64::EPSILON * noise.sqrt();
        Self { samples, ln_distance, ln_time, sqrt_weight, weight_sum, noise }
    }

    /// The samples, ordered.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Number of samples, not weighted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Sum of the weights: the number of records for which the samples stand.
    #[must_use]
    pub fn weight_sum(&self) -> f64 {
        self.weight_sum
    }

    /// Shortest and longest distance, km.
    #[must_use]
    pub fn distance_range(&self) -> Option<(f64, f64)> {
        Some((self.samples.first()?.distance_km, self.samples.last()?.distance_km))
    }

    /// All distances.
    #[must_use]
    pub fn distances(&self) -> Distances<'_> {
        Distances { samples: &self.samples, ln_km: &self.ln_distance }
    }

    /// Natural logarithms of the travel times in minutes.
    #[must_use]
    pub fn ln_time(&self) -> &[f64] {
        &self.ln_time
    }

    /// Square roots of the weights; empty where every weight is one.
    #[must_use]
    pub(super) fn sqrt_weight(&self) -> &[f64] {
        &self.sqrt_weight
    }

    /// Norm of the rounding error of the weighted residuals of ln T.
    #[must_use]
    pub(super) fn residual_noise(&self) -> f64 {
        self.noise
    }
}

impl<'a> Distances<'a> {
    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The distances, km.
    pub fn km(&self) -> impl ExactSizeIterator<Item = f64> + 'a {
        self.samples.iter().map(|sample| sample.distance_km)
    }

    /// One of them, km.
    #[must_use]
    pub(super) fn km_at(&self, at: usize) -> f64 {
        self.samples[at].distance_km
    }

    /// The records from `first` on, `n` of them.
    #[must_use]
    pub(super) fn slice(&self, first: usize, n: usize) -> Distances<'a> {
        Distances { samples: &self.samples[first..first + n], ln_km: &self.ln_km[first..first + n] }
    }

    /// How many of the records are not longer than `ln_limit` (ln km).
    #[must_use]
    pub(super) fn count_up_to(&self, ln_limit: f64) -> usize {
        self.ln_km.partition_point(|&ln_d| ln_d <= ln_limit)
    }
}
