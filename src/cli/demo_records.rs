//! The demo's records: drawn from published parameter sets, so that the truth is known, with some
//! dirt among them, as every source has it.

use anyhow::{Context as _, Result};

use crate::domain::record::RecordRef;
use crate::domain::{IncidentId, RecordBatch};
use crate::fit::simulate::published::{self, PublishedSet};
use crate::fit::simulate::{Spread, TripLengths, draw};

/// One region of the demo with its truth.
pub(super) struct DemoRegion {
    /// Its name.
    pub(super) name: String,
    /// The set that it is drawn from.
    pub(super) truth: PublishedSet,
    /// Standard deviation of ln T.
    pub(super) sigma_log: f64,
    /// Records drawn, clean.
    pub(super) n_records: usize,
    lengths: TripLengths,
}

/// Districts of each place: name, share of the place's records, spread, median trip in km.
const DISTRICTS: [(&str, f64, f64, f64); 4] = [
    ("Centre", 0.40, 0.20, 1.2),
    ("North", 0.30, 0.24, 1.6),
    ("South", 0.20, 0.28, 2.0),
    ("Harbour", 0.10, 0.32, 1.4),
];

/// One row in this many is dirt.
const ROWS_PER_DIRT: usize = 400;

/// First moment of the demo's ninety days: 2026-01-01.
const FIRST_US: i64 = 1_767_225_600_000_000;
const NINETY_DAYS_US: i64 = 90 * 86_400 * 1_000_000;

/// The regions for about `n_records` records in all.
pub(super) fn regions(n_records: usize) -> Vec<DemoRegion> {
    let places = [
        ("Calgary", published::CALGARY),
        ("New York", published::NEW_YORK_FIRE),
        ("RAND/ISO", published::RAND_ISO),
        ("London", published::LONDON_FIRE),
    ];
    let per_place = n_records as f64 / places.len() as f64;
    let districts = places.into_iter().flat_map(|(place, truth)| {
        DISTRICTS.map(|(district, share, sigma_log, median_km)| DemoRegion {
            name: format!("{place} {district}"),
            truth,
            sigma_log,
            n_records: (per_place * share).ceil() as usize,
            lengths: TripLengths { median_km, sigma_log: 0.9, min_km: 0.1, max_km: 30.0 },
        })
    });
    districts.collect()
}

/// The records of all regions; the same seed gives the same ones everywhere.
pub(super) fn draw_batches(regions: &[DemoRegion], seed: u64) -> Result<Vec<RecordBatch>> {
    let mut batches = vec![RecordBatch::default()];
    let mut n_rows = 0;
    for (region_idx, region) in regions.iter().enumerate() {
        let curve = region.truth.curve().context("a published set is mistyped")?;
        let spread = Spread::Normal { sigma_log: region.sigma_log };
        let region_seed = seed.wrapping_mul(1000).wrapping_add(region_idx as u64);
        let samples = draw(&curve, &spread, &region.lengths, region.n_records, region_seed);
        let step_us = NINETY_DAYS_US / region.n_records.max(1) as i64;
        for (at, sample) in samples.iter().enumerate() {
            let id = format!("D{n_rows}");
            let clean = RecordRef {
                incident_id: Some(IncidentId::Text(&id)),
                region: Some(&region.name),
                priority: Some(if at % 3 == 0 { "1" } else { "2" }),
                occurred_at_us: Some(FIRST_US + at as i64 * step_us),
                distance_km: Some(sample.distance_km),
                travel_time_s: Some(f64::from(sample.travel_time_s)),
                ..RecordRef::default()
            };
            push(&mut batches, clean);
            n_rows += 1;
            if n_rows % ROWS_PER_DIRT == 0 {
                push(&mut batches, dirt(clean, n_rows / ROWS_PER_DIRT));
            }
        }
    }
    Ok(batches)
}

/// A copy of a row, spoiled in one of the ways that real sources know.
fn dirt(row: RecordRef<'_>, nth: usize) -> RecordRef<'_> {
    match nth % 6 {
        0 => RecordRef { travel_time_s: None, ..row },
        1 => RecordRef { travel_time_s: Some(0.0), ..row },
        2 => RecordRef { travel_time_s: Some(41_760.0), ..row },
        3 => RecordRef { distance_km: Some(287_944.0), ..row },
        4 => RecordRef { region: Some(" "), ..row },
        _ => RecordRef { distance_km: Some(f64::NAN), ..row },
    }
}

fn push(batches: &mut Vec<RecordBatch>, row: RecordRef<'_>) {
    if batches.last().is_none_or(RecordBatch::is_full) {
        batches.push(RecordBatch::default());
    }
    if let Some(batch) = batches.last_mut() {
        batch.push(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_regions_and_records() {
        let regions = regions(200_000);
        assert!(regions.len() >= 12);
        let n_clean: usize = regions.iter().map(|r| r.n_records).sum();
        assert!((200_000..200_100).contains(&n_clean), "{n_clean}");
    }

    #[test]
    fn the_same_seed_gives_the_same_rows() {
        let regions = regions(2_000);
        let rows = |seed| -> usize {
            draw_batches(&regions, seed).unwrap().iter().map(RecordBatch::len).sum()
        };
        assert_eq!(rows(1), 2_005);
        let distances = |seed| draw_batches(&regions, seed).unwrap()[0].distance_km.clone();
        assert_ne!(distances(1), distances(2));
        let first_ten = |seed| distances(seed).into_iter().take(10).collect::<Vec<_>>();
        assert_eq!(first_ten(1), first_ten(1));
        let first = jiff::Timestamp::from_microsecond(FIRST_US).unwrap();
        assert_eq!(first.to_string(), "2026-01-01T00:00:00Z");
    }
}
