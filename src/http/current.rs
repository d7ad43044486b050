//! The current set, read once per publication: a set that is published never changes. Which set is
//! current the store is asked for every request.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::answer::{self, JsonBytes};
use super::problem::Problem;
use super::regions::Regions;
use super::services::Services;
use crate::domain::{GroupKey, ParameterSet, Publication, PublishedGroup};
use crate::job::off_thread;

/// The current set, as it was published.
#[derive(Debug)]
pub(super) struct Current {
    /// The move of the mark that made it current.
    pub(super) mark: Publication,
    /// The answer that lists its groups.
    pub(super) regions: JsonBytes,
    /// Its groups that have parameters, ordered by key, so that those of a region are neighbours.
    groups: Vec<PublishedGroup>,
    by_region: HashMap<String, Range<usize>>,
}

impl Current {
    fn new(mark: Publication, set: ParameterSet) -> Result<Self, Problem> {
        let regions = answer::json_bytes(&Regions::new(&mark, &set.groups))?;
        let groups = PublishedGroup::of_set(set);
        let mut by_region: HashMap<String, Range<usize>> = HashMap::new();
        for (at, PublishedGroup { key: GroupKey { region, .. }, .. }) in groups.iter().enumerate() {
            by_region.entry(region.clone()).or_insert(at..at).end = at + 1;
        }
        Ok(Self { mark, regions, groups, by_region })
    }

    /// The groups of a region that have parameters; none where there is no such region.
    pub(super) fn groups_of(&self, region: &str) -> &[PublishedGroup] {
        self.by_region.get(region).map_or(&[], |range| &self.groups[range.clone()])
    }
}

/// The set that was current when it was last asked for.
#[derive(Debug, Default)]
pub(super) struct CurrentSet {
    seen: Mutex<Option<Arc<Current>>>,
    /// Held by the one request that reads a set which is new.
    reading: tokio::sync::Mutex<()>,
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
        if let Some(seen) = self.seen(&mark) {
            return Ok(seen);
        }
        let _reading = self.reading.lock().await;
        if let Some(seen) = self.seen(&mark) {
            return Ok(seen);
        }
        let run_id = mark.run_id;
        let set = store.parameter_set(run_id).await.map_err(Problem::store)?;
        let set =
            set.ok_or_else(|| Problem::internal(format!("run {run_id} is gone from the store")))?;
        let current = Arc::new(off_thread(move || Current::new(mark, set)).await?);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&current));
        Ok(current)
    }

    fn seen(&self, mark: &Publication) -> Option<Arc<Current>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref().filter(|seen| seen.mark == *mark).cloned()
    }
}
