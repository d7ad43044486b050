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

/// Samples in canonical order, so that a fit does not depend on the order in which they came.
#[derive(Debug, Clone)]
pub struct Observations {
    samples: Vec<Sample>,
}

impl Observations {
    /// Orders the samples by distance, then time, then weight.
    #[must_use]
    pub fn new(mut samples: Vec<Sample>) -> Self {
        samples.sort_unstable_by(|a, b| {
            (a.distance_km.total_cmp(&b.distance_km))
                .then(a.travel_time_s.total_cmp(&b.travel_time_s))
                .then(a.weight.total_cmp(&b.weight))
        });
        Self { samples }
    }

    /// The samples, ordered.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }
}
