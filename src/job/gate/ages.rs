//! Rules on when the records are of, and on rows that are there twice.

use jiff::Timestamp;

use super::refused::share;
use super::{Night, count, percent, refuse, warn};
use crate::domain::{GateFinding, GateRule};

const SECONDS_A_DAY: f64 = 86_400.0;

/// Records of the future at the most, as a share: a few dates are mistyped everywhere.
const MAX_FUTURE: f64 = 0.01;

pub(super) fn days(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64() / SECONDS_A_DAY
}

impl Night<'_> {
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.groups.iter().filter_map(|group| group.observed.newest).max()
    }

    /// A feed that delivers no more. Records that were old when the published set was made are meant
    /// to be, unless the window ends with the run.
    pub(super) fn stale(&self) -> Option<GateFinding> {
        let newest = self.newest()?;
        let age = days(newest, self.watch.moments.as_of);
        let before = self.before.newest().zip(self.before_as_of);
        let before = before.map(|(newest, as_of)| days(newest, as_of));
        let was_within = |limit: f64| match before {
            _ if self.rules.is_live => true,
            Some(before) => before <= limit,
            None => false,
        };
        // One limit for both: a feed that stands still is noticed every night, not the first alone.
        let max = self.rules.max_age_days;
        let is_live = |limit: f64| was_within(if max > 0.0 { max } else { limit });
        let is_over = |limit: f64| limit > 0.0 && age > limit && is_live(limit);
        let what = |limit: f64| {
            format!(
                "the newest record is of {newest:.0}, {age:.1} days ago, more than {limit} days"
            )
        };
        let rule = GateRule::Stale;
        if is_over(self.rules.max_age_days) {
            return Some(refuse(rule, what(self.rules.max_age_days), rule.remedy()));
        }
        is_over(self.rules.warn_age_days).then(|| warn(rule, what(self.rules.warn_age_days)))
    }

    /// Clocks that are ahead, or a time zone that is another.
    pub(super) fn future(&self) -> Option<GateFinding> {
        let (n, n_all) = (self.watch.n_future, self.watch.total.n_used);
        if !self.is_enough(n_all) || share(n, n_all) <= MAX_FUTURE {
            return None;
        }
        let message = format!(
            "{} of {} records are more than an hour in the future, {}",
            count(n),
            count(n_all),
            percent(share(n, n_all))
        );
        Some(refuse(GateRule::Future, message, GateRule::Future.remedy()))
    }

    /// A load that was done twice.
    pub(super) fn repeated_rows(&self) -> Option<GateFinding> {
        let (n_all, n) = self.watch.repeats.counts();
        let limit = self.rules.max_repeated_rows;
        if !self.is_enough(n_all) || share(n, n_all) <= limit {
            return None;
        }
        let message = format!(
            "{} of the rows repeat another one (the same id, region, time, distance and travel time), \
             more than {}",
            percent(share(n, n_all)),
            percent(limit)
        );
        Some(refuse(GateRule::RepeatedRows, message, GateRule::RepeatedRows.remedy()))
    }
}
