//! What gross outliers do to the curve: bias of acceleration and cruise speed under each loss and law
//! of errors, where 5 % of the times of the Calgary set are some times too long or too short:
//! `cargo bench --bench accuracy -- outliers [REPETITIONS] [RECORDS] [FACTOR]`.

use std::fmt::Write as _;

use speedfit::fit::options::{Errors, Loss, SpreadModel};
use speedfit::fit::simulate::{Spread, TripLengths, draw, published};
use speedfit::fit::{FitOptions, Observations, Sample, fit, models};

/// One record in so many is spoilt.
const ONE_IN: usize = 20;

/// How the spoilt records lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoilt {
    /// Every spoilt time is too long, as where the arrival was logged late.
    Late,
    /// Times are too long on short trips and too short on long ones, so that the curve bends.
    Bent,
    /// Too long and too short in turn: hardly a bias, but noise.
    InTurn,
}

impl Spoilt {
    fn all() -> [(Self, &'static str); 3] {
        [
            (Self::Late, "all too long"),
            (Self::Bent, "long on trips under 2.5 km, short on others"),
            (Self::InTurn, "long and short in turn"),
        ]
    }

    fn spoil(self, factor: f32, samples: &mut [Sample]) {
        for (i, sample) in samples.iter_mut().enumerate().filter(|(i, _)| i.is_multiple_of(ONE_IN))
        {
            let is_long = match self {
                Self::Late => true,
                Self::Bent => sample.distance_km < 2.5,
                Self::InTurn => (i / ONE_IN).is_multiple_of(2),
            };
            sample.travel_time_s *= if is_long { factor } else { 1.0 / factor };
        }
    }
}

/// Mean distance of ln a and ln v from the truth.
pub(crate) fn bias(
    spoilt: (Spoilt, f32),
    options: &FitOptions,
    n_repetitions: u64,
    n_records: usize,
) -> Result<[f64; 2], String> {
    let curve = published::CALGARY.curve().ok_or("no curve")?;
    let model = models::by_name("kwh").ok_or("no model")?;
    let names = ["acceleration_km_min2", "cruise_speed_kmh"];
    let mut sums = [0.0; 2];
    for seed in 0..n_repetitions {
        let mut samples = draw(&curve, &Spread::CALGARY, &TripLengths::default(), n_records, seed);
        spoilt.0.spoil(spoilt.1, &mut samples);
        let report = fit(&*model, &Observations::new(samples), options, &|| false);
        for (sum, name) in sums.iter_mut().zip(names) {
            let truth = published::CALGARY.value(name).ok_or("no truth")?;
            let value = report.value(name).ok_or_else(|| report.message.clone())?;
            *sum += (value / truth).ln();
        }
    }
    Ok(sums.map(|sum| sum / n_repetitions as f64))
}

/// Every way to fit that the table compares, plain least squares first.
pub(crate) fn ways() -> Vec<(&'static str, FitOptions)> {
    let with = |loss, errors, spread| FitOptions { loss, errors, spread, ..FitOptions::default() };
    let student = Errors::StudentT { dof: None };
    let robust = |loss| with(loss, Errors::Normal, SpreadModel::Constant);
    vec![
        ("least_squares", FitOptions::default()),
        ("huber", robust(Loss::Huber)),
        ("soft_l1", robust(Loss::SoftL1)),
        ("cauchy", robust(Loss::Cauchy)),
        ("tukey", robust(Loss::Tukey)),
        ("student_t", with(Loss::LeastSquares, student, SpreadModel::Constant)),
        ("student_t, budge", with(Loss::LeastSquares, student, SpreadModel::Budge)),
    ]
}

/// The table.
pub(crate) fn run(arguments: &[String]) -> Result<String, String> {
    let number = |at: usize, default: u64| {
        let given = arguments.get(at).map(|text| text.parse().map_err(|_| format!("`{text}`?")));
        given.unwrap_or(Ok(default))
    };
    let (n_repetitions, n_records) = (number(0, 200)?, number(1, 2000)?);
    let factor = number(2, 5)?;
    let mut text = format!(
        "{n_repetitions} draws of {n_records} records, 5 % of them {factor} times too long or short.\n"
    );
    for (spoilt, words) in Spoilt::all() {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "\n{words}:\n\n| fit | bias of ln a | bias of ln v | share of least squares', ln a | ln v |\n\
             |---|--:|--:|--:|--:|"
        );
        let mut plain = None;
        for (name, options) in ways() {
            let found = bias((spoilt, factor as f32), &options, n_repetitions, n_records as usize)?;
            let plain = *plain.get_or_insert(found);
            let share = |j: usize| 100.0 * (found[j] / plain[j]).abs();
            let _ = writeln!(
                text,
                "| {name} | {:+.5} | {:+.5} | {:.1} % | {:.1} % |",
                found[0],
                found[1],
                share(0),
                share(1)
            );
        }
    }
    Ok(text)
}
