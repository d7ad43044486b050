//! A city of twelve regions, whose trips are drawn from a known curve, as a file that grows by a day
//! each night.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use speedfit::fit::simulate::{Spread, TripLengths, draw, published};

use crate::support::at;

/// Name, factor on the times of the curve, and median distance in km.
const REGIONS: [(&str, f64, f64); 12] = [
    ("Amager", 0.86, 2.0),
    ("Brønshøj", 0.97, 2.6),
    ("Christianshavn", 1.22, 1.7),
    ("Dragør", 0.80, 3.9),
    ("Frederiksberg", 1.14, 1.9),
    ("Gentofte", 0.91, 3.2),
    ("Hvidovre", 0.88, 3.0),
    ("Indre By", 1.27, 1.6),
    ("Nørrebro", 1.18, 1.8),
    ("Sydhavn", 1.03, 2.4),
    ("Valby", 0.99, 2.7),
    ("Østerbro", 1.08, 2.2),
];

/// Trips of a region a day.
const PER_DAY: u32 = 6;

/// The newest day of tonight's file; the good set was made of those before it.
pub(super) const NEWEST: u32 = 60;

pub(super) fn days(n: u32) -> SignedDuration {
    SignedDuration::from_hours(24) * n.cast_signed()
}

/// A line of the file.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) region: String,
    pub(super) at: Timestamp,
    pub(super) priority: String,
    pub(super) distance: String,
    pub(super) time: String,
    /// Days since the first.
    pub(super) day: u32,
    /// A number of 0 to 1 on which nothing else depends.
    pub(super) lot: f64,
}

impl Row {
    pub(super) fn km(&self) -> f64 {
        self.distance.parse().unwrap()
    }

    pub(super) fn s(&self) -> f64 {
        self.time.parse().unwrap()
    }

    pub(super) fn times_km(&mut self, factor: f64) {
        self.distance = format!("{:.4}", self.km() * factor);
    }

    pub(super) fn times_s(&mut self, factor: f64) {
        self.time = format!("{:.4}", self.s() * factor);
    }

    pub(super) fn add_s(&mut self, s: f64) {
        self.time = format!("{:.0}", self.s() + s);
    }

    /// Whether it came after the good set was made.
    pub(super) fn is_new(&self) -> bool {
        self.day >= NEWEST
    }
}

/// What a night reads, and when.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    pub(super) header: String,
    pub(super) rows: Vec<Row>,
    pub(super) now: Timestamp,
    /// What becomes of the text of the file at last.
    pub(super) edit: Option<fn(String) -> Vec<u8>>,
}

impl Feed {
    /// The file so many nights after the good set was made, read two hours after its newest day.
    pub(super) fn after(n_nights: u32) -> Self {
        let n_days = NEWEST + n_nights;
        let mut rows: Vec<Row> = (0..REGIONS.len()).flat_map(|i| trips(i, n_days)).collect();
        rows.sort_by_key(|row| row.at);
        for (number, row) in rows.iter_mut().enumerate() {
            row.id = format!("N{number:05}");
        }
        let header = "incident_id,region,occurred_at,priority,distance_km,travel_time_s".to_owned();
        let now = at("2026-01-01T02:00:00Z") + days(n_days);
        Self { header, rows, now, edit: None }
    }

    pub(super) fn tonight() -> Self {
        Self::after(1)
    }

    pub(super) fn last_night() -> Self {
        Self::after(0)
    }

    pub(super) fn each(&mut self, change: impl FnMut(&mut Row)) {
        self.rows.iter_mut().for_each(change);
    }

    pub(super) fn each_of(&mut self, of: impl Fn(&Row) -> bool, change: impl FnMut(&mut Row)) {
        self.rows.iter_mut().filter(|row| of(row)).for_each(change);
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\n", self.header);
        for Row { id, region, at, priority, distance, time, .. } in &self.rows {
            let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
            writeln!(text, "{id},{region},{at},{priority},\"{distance}\",\"{time}\"").unwrap();
        }
        match self.edit {
            Some(edit) => edit(text),
            None => text.into_bytes(),
        }
    }
}

/// The trips of a region in so many days; of more days the first are the same.
fn trips(region_idx: usize, n_days: u32) -> Vec<Row> {
    let (region, pace, median_km) = REGIONS[region_idx];
    let curve = published::NEW_YORK_FIRE.curve().unwrap();
    let lengths = TripLengths { median_km, sigma_log: 0.8, min_km: 0.3, max_km: 30.0 };
    let n = PER_DAY * n_days;
    let spread = Spread::Normal { sigma_log: 0.25 };
    let samples = draw(&curve, &spread, &lengths, n as usize, region_idx as u64);
    let of = |(i, sample): (u32, &speedfit::fit::Sample)| {
        let lot = lot(u64::from(i) * 64 + region_idx as u64);
        let day = i / PER_DAY;
        let hours = f64::from(i % PER_DAY) * 4.0 + lot * 4.0;
        Row {
            id: String::new(),
            region: region.to_owned(),
            at: at("2026-01-01T00:00:00Z")
                + days(day)
                + SignedDuration::from_secs_f64(hours * 3600.0),
            priority: (1 + i % 3).to_string(),
            distance: format!("{:.4}", sample.distance_km),
            time: format!("{:.0}", f64::from(sample.travel_time_s) * pace),
            day,
            lot,
        }
    };
    (0..n).zip(&samples).map(of).collect()
}

/// The finish of splitmix64, as a number of 0 to 1.
pub(super) fn lot(x: u64) -> f64 {
    let x = x.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ x >> 31) >> 11) as f64 / (1_u64 << 53) as f64
}
