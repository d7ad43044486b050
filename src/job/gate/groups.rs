//! Rules on how many records and regions there are, beside the published set's, like with like: of
//! records no newer than its newest.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::ages::days;
use super::before::usual_oldest;
use super::refused::share;
use super::shift::weighted_median;
use super::{Night, count, names, percent, refuse, warn};
use crate::domain::text::is_unseen;
use crate::domain::{GateFinding, GateRule, GroupOutcome, GroupRow};

/// Groups without a fit from which on their share says something.
const MIN_WITHOUT_FIT: usize = 3;

/// Share of the published set's span that the window must still hold, for records to be counted like
/// with like.
const MIN_OVERLAP: f64 = 0.3;

/// Share of the published set's span from which on the window still holds it whole.
const WHOLE: f64 = 0.98;

/// Factor by which there are more or fewer records of the time that both hold, from which on that is
/// said: old records are corrected, a few at a time.
const WARN_ROW_FACTOR: f64 = 1.04;

/// Records of a region from which on their number is compared.
const MIN_REGION: f64 = 100.0;

/// Factor by which a region's records may be more or fewer, above which it is of another size.
const MAX_REGION_FACTOR: f64 = 1.6;

/// Share of the records that a new region has at least, where their times do not say that they were
/// not there before.
const MIN_NEW_SHARE: f64 = 0.02;

/// How many of these groups there are, and how many no records of this run stand behind.
pub(super) fn without_fit<'a>(rows: impl Iterator<Item = &'a GroupRow>) -> (usize, usize) {
    let is_without = |row: &GroupRow| match row.outcome {
        GroupOutcome::Fallback | GroupOutcome::CarriedOver => true,
        // Groups that publish nothing mislead nobody, and the run says so.
        GroupOutcome::Fitted
        | GroupOutcome::Pooled
        | GroupOutcome::Failed
        | GroupOutcome::Cancelled => false,
    };
    rows.fold((0, 0), |(n, n_without), row| (n + 1, n_without + usize::from(is_without(row))))
}

impl Night<'_> {
    pub(super) fn groups_without_fit(&self) -> Option<GateFinding> {
        let (n, n_all, limit) =
            (self.n_without_fit, self.n_groups, self.rules.max_groups_without_fit);
        let share = share(n as u64, n_all as u64);
        if n < MIN_WITHOUT_FIT || share <= limit {
            return None;
        }
        let rule = GateRule::GroupsWithoutFit;
        let message = format!(
            "{n} of {n_all} groups, {}, have no fit from the records of this run, more than {}: they \
             fall back to a level above or keep what they had",
            percent(share),
            percent(limit)
        );
        Some(refuse(rule, message, rule.remedy()))
    }

    /// Of the span of the published set's records, the share that this run's window still holds;
    /// nothing where the records have no times.
    pub(super) fn overlap(&self) -> Option<f64> {
        let (oldest, newest) = (self.before.oldest()?, self.before.newest()?);
        let span = days(oldest, newest);
        if span <= 0.0 {
            return None;
        }
        let ends = self.window.to.map_or(newest, |to| to.min(newest));
        let begins = match self.window.from {
            Some(from) => from.max(oldest),
            // A source that forgets what is old moves on by what it has gained, and no further.
            None => {
                let gained = self.newest().map_or(0.0, |now| days(newest, now).max(0.0));
                let own = self.oldest().map_or(0.0, |own| days(oldest, own).max(0.0));
                let forgotten = own.min(gained);
                return Some(((days(oldest, ends) - forgotten) / span).clamp(0.0, 1.0));
            }
        };
        Some((days(begins, ends) / span).clamp(0.0, 1.0))
    }

    fn oldest(&self) -> Option<Timestamp> {
        usual_oldest(self.groups.iter().map(|group| (group.observed.oldest, group.n_used)))
    }

    /// Records then and now, like with like; and in words, which.
    fn counts(&self) -> Option<(f64, f64, String)> {
        let n_before = self.before.n_used() as f64;
        match self.overlap() {
            Some(overlap) if overlap >= MIN_OVERLAP => {
                let n_old: u64 = self.groups.iter().map(|group| group.n_old).sum();
                let newest = self.before.newest()?;
                Some((n_before * overlap, n_old as f64, format!("records up to {newest:.0}")))
            }
            // Another span: records a day.
            Some(_) => {
                let of = |oldest: Timestamp, newest: Timestamp| days(oldest, newest).max(1.0);
                let then = of(self.before.oldest()?, self.before.newest()?);
                let now = of(self.oldest()?, self.newest()?);
                let n_now = self.watch.total.n_used as f64;
                Some((n_before / then, n_now / now, "records a day".to_owned()))
            }
            None => Some((n_before, self.watch.total.n_used as f64, "records".to_owned())),
        }
    }

    /// Half a feed, or one that was loaded twice.
    pub(super) fn row_count(&self) -> Option<GateFinding> {
        let limit = self.rules.max_row_factor;
        let (n_before, n_now, what) = self.counts()?;
        if limit <= 0.0 || !self.is_comparable() || n_before < self.rules.min_rows as f64 {
            return None;
        }
        let factor = n_now / n_before;
        let is_within = |limit: f64| (1.0 / limit..=limit).contains(&factor);
        if is_within(limit) {
            let is_whole = self.overlap().is_some_and(|overlap| overlap >= WHOLE);
            let is_said = is_whole && !is_within(WARN_ROW_FACTOR);
            return is_said.then(|| {
                let message = format!(
                    "{} {what}, where the published set has {}: {} of them",
                    whole(n_now),
                    whole(n_before),
                    percent(factor)
                );
                warn(GateRule::RowCount, message)
            });
        }
        let (n_before, n_now) = (whole(n_before), whole(n_now));
        let (how, why) = if factor > 1.0 {
            (format!("{factor:.2} times as many"), "was it loaded twice?")
        } else {
            (format!("{} of them", percent(factor)), "is the feed complete?")
        };
        let message = format!(
            "{n_now} {what}, where the published set has {n_before}: {how}, and the limit is a factor \
             of {limit}; {why}"
        );
        let remedy = format!("{}; or raise `gate.max_row_factor`", GateRule::RowCount.remedy());
        Some(refuse(GateRule::RowCount, message, remedy))
    }

    /// Regions that were renamed, merged, or left out.
    /// Regions whose names differ only in what one does not see: one place, split in two.
    pub(super) fn alike_regions(&self) -> Option<GateFinding> {
        let mut by_letters: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for group in self.groups {
            let region = group.key.region.as_str();
            let shown = |c: &char| !c.is_whitespace() && !is_unseen(*c);
            let letters = region.chars().filter(shown).flat_map(char::to_lowercase).collect();
            by_letters.entry(letters).or_default().insert(region);
        }
        let alike: Vec<String> = (by_letters.values().filter(|names| names.len() > 1))
            .map(|names| names.iter().copied().collect::<Vec<_>>().join("` and `"))
            .collect();
        (!alike.is_empty()).then(|| {
            let all = names(alike);
            let message = format!(
                "regions whose names differ only in case, spaces or invisible letters: {all}"
            );
            warn(GateRule::Regions, message)
        })
    }

    pub(super) fn regions(&self) -> Option<GateFinding> {
        let sizes = self.region_sizes();
        let n_before: f64 = sizes.values().map(|size| size.before).sum();
        let limit = self.rules.max_regions_changed;
        if limit >= 1.0 || !self.is_comparable() || n_before < self.rules.min_rows as f64 {
            return None;
        }
        let n_now: f64 = sizes.values().map(|size| size.now).sum();
        // How many records there are in all is the other rule's.
        let usual = weighted_median(
            sizes
                .values()
                .filter(|s| s.before > 0.0 && s.n_rows > 0)
                .map(|s| (s.now / s.before, s.before))
                .collect(),
        );
        let mut changes = Changes { usual, ..Changes::default() };
        for (region, size) in &sizes {
            changes.look(region, size, self.min_records as f64, n_now);
        }
        let share = changes.gained.max(changes.lost) / n_before.max(n_now);
        let what = changes.text()?;
        let remedy = GateRule::Regions.remedy();
        if share > limit {
            let message = format!(
                "{what}; {} of the records are in such regions, more than {}",
                percent(share),
                percent(limit)
            );
            let remedy = format!("{remedy}; or raise `gate.max_regions_changed`");
            return Some(refuse(GateRule::Regions, message, remedy));
        }
        Some(warn(GateRule::Regions, what))
    }

    fn region_sizes(&self) -> BTreeMap<&str, Size> {
        let overlap = self.overlap().filter(|overlap| *overlap >= MIN_OVERLAP);
        let mut sizes: BTreeMap<&str, Size> = BTreeMap::new();
        for (row, observed) in self.before.rows() {
            let size = sizes.entry(&row.key.region).or_default();
            size.before += observed.n_used as f64 * overlap.unwrap_or(1.0);
            size.was_there = true;
        }
        let n_all = self.watch.total.n_used as f64;
        let n_before = self.before.n_used() as f64;
        for group in self.groups {
            let size = sizes.entry(&group.key.region).or_default();
            size.n_rows += group.n_used + group.n_refused;
            size.is_dated = overlap.is_some();
            size.now += match overlap {
                Some(_) => group.n_old as f64,
                // As a share of all, since the spans differ.
                None if n_all > 0.0 => group.n_used as f64 * n_before / n_all,
                None => 0.0,
            };
        }
        sizes
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of records, rounded"
)]
fn whole(n: f64) -> String {
    count(n.round().max(0.0) as u64)
}

/// Records of a region, then and now, like with like.
#[derive(Debug, Default)]
struct Size {
    before: f64,
    now: f64,
    was_there: bool,
    /// Rows of this run, whatever became of them.
    n_rows: u64,
    is_dated: bool,
}

/// Regions that are not as they were, and how many records they hold.
#[derive(Debug, Default)]
struct Changes {
    vanished: Vec<String>,
    came: Vec<String>,
    resized: Vec<String>,
    /// Factor between the numbers of records of most regions.
    usual: f64,
    /// Records that regions of such a kind have more, and fewer.
    gained: f64,
    lost: f64,
}

impl Changes {
    fn look(&mut self, region: &str, size: &Size, min_records: f64, n_now: f64) {
        let Size { before, now, was_there, n_rows, is_dated } = *size;
        let is_new_enough = if is_dated { now >= min_records } else { now > MIN_NEW_SHARE * n_now };
        if n_rows == 0 && before >= min_records {
            self.vanished.push(region.to_owned());
            self.lost += before;
        } else if !was_there && is_new_enough {
            self.came.push(region.to_owned());
            self.gained += now;
        } else if was_there && before.max(now) >= MIN_REGION && n_rows > 0 {
            let expected = (before * self.usual).max(1.0);
            let factor = now / expected;
            if !(1.0 / MAX_REGION_FACTOR..=MAX_REGION_FACTOR).contains(&factor) {
                self.resized.push(format!("{region}: {} to {}", whole(before), whole(now)));
                self.gained += (now - expected).max(0.0);
                self.lost += (expected - now).max(0.0);
            }
        }
    }

    /// Nothing where every region is as it was.
    fn text(&self) -> Option<String> {
        let told = [
            (&self.vanished, "has no row any more", "have no row any more"),
            (
                &self.came,
                "is new, with records from before the published set",
                "are new, with records from before the published set",
            ),
            (&self.resized, "has another number of records", "have another number of records"),
        ];
        let parts: Vec<String> = (told.iter().filter(|(regions, ..)| !regions.is_empty()))
            .map(|(regions, one, many)| {
                let verb = if regions.len() == 1 { one } else { many };
                format!("{} {verb}", names((*regions).clone()))
            })
            .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}
