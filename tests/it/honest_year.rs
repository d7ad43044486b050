//! A year of honest nights: London's records drawn anew, 80 a day, in a window that grows or slides,
//! with a new station, a new motorway and a week of storm. What changes for good reasons is published.
//!
//! Every seventh night by default; `SPEEDFIT_TEST_EVERY_NIGHT=1` plays all 365.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "the figures of a year are what it is for")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use speedfit::adapters::file::{FileOptions, FileSource};
use speedfit::adapters::memory::{ManualClock, MemorySource, MemoryStore};
use speedfit::bootstrap::{self, Ask};
use speedfit::config::{Override, Settings, Sources};
use speedfit::domain::record::RecordRef;
use speedfit::domain::{GroupOutcome, IncidentId, RecordBatch, Severity, Trigger};
use speedfit::job::{RunPlan, RunReport, Silent, World, execute};
use speedfit::ports::{ParameterStore as _, ReadQuery, RecordSource as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::support::at;
use crate::support::program::incidents;

/// Days of records before the first night, and nights.
const FIRST: u32 = 60;
const NIGHTS: u32 = 365;

/// Records a day.
const PER_DAY: f64 = 80.0;

/// Nights on which something begins.
const STATION: u32 = 120;
const MOTORWAY: u32 = 200;
const STORM: std::ops::Range<u32> = 280..287;

/// Regions that the new station is near to; the motorway's.
const NEAR_STATION: [&str; 2] = ["Croydon", "Sutton"];
const BY_MOTORWAY: [&str; 6] =
    ["Barnet", "Bromley", "Enfield", "Havering", "Hillingdon", "Hounslow"];

/// Mean time between call and departure in these records, s: their times begin with the call.
const TURNOUT_S: f64 = 75.0;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Numbers by lot: splitmix64 (Steele and others, 2014).
struct Lots(u64);

impl Lots {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ x >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How many come in a day of so many on average: nearly Poisson's.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of records"
    )]
    fn n_near(&mut self, mean: f64) -> u32 {
        let normal = (0..12).map(|_| self.next()).sum::<f64>() - 6.0;
        (mean + mean.sqrt() * normal).round().max(0.0) as u32
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    fn index(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }
}

/// Every row of London's file, dirt included.
async fn london(folder: &Path) -> Vec<RecordBatch> {
    let source = FileSource::new(FileOptions::new(folder.join("lfb_incidents_2017.raw.csv.gz")));
    let (sender, mut receiver) = mpsc::channel(4);
    let collect = async {
        let mut batches = Vec::new();
        while let Some(batch) = receiver.recv().await {
            batches.push(batch);
        }
        batches
    };
    let (query, cancel) = (ReadQuery::default(), CancellationToken::new());
    let (outcome, batches) = tokio::join!(source.read(&query, sender, &cancel), collect);
    outcome.unwrap();
    batches
}

/// What becomes of the row of a day.
fn changed<'a>(row: RecordRef<'a>, day: u32, lots: &mut Lots) -> RecordRef<'a> {
    let mut row = row;
    let region = row.region;
    let is_of = |regions: &[&str]| region.is_some_and(|region| regions.contains(&region));
    let travel = |factor: f64| {
        move |s: f64| if s > TURNOUT_S { TURNOUT_S + (s - TURNOUT_S) * factor } else { s }
    };
    if day >= FIRST + STATION && is_of(&NEAR_STATION) {
        let nearer = 0.75;
        row.distance_km = row.distance_km.map(|km| km * nearer);
        row.travel_time_s = row.travel_time_s.map(travel(nearer.powf(0.6)));
        if lots.next() < 0.35 {
            row.region = Some("New Addington");
        }
    }
    if day >= FIRST + MOTORWAY && is_of(&BY_MOTORWAY) {
        row.travel_time_s = row.travel_time_s.map(travel(1.0 / 1.15));
    }
    if is_stormy(day) {
        row.travel_time_s = row.travel_time_s.map(|s| s * 1.4);
    }
    row
}

fn is_stormy(day: u32) -> bool {
    day.checked_sub(FIRST).is_some_and(|night| STORM.contains(&night))
}

/// The records of each day.
fn days_of(london: &[RecordBatch]) -> Vec<RecordBatch> {
    let rows: Vec<RecordRef<'_>> = london.iter().flat_map(RecordBatch::rows).collect();
    let mut lots = Lots(2026);
    let mut n_rows = 0;
    let of_day = |day: u32| {
        let mut batch = RecordBatch::default();
        let mean = if is_stormy(day) { PER_DAY * 0.7 } else { PER_DAY };
        let begins_us = (at("2026-01-01T00:00:00Z") + DAY * day.cast_signed()).as_microsecond();
        for _ in 0..lots.n_near(mean) {
            n_rows += 1;
            let row = rows[lots.index(rows.len())];
            let in_day_us = row.occurred_at_us.map(|us| us.rem_euclid(86_400_000_000));
            let row = RecordRef {
                incident_id: Some(IncidentId::Number(n_rows)),
                occurred_at_us: in_day_us.map(|us| begins_us + us),
                ..row
            };
            batch.push(changed(row, day, &mut lots));
        }
        batch
    };
    (0..FIRST + NIGHTS).map(of_day).collect()
}

/// The settings that come with the program, without what only costs time here.
fn plan(now: Timestamp, window_days: &str) -> RunPlan {
    let sources = Sources {
        config_dir: Some(Path::new("no such folder").to_owned()),
        overrides: vec![
            Override::new("--set", "holdout.share", "0"),
            Override::new("--set", "fit.intervals", "wald"),
            Override::new("--set", "window.days", window_days),
        ],
        ..Sources::default()
    };
    let loaded = Settings::load(&sources).unwrap();
    bootstrap::plan(&loaded, Ask::new(Trigger::Timer, "timer"), now).unwrap()
}

/// Figures of a year.
#[derive(Debug, Default)]
struct Year {
    n_nights: u32,
    n_refused: u32,
    n_warned: u32,
    n_with_kept: u32,
    n_kept: usize,
    /// Nights in a row without a publication, at the most and at last.
    longest: u32,
    waiting: u32,
    said: String,
}

impl Year {
    fn note(&mut self, night: u32, report: &RunReport) {
        self.n_nights += 1;
        let is_refused = report.exit_code == 7;
        self.n_refused += u32::from(is_refused);
        self.waiting = if is_refused { self.waiting + 1 } else { 0 };
        self.longest = self.longest.max(self.waiting);
        let is_warned = report.results.findings.iter().any(|f| f.severity == Severity::Warn);
        self.n_warned += u32::from(is_warned && !is_refused);
        let kept = |row: &&speedfit::domain::GroupRow| row.outcome == GroupOutcome::CarriedOver;
        let kept: Vec<_> = report.set.groups.iter().filter(kept).collect();
        if !is_refused {
            self.n_with_kept += u32::from(!kept.is_empty());
            self.n_kept += kept.len();
        }
        if report.exit_code != 0 {
            writeln!(self.said, "night {night}: exit {}: {}", report.exit_code, report.message)
                .unwrap();
            for row in kept {
                writeln!(self.said, "    {} kept: {}", row.key.region, row.message).unwrap();
            }
        }
    }

    fn text(&self) -> String {
        let Self { n_nights, n_refused, n_warned, n_with_kept, n_kept, longest, said, .. } = self;
        format!(
            "{n_nights} nights, {n_refused} refused, at most {longest} in a row, {n_warned} with a \
             warning; {n_kept} groups kept in {n_with_kept} nights\n{said}"
        )
    }
}

async fn played(step: u32, window_days: &str) -> Option<Year> {
    let days = days_of(&london(&incidents()?).await);
    let store = MemoryStore::default();
    let mut year = Year::default();
    for night in (0..NIGHTS).step_by(step as usize) {
        let n_days = FIRST + night;
        let now = at("2026-01-01T02:00:00Z") + DAY * n_days.cast_signed();
        let world = World {
            source: Arc::new(MemorySource::new(days[..n_days as usize].to_vec())),
            store: Arc::new(store.clone()),
            clock: Arc::new(ManualClock::new(now)),
        };
        let cancel = CancellationToken::new();
        let report = execute(&plan(now, window_days), &world, &Silent, &cancel).await.unwrap();
        year.note(night, &report);
    }
    let current = store.current("default").await.unwrap().unwrap();
    assert!(current.groups.iter().any(|row| row.key.region == "New Addington"));
    Some(year)
}

async fn check(window_days: &str) {
    let is_whole = std::env::var_os("SPEEDFIT_TEST_EVERY_NIGHT").is_some();
    let Some(year) = played(if is_whole { 1 } else { 7 }, window_days).await else { return };
    eprintln!("window.days = {window_days}: {}", year.text());
    assert!(year.n_refused <= if is_whole { 12 } else { 2 }, "{}", year.text());
    // Nobody does anything: a later night publishes by itself.
    assert_eq!(year.waiting, 0, "{}", year.text());
}

#[tokio::test]
async fn a_year_of_honest_nights_is_published() {
    check("0").await;
}

#[tokio::test]
async fn a_year_of_honest_nights_is_published_from_a_window_that_slides() {
    check("60").await;
}
