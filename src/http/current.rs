//! The current set, read once per publication: a set that is published never changes.

use std::sync::{Arc, Mutex, PoisonError};

use super::problem::Problem;
use super::services::Services;
use crate::domain::{ParameterSet, Publication, PublishedGroup};

/// The current set, as it was published.
#[derive(Debug)]
pub(super) struct Current {
    /// The move of the mark that made it current.
    pub(super) mark: Publication,
    /// Its rows.
    pub(super) set: ParameterSet,
    /// Its groups that have parameters.
    pub(super) groups: Vec<PublishedGroup>,
}

/// The set that was current when it was last asked for.
#[derive(Debug, Default)]
pub(super) struct CurrentSet {
    seen: Mutex<Option<Arc<Current>>>,
}

impl CurrentSet {
    /// The set that is current now: only the mark is read where it has not moved.
    pub(super) async fn read(&self, services: &dyn Services) -> Result<Arc<Current>, Problem> {
        let (store, scope) = (services.store(), services.scope());
        let mark = store.mark(scope).await.map_err(Problem::store)?;
        let Some(mark) = mark else {
            return Err(Problem::not_found(format!("scope `{scope}` has no current set"))
                .with_hint("POST /api/v1/runs, or `speedfit run`, makes one"));
        };
        if let Some(seen) = self.seen().filter(|seen| seen.mark == mark) {
            return Ok(seen);
        }
        let set = store.parameter_set(mark.run_id).await.map_err(Problem::store)?;
        let run_id = mark.run_id;
        let set =
            set.ok_or_else(|| Problem::internal(format!("run {run_id} is gone from the store")))?;
        let groups = PublishedGroup::of_set(set.clone());
        let current = Arc::new(Current { mark, set, groups });
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&current));
        Ok(current)
    }

    fn seen(&self) -> Option<Arc<Current>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
