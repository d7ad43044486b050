//! How long a run takes as a whole: read, fit, judge, publish, over a night's worth of records.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use speedfit::adapters::embedded::{Embedded, ImportFile, Mode};
use speedfit::adapters::memory::{MemorySource, MemoryStore};
use speedfit::domain::record::RecordRef;
use speedfit::domain::{
    IncidentId, Limits, RequestDetail, RunRequest, RunStatus, Selection, Splits, Trigger, Window,
};
use speedfit::fit::FitOptions;
use speedfit::fit::simulate::{Spread, TripLengths, draw, published};
use speedfit::job::pool::{PoolMode, PoolPlan};
use speedfit::job::{
    FactorPlan, GateRules, HoldoutPlan, JudgeRules, ModelRecipe, RepeatedIds, RunPlan, Silent,
    World, execute,
};
use speedfit::ports::{Clock as _, RecordSource, SchemaAdmin as _, Store, SystemClock};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const N_REGIONS: usize = 200;
const N_RECORDS: usize = 200_000;
const BATCH_ROWS: usize = 8192;

/// 2026-01-01, and a step between records that fills about a quarter.
const FIRST_US: i64 = 1_767_225_600_000_000;
const STEP_US: i64 = 38_000_000;

/// The records of all regions, mixed as a source delivers them.
fn source() -> MemorySource {
    let curve = published::CALGARY.curve().unwrap();
    let (spread, lengths) = (Spread::Normal { sigma_log: 0.3 }, TripLengths::default());
    let regions: Vec<String> = (0..N_REGIONS).map(|i| format!("Region {i}")).collect();
    let ids: Vec<String> = (0..N_RECORDS).map(|i| format!("E{i}")).collect();
    let samples = draw(&curve, &spread, &lengths, N_RECORDS, 1);
    let rows = samples.iter().zip(&ids).enumerate().map(|(at, (sample, id))| RecordRef {
        incident_id: Some(IncidentId::Text(id)),
        region: Some(&regions[at % N_REGIONS]),
        priority: Some("1"),
        occurred_at_us: Some(FIRST_US + at as i64 * STEP_US),
        distance_km: Some(sample.distance_km),
        travel_time_s: Some(f64::from(sample.travel_time_s)),
        ..RecordRef::default()
    });
    MemorySource::of_rows(rows, BATCH_ROWS)
}

fn plan(workers: usize) -> RunPlan {
    RunPlan {
        request: RunRequest {
            scope: "bench".into(),
            trigger: Trigger::Operator,
            requested_by: "bench".into(),
            reason: String::new(),
            window: Window::ALL,
            model: "kwh".into(),
            settings_hash: "0".into(),
            code_version: "0".into(),
            requested_at: SystemClock.now(),
            slot: None,
            detail: RequestDetail::default(),
        },
        settings_document: String::new(),
        selection: Selection::default(),
        limits: Limits::default(),
        splits: Splits::default(),
        repeated_ids: RepeatedIds::Keep,
        model: ModelRecipe::by_name("kwh").unwrap(),
        factors: FactorPlan::default(),
        holdout: HoldoutPlan { share: 0.2, min_records: 20 },
        pool: PoolPlan { mode: PoolMode::Off, min_records: 40, open_too: false },
        simpler: Vec::new(),
        auto: None,
        fit_options: FitOptions::default(),
        imprecise_factor: 3.0,
        rivals: Vec::new(),
        workers: NonZeroUsize::new(workers).unwrap(),
        judge: JudgeRules::default(),
        gate: GateRules::default(),
        dry_run: false,
    }
}

/// A migrated database with the records imported.
async fn database(path: &Path, records: &MemorySource) -> Embedded {
    let database = Embedded::open(path, Mode::Migrating).await.unwrap();
    database.migrate().await.unwrap();
    let file = ImportFile { name: "bench".into(), sha256: "bench".into(), allow_repeat: false };
    let cancel = CancellationToken::new();
    database.import(&file, records, SystemClock.now(), &cancel).await.unwrap();
    database
}

/// One run; a run that does not publish every group is no measure of one that does.
async fn run(plan: &RunPlan, source: Arc<dyn RecordSource>, store: Arc<dyn Store>) {
    let world = World { source, store, clock: Arc::new(SystemClock) };
    let report = execute(plan, &world, &Silent, &CancellationToken::new()).await.unwrap();
    assert_eq!(report.status, RunStatus::Done, "{}", report.message);
}

fn benches(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let records = Arc::new(source());
    let dir = tempfile::tempdir().unwrap();
    let database = runtime.block_on(database(&dir.path().join("bench.db"), &records));
    let database = Arc::new(database);

    let mut group = criterion.benchmark_group("run");
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    group.measurement_time(Duration::from_secs(8));
    group.throughput(Throughput::Elements(N_RECORDS as u64));
    for workers in [1, 2] {
        let plan = plan(workers);
        group.bench_function(format!("memory, {workers} workers"), |bencher| {
            bencher.iter(|| {
                let store = Arc::new(MemoryStore::default());
                runtime.block_on(run(&plan, records.clone(), store));
            });
        });
        group.bench_function(format!("embedded, {workers} workers"), |bencher| {
            bencher.iter(|| runtime.block_on(run(&plan, database.clone(), database.clone())));
        });
    }
    group.finish();
}

criterion_group!(runs, benches);
criterion_main!(runs);
