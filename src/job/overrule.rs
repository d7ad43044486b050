//! What the one who asks for a run adds to the judge's rules: that it is overruled, or that nothing is
//! published where groups fail. Pure; the judge itself knows nothing of it.

use crate::domain::{GroupKey, ParameterSet, RequestDetail};

use super::fitting::FittedGroup;
use super::judge::no_fit;

/// A group that is published against the judge's word.
pub(super) struct Overruled {
    key: GroupKey,
    why: String,
}

/// Withdraws the objections that can be overruled, where that was asked for, and tells which they
/// were. A group without a fit has nothing to publish, whoever asks for it.
pub(super) fn overrule(
    asked: &RequestDetail,
    groups: &[FittedGroup],
    objections: &mut [Option<String>],
) -> Vec<Overruled> {
    if !asked.force {
        return Vec::new();
    }
    let mut overruled = Vec::new();
    for (group, objection) in groups.iter().zip(objections) {
        if has_estimates(group)
            && let Some(why) = objection.take()
        {
            overruled.push(Overruled { key: group.key.clone(), why });
        }
    }
    overruled
}

fn has_estimates(group: &FittedGroup) -> bool {
    let is_fit = |report| no_fit(report).is_none();
    group.n_used > 0 && (group.pooled.is_some() || group.fit.as_ref().is_ok_and(is_fit))
}

/// Says in the rows of such groups that they were forced.
pub(super) fn note(set: &mut ParameterSet, overruled: &[Overruled]) {
    for Overruled { key, why } in overruled {
        if let Some(row) = set.groups.iter_mut().find(|row| row.key == *key) {
            let own = std::mem::take(&mut row.message);
            row.message = format!("forced: {why}");
            if !own.is_empty() {
                row.message = format!("{}; {own}", row.message);
            }
        }
    }
}

/// Why nothing is published by the rules that were asked for: a group that fails at all, or more of
/// them than are let pass.
pub(super) fn too_many_failures(
    asked: &RequestDetail,
    groups: &[FittedGroup],
    objections: &[Option<String>],
) -> Option<String> {
    let failed = groups.iter().zip(objections);
    let mut failed = failed.filter_map(|(group, why)| Some((group, why.as_ref()?)));
    let (first, why) = failed.next()?;
    if asked.fail_fast {
        return Some(first_failure(&first.key, why));
    }
    let (n_failed, n_most) = (1 + failed.count() as u64, asked.max_failures?);
    (n_failed > n_most).then(|| {
        format!(
            "nothing published: {n_failed} of {} groups failed, more than the {n_most} of \
             `--max-failures`, the first `{}`: {why}",
            groups.len(),
            first.key
        )
    })
}

/// How a run ends that stops at its first failure.
pub(super) fn first_failure(key: &GroupKey, why: &str) -> String {
    format!("nothing published: group `{key}` failed, and `--fail-fast` stops there: {why}")
}
