//! Levels of band and priority as factors of one model: which cell a record belongs to, and the
//! table of all cells once every record is in.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::record::RecordRef;
use crate::domain::{GroupKey, WeekBands};

/// Levels of one covariate at the most: each is a parameter of every group.
pub(super) const MAX_LEVELS: usize = 64;

/// What multiplies the model; nothing by default.
#[derive(Debug, Clone, Default)]
pub struct FactorPlan {
    /// These bands of the week.
    pub bands: Option<WeekBands>,
    /// The priority class.
    pub by_priority: bool,
}

impl FactorPlan {
    /// Priority of a record that names none.
    pub const NO_PRIORITY: &str = "none";

    /// Whether nothing multiplies the model.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bands.is_none() && !self.by_priority
    }
}

/// The factors of a run, and x of each of them for every cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Covariates {
    /// Names of the factors, for example `band_night`. The reference levels have none: of the band
    /// `other` where records fall into it, else the first by name; of the priority the first by
    /// name, where a missing one comes last.
    pub names: Vec<String>,
    /// For each cell, 1 for the factors that it has and 0 for others.
    pub cells: Vec<Vec<f64>>,
}

/// Takes records, gives each the number of its cell: band and priority, as far as they count.
pub(super) struct Cells<'a> {
    plan: &'a FactorPlan,
    /// Band → priority → cell, in order of appearance.
    index: BTreeMap<String, BTreeMap<String, u16>>,
    n_cells: u16,
    overflow: Option<&'static str>,
}

impl<'a> Cells<'a> {
    pub(super) fn new(plan: &'a FactorPlan) -> Self {
        Self { plan, index: BTreeMap::new(), n_cells: 0, overflow: None }
    }

    /// The covariate that has too many levels, once one has.
    pub(super) fn overflow(&self) -> Option<&'static str> {
        self.overflow
    }

    /// The record's cell, in order of appearance; 0 beyond [`MAX_LEVELS`], which ends the run.
    pub(super) fn cell_of(&mut self, row: &RecordRef<'_>) -> u16 {
        let band = match (&self.plan.bands, row.occurred_at_us) {
            (Some(bands), Some(at_us)) => bands.band_at(at_us),
            (Some(_), None) => WeekBands::OTHER,
            (None, _) => "",
        };
        let priority = if self.plan.by_priority { priority_of(row) } else { "" };
        if let Some(&cell) = self.index.get(band).and_then(|cells| cells.get(priority)) {
            return cell;
        }
        self.add(band, priority)
    }

    fn add(&mut self, band: &str, priority: &str) -> u16 {
        let cell = self.n_cells;
        self.index.entry(band.to_owned()).or_default().insert(priority.to_owned(), cell);
        if self.index.len() > MAX_LEVELS {
            self.overflow = Some("band");
        } else if self.priorities().len() > MAX_LEVELS {
            self.overflow = Some("priority");
        }
        if self.overflow.is_some() {
            return 0;
        }
        self.n_cells += 1;
        cell
    }

    fn priorities(&self) -> BTreeSet<&str> {
        self.index.values().flat_map(BTreeMap::keys).map(String::as_str).collect()
    }

    /// The table, and the number in it of each cell in order of appearance.
    pub(super) fn finish(self) -> (Covariates, Vec<u16>) {
        let bands = self.index.keys().map(String::as_str);
        let bands = levels(bands, |band| band != WeekBands::OTHER);
        let priorities =
            levels(self.priorities().into_iter(), |priority| priority == FactorPlan::NO_PRIORITY);
        let name = |covariate: &str, level: &&str| format!("{covariate}_{level}");
        let names = (bands.iter().skip(1).map(|band| name("band", band)))
            .chain(priorities.iter().skip(1).map(|priority| name("priority", priority)));
        let mut table = Covariates { names: names.collect(), cells: Vec::new() };
        let mut places = vec![0; usize::from(self.n_cells)];
        let n_bands = bands.len().saturating_sub(1);
        for (b, band) in bands.iter().enumerate() {
            for (p, priority) in priorities.iter().enumerate() {
                let Some(&cell) = self.index.get(*band).and_then(|c| c.get(*priority)) else {
                    continue;
                };
                let has = |j: usize| if j < n_bands { j + 1 == b } else { j - n_bands + 1 == p };
                let row = (0..table.names.len()).map(|j| f64::from(u8::from(has(j))));
                if let Some(place) = places.get_mut(usize::from(cell)) {
                    // Fewer than there are cells in order of appearance, whose number is a u16.
                    *place = u16::try_from(table.cells.len()).unwrap_or(0);
                }
                let row: Vec<f64> = row.collect();
                table.cells.push(row);
            }
        }
        (table, places)
    }
}

/// Levels by name, those that are `last` at the end.
fn levels<'l>(names: impl Iterator<Item = &'l str>, last: impl Fn(&str) -> bool) -> Vec<&'l str> {
    let mut levels: Vec<&str> = names.collect();
    levels.sort_by_key(|level| (last(level), *level));
    levels
}

fn priority_of<'r>(row: &RecordRef<'r>) -> &'r str {
    let name = row.priority.map_or("", priority_name);
    if name.is_empty() { FactorPlan::NO_PRIORITY } else { name }
}

/// Trimmed, and cut where it is longer than a store has room for: text of that length is no class.
pub(super) fn priority_name(text: &str) -> &str {
    let text = text.trim();
    let end = text.char_indices().nth(GroupKey::MAX_PRIORITY_CHARS);
    end.map_or(text, |(end, _)| text[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::domain::Band;

    /// 2026-01-05 was a Monday.
    const MONDAY_US: i64 = 1_767_571_200_000_000;
    const HOUR_US: i64 = 3_600_000_000;

    fn plan(bands: &[(&str, &str)]) -> FactorPlan {
        let bands = bands.iter().map(|(name, hours)| Band::new(name, "mon-sun", hours).unwrap());
        let bands = WeekBands::new(bands.collect(), TimeZone::UTC);
        FactorPlan { bands: Some(bands), by_priority: true }
    }

    fn row(hour: i64, priority: Option<&'static str>) -> RecordRef<'static> {
        let occurred_at_us = Some(MONDAY_US + hour * HOUR_US);
        RecordRef { occurred_at_us, priority, ..RecordRef::default() }
    }

    /// Names, and for each row what its cell has.
    fn check(plan: &FactorPlan, rows: &[RecordRef<'static>], names: &str, expected: &[&str]) {
        for turn in 0..rows.len() {
            let mut cells = Cells::new(plan);
            let order: Vec<usize> = (0..rows.len()).map(|i| (i + turn) % rows.len()).collect();
            let given: Vec<u16> = order.iter().map(|&i| cells.cell_of(&rows[i])).collect();
            let (table, places) = cells.finish();
            assert_eq!(table.names.join(" "), names);
            for (&i, cell) in order.iter().zip(given) {
                let x = &table.cells[usize::from(places[usize::from(cell)])];
                let has = x.iter().zip(&table.names).filter(|(x, _)| **x == 1.0);
                let has: Vec<&str> = has.map(|(_, name)| name.as_str()).collect();
                assert_eq!(has.join(" "), expected[i], "row {i}, turned by {turn}");
            }
        }
    }

    #[test]
    fn cells_do_not_depend_on_the_order_of_records() {
        check(
            &plan(&[("night", "0-6"), ("peak", "7-9")]),
            &[row(1, Some("2")), row(8, Some("1")), row(12, None), row(12, Some(" 1 "))],
            "band_night band_peak priority_2 priority_none",
            &["band_night priority_2", "band_peak", "priority_none", ""],
        );
        // Without the rest of the week the first by name is the reference.
        check(
            &plan(&[("night", "20-8"), ("day", "8-20")]),
            &[row(1, None), row(8, None)],
            "band_night",
            &["band_night", ""],
        );
        let priority = FactorPlan { by_priority: true, bands: None };
        check(
            &priority,
            &[row(1, Some("b")), row(1, Some("a"))],
            "priority_b",
            &["priority_b", ""],
        );
    }

    #[test]
    fn too_many_levels_are_noticed() {
        let plan = FactorPlan { by_priority: true, bands: None };
        let names: Vec<String> = (0..=MAX_LEVELS).map(|n| n.to_string()).collect();
        let mut cells = Cells::new(&plan);
        for (n, name) in names.iter().enumerate() {
            assert_eq!(cells.overflow(), None, "{n}");
            cells.cell_of(&RecordRef { priority: Some(name), ..RecordRef::default() });
        }
        assert_eq!(cells.overflow(), Some("priority"));
    }

    #[test]
    fn a_priority_that_is_a_text_is_cut() {
        let long = "é".repeat(GroupKey::MAX_PRIORITY_CHARS + 1);
        assert_eq!(priority_name(&long).chars().count(), GroupKey::MAX_PRIORITY_CHARS);
        assert_eq!(priority_name(" 1A "), "1A");
    }
}
