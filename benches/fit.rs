//! How long fits take: one group, and a night's worth of regions.

use criterion::{Criterion, criterion_group, criterion_main};
use speedfit::fit::simulate::{Spread, TripLengths, draw, published};
use speedfit::fit::{FitOptions, Model, Observations, fit, models};

const N_REGIONS: u64 = 200;
const N_RECORDS: usize = 5_000;

fn regions(n: u64) -> Vec<Observations> {
    let Some(curve) = published::CALGARY.curve() else {
        return Vec::new();
    };
    let spread = Spread::Normal { sigma_log: 0.3 };
    let lengths = TripLengths::default();
    (0..n).map(|seed| Observations::new(draw(&curve, &spread, &lengths, N_RECORDS, seed))).collect()
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

criterion_group!(fits, benches);
criterion_main!(fits);
