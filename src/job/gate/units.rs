//! Which unit a column is in, where values are off by the factor between two units.

use super::count;
use crate::domain::Limits;

/// A unit that a column may be in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// What it is called, many of it.
    pub name: &'static str,
    /// Value of the setting that names it; missing where there is none.
    pub setting: Option<&'static str>,
    /// Kilometres or seconds.
    pub size: f64,
}

/// Units of distance, in kilometres.
pub const DISTANCES: [Unit; 4] = [
    Unit { name: "kilometres", setting: Some("km"), size: 1.0 },
    Unit { name: "metres", setting: Some("m"), size: 0.001 },
    Unit { name: "miles", setting: Some("mi"), size: 1.609_344 },
    Unit { name: "feet", setting: None, size: 0.000_304_8 },
];

/// Units of time, in seconds.
pub const TIMES: [Unit; 4] = [
    Unit { name: "seconds", setting: Some("s"), size: 1.0 },
    Unit { name: "minutes", setting: Some("min"), size: 60.0 },
    Unit { name: "hours", setting: Some("h"), size: 3600.0 },
    Unit { name: "milliseconds", setting: None, size: 0.001 },
];

/// The units that the settings name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Units {
    /// Kilometres of one unit of the distance column.
    pub distance_km: f64,
    /// Seconds of one unit of the time column.
    pub time_s: f64,
}

impl Default for Units {
    fn default() -> Self {
        Self { distance_km: 1.0, time_s: 1.0 }
    }
}

/// How far a factor may be off that between two units, as a share of it.
const TOLERANCE: f64 = 0.12;

/// The unit that a column is in, where values come out larger by a factor than they should, read in
/// the unit of that size.
pub(super) fn unit_by_factor(known: &[Unit; 4], size: f64, factor: f64) -> Option<Unit> {
    let off = |unit: &Unit| (size / unit.size / factor).ln().abs();
    let other = known.iter().filter(|unit| (unit.size / size - 1.0).abs() > 1e-9);
    let nearest = other.min_by(|a, b| off(a).total_cmp(&off(b)))?;
    (off(nearest) < TOLERANCE).then_some(*nearest)
}

/// Another way to read two columns.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reading {
    /// In these units.
    Units(Unit, Unit),
    /// Each in the place of the other.
    Swapped,
}

/// Speeds of whole trips of vehicles, km/h: those of all the data sets at hand lie within.
const PLAUSIBLE_SPEEDS_KMH: std::ops::RangeInclusive<f64> = 3.0..=130.0;
/// About the median speed of those data sets, km/h.
const USUAL_SPEED_KMH: f64 = 20.0;
/// How much further from that speed a unit may lead that a setting names than one that none does: of
/// metres and feet, the metres are likelier.
const SETTING_FACTOR: f64 = 2.0;
/// Share of the rows that another reading must make plausible to be believed.
const MIN_SHARE: f64 = 0.8;

/// Rows that were refused for a value, read in every other way that there is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trial {
    /// Rows with both values.
    n: u64,
    /// By reading, in the order of [`readings`]: rows that would be plausible, and the sum of ln of
    /// their speeds.
    plausible: [(u64, f64); N_READINGS],
}

/// All pairs of units, of which one is the settings' own, and the swap.
const N_READINGS: usize = 17;

fn readings() -> impl Iterator<Item = Reading> {
    let pairs = DISTANCES.iter().flat_map(|d| TIMES.iter().map(move |t| Reading::Units(*d, *t)));
    pairs.chain([Reading::Swapped])
}

impl Trial {
    /// Tries a row that was refused for its distance, time or speed.
    pub(crate) fn add(&mut self, limits: &Limits, units: Units, distance_km: f64, time_s: f64) {
        if !(distance_km > 0.0 && time_s > 0.0 && distance_km.is_finite() && time_s.is_finite()) {
            return;
        }
        self.n += 1;
        let (distance, time) = (distance_km / units.distance_km, time_s / units.time_s);
        for (reading, (n, sum)) in readings().zip(&mut self.plausible) {
            let (km, s) = match reading {
                Reading::Units(d, t) => (distance * d.size, time * t.size),
                Reading::Swapped => (time * units.distance_km, distance * units.time_s),
            };
            let speed_kmh = km * 3600.0 / s;
            let fits = (limits.min_distance_km..=limits.max_distance_km).contains(&km)
                && (limits.min_time_s..=limits.max_time_s).contains(&s)
                && PLAUSIBLE_SPEEDS_KMH.contains(&speed_kmh);
            if fits {
                *n += 1;
                *sum += speed_kmh.ln();
            }
        }
    }

    /// What the columns look like, and what to do; nothing where no other reading makes most of the
    /// rows plausible.
    pub(crate) fn verdict(&self, units: Units) -> Option<(String, String)> {
        let usual = USUAL_SPEED_KMH.ln();
        let own = |reading: &Reading| match reading {
            Reading::Units(d, t) => {
                usize::from((d.size - units.distance_km).abs() > 1e-9 * d.size)
                    + usize::from((t.size - units.time_s).abs() > 1e-9 * t.size)
            }
            Reading::Swapped => 2,
        };
        let most = self.plausible.iter().map(|(n, _)| *n).max()?;
        if most == 0 || (most as f64) < MIN_SHARE * self.n as f64 {
            return None;
        }
        let rivals = readings()
            .zip(&self.plausible)
            .filter(|(reading, (n, _))| own(reading) > 0 && *n as f64 >= 0.9 * most as f64);
        let is_named = |reading: &Reading| match reading {
            Reading::Units(d, t) => d.setting.is_some() && t.setting.is_some(),
            Reading::Swapped => true,
        };
        let off = |reading: &Reading, (n, sum): &(u64, f64)| {
            let more = if is_named(reading) { 0.0 } else { SETTING_FACTOR.ln() };
            (sum / *n as f64 - usual).abs() + more
        };
        let (reading, (n, _)) = rivals.min_by(|(a, of_a), (b, of_b)| {
            own(a).cmp(&own(b)).then_with(|| off(a, of_a).total_cmp(&off(b, of_b)))
        })?;
        Some(described(reading, units, *n))
    }
}

fn described(reading: Reading, units: Units, n: u64) -> (String, String) {
    let n = count(n);
    match reading {
        Reading::Units(d, t) => {
            let mut names = Vec::new();
            let mut remedies = Vec::new();
            if (d.size - units.distance_km).abs() > 1e-9 {
                names.push(format!("distances in {}", d.name));
                remedies.push(set_to("columns.distance_unit", d));
            }
            if (t.size - units.time_s).abs() > 1e-9 {
                names.push(format!("times in {}", t.name));
                remedies.push(set_to("columns.time_unit", t));
            }
            let names = names.join(" and ");
            (format!("{n} of them would be plausible as {names}"), remedies.join("; "))
        }
        Reading::Swapped => (
            format!("{n} of them would be plausible if distance and time were swapped"),
            "check `columns.distance` and `columns.travel_time`".to_owned(),
        ),
    }
}

/// What to do about a column in another unit.
pub(super) fn set_to(key: &str, unit: Unit) -> String {
    match unit.setting {
        Some(setting) => {
            format!("set `{key}` to \"{setting}\"")
        }
        None => {
            let name = unit.name;
            format!("convert the {name} in a view, a query or the export: `{key}` has no such unit")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::RecordRef;

    #[test]
    fn factors_between_units_are_recognised() {
        let check = |size: f64, factor: f64, expected: Option<&str>| {
            let found = unit_by_factor(&DISTANCES, size, factor);
            assert_eq!(found.map(|unit| unit.name), expected, "{size} {factor}");
        };
        check(1.0, 1000.0, Some("metres"));
        check(1.0, 950.0, Some("metres"));
        check(1.0, 1.0 / 1.609, Some("miles"));
        check(1.609_344, 1.6, Some("kilometres"));
        check(0.001, 0.001, Some("kilometres"));
        check(1.0, 3280.0, Some("feet"));
        check(1.0, 1.0, None);
        check(1.0, 2.0, None);
        let time = unit_by_factor(&TIMES, 1.0, 1.0 / 60.0);
        assert_eq!(time.map(|unit| unit.name), Some("minutes"));
        let time = unit_by_factor(&TIMES, 1.0, 1000.0);
        assert_eq!(time.map(|unit| unit.name), Some("milliseconds"));
    }

    /// Trips of 1 to 6 km at 15 to 30 km/h, as the program reads them in these units.
    fn said(units: Units, true_km: f64, true_s: f64, is_swapped: bool) -> Option<String> {
        said_at(15.0, units, (true_km, true_s), is_swapped)
    }

    /// The same at up to twice this speed.
    fn said_at(
        kmh: f64,
        units: Units,
        (true_km, true_s): (f64, f64),
        is_swapped: bool,
    ) -> Option<String> {
        let limits = Limits::default();
        let mut trial = Trial::default();
        for i in 0..100_u32 {
            let km = 1.0 + f64::from(i) * 0.05;
            let s = km * 3600.0 / (kmh * (1.0 + f64::from(i % 16) / 15.0));
            let (mut distance, mut time) = (km / true_km, s / true_s);
            if is_swapped {
                (distance, time) = (time, distance);
            }
            let (km, s) = (distance * units.distance_km, time * units.time_s);
            let row = RecordRef {
                region: Some("A"),
                distance_km: Some(km),
                travel_time_s: Some(s),
                ..RecordRef::default()
            };
            if limits.check(&row).is_err() {
                trial.add(&limits, units, km, s);
            }
        }
        trial.verdict(units).map(|(what, _)| what)
    }

    #[test]
    fn metres_are_likelier_than_feet() {
        let check = |kmh: f64, true_km: f64, expected: &str| {
            let told = said_at(kmh, Units::default(), (true_km, 1.0), false).unwrap();
            assert!(told.ends_with(expected), "{told}, expected {expected}");
        };
        check(10.0, 0.001, "as distances in metres");
        check(30.0, 0.001, "as distances in metres");
        check(15.0, 0.000_304_8, "as distances in feet");
        check(30.0, 0.000_304_8, "as distances in feet");
    }

    #[test]
    fn refused_rows_are_recognised_in_their_own_units() {
        let check = |units: Units, (km, s): (f64, f64), expected: &str| {
            let told = said(units, km, s, false).unwrap_or_default();
            assert!(told.ends_with(expected), "{told}, expected {expected}");
        };
        let usual = Units::default();
        check(usual, (0.001, 1.0), "as distances in metres");
        check(usual, (1.0, 0.001), "as times in milliseconds");
        check(usual, (1.0, 60.0), "as times in minutes");
        check(usual, (1.0, 3600.0), "as times in hours");
        check(usual, (0.001, 60.0), "as distances in metres and times in minutes");
        let metres = Units { distance_km: 0.001, ..usual };
        check(metres, (1.0, 1.0), "as distances in kilometres");
        let minutes = Units { time_s: 60.0, ..usual };
        check(minutes, (1.0, 1.0), "as times in seconds");
        let told = said(usual, 1.0, 1.0, true).unwrap();
        assert!(told.ends_with("if distance and time were swapped"), "{told}");
        assert_eq!(said(usual, 1.0, 1.0, false), None);
    }
}
