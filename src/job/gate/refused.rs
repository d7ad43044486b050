//! Rules on the rows that were refused, by why they were.

use super::{Night, count, percent, refuse, unread};
use crate::domain::{GateFinding, GateRule, Observed};

/// What to do where a part of the rows is in another unit.
pub(super) const OF_SOME: &str = "bring all rows into one unit in a view, a query or the export";

impl Night<'_> {
    /// Texts that are no numbers: where only some are, they are so for what they hold.
    pub(super) fn unreadable(&self) -> Option<GateFinding> {
        let (n, n_all) = (self.watch.total.n_unreadable, self.watch.total.n_rows());
        let limit = self.rules.max_unreadable;
        if !self.is_enough(n_all) || share(n, n_all) <= limit {
            return None;
        }
        let what = format!(
            "{} of {} rows could not be read, {}, more than {}",
            count(n),
            count(n_all),
            percent(share(n, n_all)),
            percent(limit)
        );
        let Some((value, column)) = self.watch.unread.first() else {
            let first = self.watch.faults.first().map_or("", String::as_str);
            let remedy = "check that the file is whole and `file.delimiter` is right; or raise \
                          `gate.max_unreadable`";
            return Some(refuse(GateRule::Unreadable, format!("{what}: {first}"), remedy));
        };
        let form = unread::looks_like(value);
        let form = form.map_or_else(String::new, |form| format!(", which looks like {form}"));
        let message = format!("{what}: for example `{value}` in column `{column}`{form}");
        Some(refuse(GateRule::Unreadable, message, GateRule::Unreadable.remedy()))
    }

    /// Values outside the bounds: what is left is a selection by value.
    pub(super) fn refused_values(&self) -> Option<GateFinding> {
        let rule = GateRule::RefusedValues;
        let of = |observed: &Observed| observed.n_refused_values;
        let what = self.too_many(
            (self.watch.total.n_values, "were refused for their distance, time or speed"),
            (self.rules.max_refused_values, self.rules.max_refused_values_rise),
            of,
        )?;
        let total = &self.watch.total;
        Some(match self.watch.trial.verdict(self.rules.units) {
            // A setting holds for all rows: those that were accepted are against it.
            Some((reading, _)) if total.n_values < total.n_used => {
                refuse(rule, format!("{what}; {reading}, and the others as they are"), OF_SOME)
            }
            Some((reading, remedy)) => refuse(rule, format!("{what}; {reading}"), remedy),
            None => refuse(rule, what, rule.remedy()),
        })
    }

    /// Zeros may stand for what was not measured, or for what was rounded away.
    pub(super) fn zero_values(&self) -> Option<GateFinding> {
        let rule = GateRule::ZeroValues;
        let of = |observed: &Observed| observed.n_refused_zeros;
        let what = self.too_many(
            (self.watch.total.n_zeros, "have a distance or time of exactly zero"),
            (self.rules.max_zero_values, self.rules.max_refused_values_rise),
            of,
        )?;
        Some(refuse(rule, what, rule.remedy()))
    }

    /// What was not recorded is missing whatever it would have been; honest exports lack a quarter.
    pub(super) fn refused_others(&self) -> Option<GateFinding> {
        let rule = GateRule::RefusedOthers;
        let of = |observed: &Observed| observed.n_refused_others;
        let what = self.too_many(
            (self.watch.total.n_others, "were refused for a field that is missing or not known"),
            (self.rules.max_refused_others, self.rules.max_refused_others_rise),
            of,
        );
        let what = what.or_else(|| self.more_others()).or_else(|| self.missing_where_far());
        Some(refuse(rule, what?, rule.remedy()))
    }

    /// The same rise, rows that name no group included: of those the published set says nothing, and
    /// its run's row in the ledger only how many were refused in all.
    fn more_others(&self) -> Option<String> {
        let (now, before) = (&self.watch.total, self.before_counts?);
        if !self.is_comparable() || !self.is_enough(now.n_rows()) {
            return None;
        }
        let of_values = |o: &Observed| o.n_refused_values + o.n_refused_zeros;
        let n_values: u64 = self.before.rows().map(|(_, o)| of_values(o)).sum();
        let n_before = before.rows_refused.saturating_sub(n_values);
        let (before, max_rise) =
            (share(n_before, before.rows_read), self.rules.max_refused_others_rise);
        let share = share(now.n_others, now.n_rows());
        (share > before + max_rise).then(|| {
            format!(
                "{} of {} rows were refused for a field that is missing or not known, {}; the \
                 published set had {}, and at most {} more is accepted",
                count(now.n_others),
                count(now.n_rows()),
                percent(share),
                percent(before),
                percent(max_rise)
            )
        })
    }

    /// Says that a share of the rows is above its limit, or further above that of the published set
    /// than it may be.
    fn too_many(
        &self,
        (n, what): (u64, &str),
        (limit, max_rise): (f64, f64),
        of: impl Fn(&Observed) -> u64,
    ) -> Option<String> {
        let n_all = self.watch.total.n_rows();
        if !self.is_enough(n_all) {
            return None;
        }
        let now = share(n, n_all);
        let what = format!("{} of {} rows {what}, {}", count(n), count(n_all), percent(now));
        if now > limit {
            return Some(format!("{what}, more than {}", percent(limit)));
        }
        // Like with like: rows that name a group, then and now.
        let n_before: u64 = self.before.rows().map(|(_, observed)| of(observed)).sum();
        let n_all_before = self.before.rows().map(|(_, observed)| observed.n_rows()).sum();
        let n_now: u64 = self.groups.iter().map(|group| of(&group.observed)).sum();
        let n_all_now = self.groups.iter().map(|group| group.observed.n_rows()).sum();
        if !self.is_comparable() || !self.is_enough(n_all_now) {
            return None;
        }
        let (before, now) = (share(n_before, n_all_before), share(n_now, n_all_now));
        (now > before + max_rise).then(|| {
            format!(
                "{what}; the published set had {}, and at most {} more is accepted",
                percent(before),
                percent(max_rise)
            )
        })
    }
}

pub(super) fn share(n: u64, n_all: u64) -> f64 {
    if n_all == 0 { 0.0 } else { n as f64 / n_all as f64 }
}
