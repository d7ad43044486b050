//! Sorts the rows of a source into groups, and counts those that it refuses.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::domain::record::{RecordRef, road};
use crate::domain::{
    GroupKey, IncidentId, Limits, RecordBatch, RefusalReason, RefusalTally, Selection, Splits,
};
use crate::fit::holdout::NO_TIME;
use crate::fit::{Columns, Sample};
use crate::ports::{FailureKind, PortError, PortResult};

use super::covariates::{Cells, FactorPlan, MAX_LEVELS, priority_name};
use super::gate::{GroupWatch, Kind, Watch};
use super::plan::RepeatedIds;
pub use collected::Collected;
use repeats::{Fate, Place, Repeats};

mod collected;
mod repeats;

/// Samples up to which a group's room doubles; beyond, it grows by a quarter, so that a large group
/// leaves little of it unused.
const MAX_DOUBLED: usize = 1024;

/// The records of one group.
#[derive(Debug, Clone, Default)]
pub struct GroupRecords {
    /// Which group.
    pub key: GroupKey,
    /// Accepted records, in the order of the source.
    pub samples: Vec<Sample>,
    /// What they carry beside, as far as the model reads it.
    pub columns: Columns,
    /// When each occurred, seconds since 1970-01-01 UTC, [`NO_TIME`] where that is not known;
    /// empty unless they are kept.
    pub times: Vec<u32>,
    /// Rows refused that named this group; those outside the window are not among them.
    pub n_refused: u64,
    /// Whether a row has shown that there is such a group; not every refused one does.
    is_shown: bool,
    /// The region's parent; where records disagree, the first by name.
    pub parent: Option<String>,
    /// What the gate wants to know of its rows.
    pub watch: GroupWatch,
}

impl GroupRecords {
    /// A name that no region may have is no parent's either.
    fn note_parent(&mut self, row: &RecordRef<'_>) {
        let named = |parent: &&str| !parent.is_empty() && Limits::is_region_name(parent);
        if let Some(parent) = row.parent_region.map(str::trim).filter(named)
            && self.parent.as_deref().is_none_or(|known| parent < known)
        {
            self.parent = Some(parent.to_owned());
        }
    }
}

impl GroupRecords {
    /// Takes records away again, whose places are ascending.
    fn forget(&mut self, places: &[u32], n_classes: usize) {
        take_away(&mut self.samples, 1, places);
        take_away(&mut self.columns.cells, 1, places);
        take_away(&mut self.columns.lengths_km, n_classes, places);
        take_away(&mut self.times, 1, places);
    }
}

/// Takes the entries of records away, of which `n_each` belong to each.
fn take_away<T>(entries: &mut Vec<T>, n_each: usize, places: &[u32]) {
    let mut places = places.iter().map(|place| *place as usize).peekable();
    let mut nth = 0;
    entries.retain(|_| {
        let place = nth / n_each.max(1);
        nth += 1;
        while places.next_if(|gone| *gone < place).is_some() {}
        places.peek() != Some(&place)
    });
}

/// Makes room for one record more, of which `n_each` entries belong to `entries`.
fn grow<T>(entries: &mut Vec<T>, n_each: usize) {
    let n = entries.len();
    if n + n_each > entries.capacity() && n >= MAX_DOUBLED {
        entries.reserve_exact((n / 4).max(n_each));
    }
}

/// Seconds since 1970-01-01 UTC; moments before it are its first.
fn seconds(occurred_at_us: Option<i64>) -> u32 {
    let Some(at_us) = occurred_at_us else { return NO_TIME };
    u32::try_from(at_us.div_euclid(1_000_000).max(0)).unwrap_or(NO_TIME)
}

/// Takes batches, gives groups.
pub struct Collector<'a> {
    limits: &'a Limits,
    splits: &'a Splits,
    /// Groups that are taken; every one where there is none.
    selection: Option<&'a Selection>,
    repeats: Option<Repeats>,
    /// Samples that were kept until a record of the same incident arrived earlier.
    replaced: Vec<Place>,
    /// Region → band → priority → index in `groups`. Nested, so that a look-up allocates nothing;
    /// a region has few bands and priorities, which are compared faster than they are hashed.
    index: HashMap<String, BTreeMap<String, BTreeMap<String, usize>>>,
    groups: Vec<GroupRecords>,
    /// Of these, groups that a row has shown to be there: what the limit is on.
    n_shown: usize,
    refusals: RefusalTally,
    n_read: u64,
    classes: Arc<[String]>,
    cells: Option<Cells<'a>>,
    keeps_times: bool,
    watch: Watch,
}

impl<'a> Collector<'a> {
    /// A collector without rows, that keeps distances and times of travel only, and lengths where
    /// the limits need them.
    #[must_use]
    pub fn new(limits: &'a Limits, splits: &'a Splits, repeated_ids: RepeatedIds) -> Self {
        Self {
            limits,
            splits,
            selection: None,
            repeats: (repeated_ids == RepeatedIds::Refuse).then(Repeats::default),
            replaced: Vec::new(),
            index: HashMap::new(),
            groups: Vec::new(),
            n_shown: 0,
            refusals: RefusalTally::default(),
            n_read: 0,
            classes: Arc::default(),
            cells: None,
            keeps_times: false,
            watch: Watch::default(),
        }
    }

    /// The same, that keeps the cells of these covariates too, and when each record occurred where
    /// `keeps_times` is set.
    #[must_use]
    pub fn keeping(mut self, factors: &'a FactorPlan, keeps_times: bool) -> Self {
        self.cells = (!factors.is_empty()).then(|| Cells::new(factors));
        self.keeps_times = keeps_times;
        self
    }

    /// The same, that takes the selected groups only: rows of others, and rows that name no region,
    /// are passed over before anything is said of them.
    #[must_use]
    pub fn selecting(mut self, selection: &'a Selection) -> Self {
        self.selection = Some(selection).filter(|selection| !selection.is_all());
        self
    }

    /// The same, that notes with this what the rows look like.
    #[must_use]
    pub fn watching(self, watch: Watch) -> Self {
        Self { watch, ..self }
    }

    /// Rows so far.
    #[must_use]
    pub fn n_read(&self) -> u64 {
        self.n_read
    }

    /// Takes every row of a batch.
    ///
    /// # Errors
    /// [`FailureKind::Malformed`] where there are more groups, classes of road, levels of a covariate or
    /// incidents among which repeats are looked for than a run may have; what is beyond the limit is
    /// never held.
    pub fn take(&mut self, batch: &RecordBatch) -> PortResult<()> {
        if self.n_read == 0 && self.limits.needs_lengths {
            check_classes(batch.classes.len())?;
            self.classes = Arc::clone(&batch.classes);
        }
        for row in batch.rows() {
            if self.passes_over(&row) {
                continue;
            }
            self.n_read += 1;
            match self.limits.check(&row) {
                Ok(accepted) => {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "f32 is the precision in which samples are held"
                    )]
                    let sample = Sample {
                        distance_km: accepted.distance_km,
                        travel_time_s: accepted.travel_time_s as f32,
                        weight: accepted.weight as f32,
                    };
                    let (km, s) = (accepted.distance_km, accepted.travel_time_s);
                    self.watch.accept(&row, km, s);
                    // Where repeats are left out, none of them counts twice.
                    if self.repeats.is_none() {
                        self.watch.repeats.add(&row, accepted.region, km, s);
                    }
                    self.keep(&row, accepted.region, sample)?;
                }
                Err(reason) => self.refuse(&row, reason)?,
            }
        }
        if self.repeats.as_ref().is_some_and(Repeats::is_full) {
            return Err(too_many_incidents());
        }
        match self.cells.as_ref().and_then(Cells::overflow) {
            Some(covariate) => Err(too_many_levels(covariate)),
            None => Ok(()),
        }
    }

    /// Whether the row's group is not selected, as far as that is known before its region's parent.
    fn passes_over(&self, row: &RecordRef<'_>) -> bool {
        let Some(selection) = self.selection else { return false };
        let region = row.region.map_or("", str::trim);
        let (band, priority) = part(self.splits, row);
        region.is_empty() || !selection.may_take(region, band, priority)
    }

    fn keep(&mut self, row: &RecordRef<'_>, region: &str, sample: Sample) -> PortResult<()> {
        // Of repeats too, so that the levels of a factor do not depend on which is read first.
        let cell = self.cells.as_mut().map(|cells| cells.cell_of(row));
        let at = self.shown_place_of(row, region)?;
        if !self.is_kept(row, at) {
            return self.refuse(row, RefusalReason::RepeatedId);
        }
        let (n_classes, keeps_times) = (self.classes.len(), self.keeps_times);
        let moments = self.watch.moments;
        let group = &mut self.groups[at];
        group.watch.accept(&moments, row, &sample);
        group.note_parent(row);
        grow(&mut group.samples, 1);
        group.samples.push(sample);
        if let Some(cell) = cell {
            grow(&mut group.columns.cells, 1);
            group.columns.cells.push(cell);
        }
        if n_classes > 0 {
            group.columns.n_classes = n_classes;
            let lengths = &mut group.columns.lengths_km;
            grow(lengths, n_classes);
            // Accepted: there is a length of every class.
            lengths.extend(row.lengths_km.iter().map(|km| km.unwrap_or_default()));
        }
        if keeps_times {
            grow(&mut group.times, 1);
            group.times.push(seconds(row.occurred_at_us));
        }
        Ok(())
    }

    /// Whether the record is the one of its incident that is kept, in the group of that number. If
    /// another was, that one is refused.
    fn is_kept(&mut self, row: &RecordRef<'_>, at: usize) -> bool {
        let (Some(repeats), Some(id)) = (&mut self.repeats, row.incident_id) else { return true };
        let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let here = (place(at), place(self.groups[at].samples.len()));
        match repeats.decide(id, row, here) {
            Fate::First => true,
            Fate::Repeat => false,
            Fate::Replaces((group, sample)) => {
                self.replaced.push((group, sample));
                let group = &mut self.groups[group as usize];
                group.n_refused += 1;
                self.refusals.add(&group.key.region, RefusalReason::RepeatedId, &id.text());
                true
            }
        }
    }

    fn refuse(&mut self, row: &RecordRef<'_>, reason: RefusalReason) -> PortResult<()> {
        let region = row.region.map_or("", str::trim);
        let id = || row.incident_id.map(IncidentId::text);
        let example =
            row.fault.map(|fault| Cow::Borrowed(fault.what)).or_else(id).unwrap_or_default();
        self.refusals.add(region, reason, &example);
        let kind = Kind::of(reason, row);
        self.watch.refuse(kind, row, self.limits);
        // Rows that name no proper region, or are not of the window, belong to no group.
        if region.is_empty() || !self.limits.knows(region) || reason == RefusalReason::OutsideWindow
        {
            return Ok(());
        }
        if self.limits.shows_region(row, reason) {
            let at = self.shown_place_of(row, region)?;
            let group = &mut self.groups[at];
            group.n_refused += 1;
            group.watch.refuse(kind, &self.watch.moments, row);
            group.note_parent(row);
        } else if let Some(at) = self.place_of(row, region, |collector| {
            collector.groups.len() - collector.n_shown < collector.limits.max_groups
        }) {
            let group = &mut self.groups[at];
            group.n_refused += 1;
            group.watch.refuse(kind, &self.watch.moments, row);
        }
        Ok(())
    }

    /// Where the group of a row is that shows that there is such a group; an error where there are too
    /// many.
    fn shown_place_of(&mut self, row: &RecordRef<'_>, region: &str) -> PortResult<usize> {
        let has_room = |collector: &Self| collector.n_shown < collector.limits.max_groups;
        let at = self.place_of(row, region, has_room);
        let at = at.filter(|&at| self.groups[at].is_shown || has_room(self));
        let Some(at) = at else {
            let (_, priority) = part(self.splits, row);
            return Err(self.too_many_groups(region, priority));
        };
        let group = &mut self.groups[at];
        self.n_shown += usize::from(!group.is_shown);
        group.is_shown = true;
        Ok(at)
    }

    /// Where the row's group is; it is made where there is none and there is room for it.
    fn place_of(
        &mut self,
        row: &RecordRef<'_>,
        region: &str,
        has_room: impl Fn(&Self) -> bool,
    ) -> Option<usize> {
        let (band, priority) = part(self.splits, row);
        let found = (self.index.get(region))
            .and_then(|bands| bands.get(band))
            .and_then(|priorities| priorities.get(priority));
        if let Some(&at) = found {
            return Some(at);
        }
        if !has_room(self) {
            return None;
        }
        let at = self.groups.len();
        let key = GroupKey {
            region: region.to_owned(),
            band: band.to_owned(),
            priority: priority.to_owned(),
        };
        let bands = self.index.entry(region.to_owned()).or_default();
        let priorities = bands.entry(band.to_owned()).or_default();
        priorities.insert(priority.to_owned(), at);
        self.groups.push(GroupRecords { key, ..GroupRecords::default() });
        Some(at)
    }

    /// Blames the column that makes most of the groups, the one of this row included.
    fn too_many_groups(&self, region: &str, priority: &str) -> PortError {
        let max_groups = self.limits.max_groups;
        let shown = || self.groups.iter().filter(|group| group.is_shown).map(|group| &group.key);
        let count = |names: HashSet<&str>| names.len();
        let n_regions = count(shown().map(|key| &*key.region).chain([region]).collect());
        let n_priorities = count(shown().map(|key| &*key.priority).chain([priority]).collect());
        let (widest, n_values) = if n_priorities > n_regions {
            ("priority", n_priorities)
        } else {
            ("region", n_regions)
        };
        let what = if n_values > max_groups {
            format!("column `{widest}` has more than {max_groups} values: is it the incident's id?")
        } else {
            format!(
                "the records make more than {max_groups} groups: column `{widest}` alone has \
                 {n_values} values up to there"
            )
        };
        PortError::new(FailureKind::Malformed, what).with_hint(format!(
            "`columns.{widest}` names the column; `groups.max_groups` is the limit"
        ))
    }

    /// The groups, ordered by key.
    #[must_use]
    pub fn finish(self) -> Collected {
        let by_parent = self.selection.filter(|selection| selection.reads_parents());
        let mut collected = self.finish_all();
        if let Some(selection) = by_parent {
            collected.keep_selected(selection);
        }
        collected
    }

    fn finish_all(mut self) -> Collected {
        self.replaced.sort_unstable();
        for places in self.replaced.chunk_by(|a, b| a.0 == b.0) {
            let group = &mut self.groups[places[0].0 as usize];
            let places: Vec<u32> = places.iter().map(|(_, sample)| *sample).collect();
            group.forget(&places, self.classes.len());
        }
        let mut groups = self.groups;
        groups.retain(|group| group.is_shown);
        groups.sort_by(|a, b| a.key.cmp(&b.key));
        let (covariates, places) = self.cells.map(Cells::finish).unwrap_or_default();
        for cell in groups.iter_mut().flat_map(|group| &mut group.columns.cells) {
            *cell = places.get(usize::from(*cell)).copied().unwrap_or(0);
        }
        let (refusals, n_read, classes) = (self.refusals, self.n_read, self.classes);
        Collected { groups, refusals, n_read, classes, covariates, watch: self.watch }
    }
}

/// Band and priority class of a row's group.
fn part<'r>(splits: &'r Splits, row: &RecordRef<'r>) -> (&'r str, &'r str) {
    let band = match (&splits.bands, row.occurred_at_us) {
        (Some(bands), Some(at_us)) => bands.band_at(at_us),
        _ => "",
    };
    (band, if splits.by_priority { row.priority.map_or("", priority_name) } else { "" })
}

fn check_classes(n_classes: usize) -> PortResult<()> {
    if n_classes <= road::MAX_CLASSES {
        return Ok(());
    }
    let (max, what) = (road::MAX_CLASSES, "columns with lengths by class of road");
    let what = format!("the records have {n_classes} {what}, more than {max}");
    Err(PortError::new(FailureKind::Malformed, what)
        .with_hint("name those that count under `columns.lengths`"))
}

fn too_many_incidents() -> PortError {
    let what = "`accept.repeated_ids`: there are more incidents than repeats can be found among";
    PortError::new(FailureKind::Malformed, what).with_hint(
        "leave repeats out in a view or query, or keep them: `accept.repeated_ids = \"keep\"`",
    )
}

fn too_many_levels(covariate: &str) -> PortError {
    let what =
        format!("`fit.factors`: the records have more than {MAX_LEVELS} levels of {covariate}");
    PortError::new(FailureKind::Malformed, what).with_hint(
        "check the column's name under `columns`, or map its values to a few in a view or query",
    )
}

#[cfg(test)]
mod tests;
