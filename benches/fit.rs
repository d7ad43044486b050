//! How long fits take: one group, and a night's worth of regions; with columns, one group.

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use speedfit::fit::models::{RoadClass, WithFactors};
use speedfit::fit::options::{Errors, Intervals, Loss, SpreadModel};
use speedfit::fit::simulate::{Spread, TripLengths, draw, published};
use speedfit::fit::{Columns, FitOptions, Model, Observations, fit, models};

const N_REGIONS: u64 = 200;
const N_RECORDS: usize = 5_000;

fn regions(n: u64) -> Vec<Observations> {
    let Some(curve) = published::CALGARY.curve() else {
        return Vec::new();
    };
    let spread = Spread::Normal { sigma_log: 0.3 };
    let lengths = TripLengths::default();
    let region = |seed| Observations::new(draw(&curve, &spread, &lengths, N_RECORDS, seed));
    (0..n).map(region).collect()
}

/// One region of Calgary as published: Student's t about a spread that falls with distance.
fn calgary() -> Option<Observations> {
    let curve = published::CALGARY.curve()?;
    let samples = draw(&curve, &Spread::CALGARY, &TripLengths::default(), N_RECORDS, 1);
    Some(Observations::new(samples))
}

/// Every loss, law of errors, spread and kind of interval, in words and as options.
fn objectives() -> Vec<(&'static str, FitOptions)> {
    let base = FitOptions::default;
    let student = Errors::StudentT { dof: None };
    let loss = |loss| FitOptions { loss, ..base() };
    let likelihood = |errors, spread| FitOptions { errors, spread, ..base() };
    vec![
        ("least squares", base()),
        ("huber", loss(Loss::Huber)),
        ("soft_l1", loss(Loss::SoftL1)),
        ("cauchy", loss(Loss::Cauchy)),
        ("tukey", loss(Loss::Tukey)),
        ("student_t of 4", likelihood(Errors::StudentT { dof: Some(4.0) }, SpreadModel::Constant)),
        ("student_t", likelihood(student, SpreadModel::Constant)),
        ("normal, budge", likelihood(Errors::Normal, SpreadModel::Budge)),
        ("student_t, budge", likelihood(student, SpreadModel::Budge)),
        ("least squares, profile", FitOptions { intervals: Intervals::Profile, ..base() }),
    ]
}

fn objective_benches(criterion: &mut Criterion) {
    let (Some(region), Some(kwh)) = (calgary(), models::by_name("kwh")) else {
        return;
    };
    let mut group = criterion.benchmark_group("kwh, 1 region of 5000");
    group.sample_size(10);
    for (name, options) in objectives() {
        group.bench_function(name, |bencher| {
            bencher.iter(|| fit(&*kwh, &region, &options, &|| false));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("least squares, 1 region of 5000");
    group.sample_size(10);
    for name in models::NAMES {
        let Some(model) = models::by_name(name) else { continue };
        group.bench_function(name, |bencher| {
            bencher.iter(|| fit(&*model, &region, &FitOptions::default(), &|| false));
        });
    }
    group.finish();
}

/// The same records with a mix of three classes of road and one of six cells each.
fn with_columns(region: &Observations) -> Observations {
    let mut columns = Columns { n_classes: 3, ..Columns::default() };
    for (i, sample) in region.samples().iter().enumerate() {
        let (a, b) = ((i * 37 % 101) as f64 / 100.0, (i * 61 % 97) as f64 / 96.0);
        let shares = [a, b, 0.5].map(|part| part / (a + b + 0.5));
        columns.lengths_km.extend(shares.map(|share| share * sample.distance_km));
        columns.cells.push((i % 6) as u16);
    }
    Observations::with_columns(region.samples().to_vec(), columns)
}

/// Bands and priority: three factors in six cells.
fn with_factors(model: Arc<dyn Model>) -> Option<WithFactors> {
    let x = |i: usize, j: usize| i % 3 == j + 1 || (j == 2 && i > 2);
    let cells: Vec<Vec<f64>> =
        (0..6).map(|i| (0..3).map(|j| f64::from(u8::from(x(i, j)))).collect()).collect();
    WithFactors::new(model, &["band_night", "band_peak", "priority_2"], &cells)
}

fn column_benches(criterion: &mut Criterion) {
    let region = regions(1).remove(0);
    let columns = with_columns(&region);
    let mut group = criterion.benchmark_group("fit with columns");
    if let Some(model) = RoadClass::new(&["motorway", "main", "street"]) {
        group.bench_function("road_class of 3, 1 region of 5000", |bencher| {
            bencher.iter(|| fit(&model, &columns, &FitOptions::default(), &|| false));
        });
    }
    if let Some(model) = models::by_name("kwh").and_then(with_factors) {
        group.bench_function("kwh with 3 factors, 1 region of 5000", |bencher| {
            bencher.iter(|| fit(&model, &columns, &FitOptions::default(), &|| false));
        });
    }
    group.bench_function("observations of 5000 with columns", |bencher| {
        bencher.iter(|| with_columns(&region));
    });
    group.finish();
}

fn fit_all(model: &dyn Model, regions: &[Observations]) -> u64 {
    let options = FitOptions::default();
    regions.iter().map(|region| fit(model, region, &options, &|| false).n_iterations).sum()
}

fn benches(criterion: &mut Criterion) {
    let regions = regions(N_REGIONS);
    let mut group = criterion.benchmark_group("fit");
    group.sample_size(10);
    for name in ["kwh", "kwh_intercept"] {
        let Some(model) = models::by_name(name) else {
            continue;
        };
        group.bench_function(format!("{name}, 1 region of 5000"), |bencher| {
            bencher.iter(|| fit_all(&*model, &regions[..1]));
        });
        group.bench_function(format!("{name}, 200 regions of 5000"), |bencher| {
            bencher.iter(|| fit_all(&*model, &regions));
        });
    }
    group.bench_function("observations of 5000", |bencher| {
        bencher.iter(|| Observations::new(regions[0].samples().to_vec()));
    });
    group.finish();
}

criterion_group!(fits, benches, objective_benches, column_benches);
criterion_main!(fits);
