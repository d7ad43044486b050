//! From what a request says of groups to a selection; the ledger tells what became of them before.

use super::{BootstrapError, LaunchError, WorldError};
use crate::domain::{GroupRow, RequestDetail, RunStatus, Selection, Selector, Splits, Trigger};
use crate::ports::{PortResult, RunFilter, Store};

/// Newest runs that are looked through for one that has groups.
const MAX_RUNS: u32 = 200;

/// Checks what a request says of groups, before anything is opened.
pub(super) fn read(asked: &RequestDetail, splits: &Splits) -> Result<Selector, BootstrapError> {
    let selector = Selector::parse(&asked.select, &asked.exclude)?;
    selector.check_splits(splits)?;
    Ok(selector)
}

/// The groups that a request asks for.
pub(super) async fn resolve(
    selector: Selector,
    asked: &RequestDetail,
    scope: &str,
    store: &dyn Store,
) -> Result<Selection, LaunchError> {
    let selection = if !asked.groups.is_empty() {
        Selection::of_groups(asked.groups.iter().cloned())
    } else if selector.needs_states() {
        let groups = last_groups(scope, store).await.map_err(WorldError::Store)?;
        selector.resolve(&groups)
    } else {
        selector.resolve(&[])
    };
    if selection.is_none() {
        return Err(BootstrapError::NothingSelected.into());
    }
    Ok(selection)
}

/// The groups of the scope's last run that has any. Runs over past windows, which stand beside the
/// others, have no say.
async fn last_groups(scope: &str, store: &dyn Store) -> PortResult<Vec<GroupRow>> {
    let filter =
        RunFilter { scope: Some(scope.to_owned()), limit: MAX_RUNS, ..RunFilter::default() };
    for run in store.runs(&filter).await? {
        let has_groups =
            matches!(run.status, RunStatus::Done | RunStatus::Partial | RunStatus::Refused);
        if !has_groups || run.request.trigger == Trigger::Backfill {
            continue;
        }
        let set = store.parameter_set(run.id).await?;
        if let Some(set) = set.filter(|set| !set.groups.is_empty()) {
            return Ok(set.groups);
        }
    }
    Ok(Vec::new())
}
