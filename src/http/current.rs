//! The current set, read once per publication: a set that is published never changes. Which set is
//! current the store is asked where it may have changed: where it counts commits, after one; otherwise
//! when the last answer is older than [`MARK_AGE`], and after every publication of this process.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::answer::{self, JsonBytes};
use super::problem::Problem;
use super::regions::Regions;
use super::state::Api;
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

/// How long a mark is taken for the current one where the store does not count commits.
const MARK_AGE: SignedDuration = SignedDuration::from_millis(100);

/// The set that was current when it was last asked for.
#[derive(Debug, Default)]
pub(super) struct CurrentSet {
    kept: Mutex<Option<Kept>>,
    /// Publications of this process, and whatever else it did that may have been one.
    n_moves: AtomicU64,
    /// Held by the one request that reads a set which is new.
    reading: tokio::sync::Mutex<()>,
}

/// A set, and until when it is the current one.
#[derive(Debug)]
struct Kept {
    current: Arc<Current>,
    since: Asked,
}

/// When a mark was asked for: what comes later, its answer does not know of.
#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Timestamp,
    /// The store's, where it counts commits.
    version: Option<u64>,
    n_moves: u64,
}

impl CurrentSet {
    /// The set that is current now. While a run of this process is under way, which may publish at any
    /// moment, no mark is taken for the current one by its age.
    pub(super) async fn read(&self, api: &Api) -> Result<Arc<Current>, Problem> {
        let services = &**api.services();
        let (store, scope) = (services.store(), services.scope());
        let mut now = Asked {
            at: services.clock().now(),
            version: None,
            n_moves: self.n_moves.load(Ordering::SeqCst),
        };
        let may_publish = api.run_slot().is_taken();
        if let Some(current) = self.kept(|since| !may_publish && since.is_young(&now)) {
            return Ok(current);
        }
        now.version = store.version().await.map_err(Problem::store)?;
        if let Some(current) = self.kept(|since| since.is_same_version(&now)) {
            return Ok(current);
        }
        let mark = store.mark(scope).await.map_err(Problem::store)?;
        let Some(mark) = mark else {
            return Err(Problem::not_found(format!("scope `{scope}` has no current set"))
                .with_hint("POST /api/v1/runs, or `speedfit run`, makes one"));
        };
        if let Some(current) = self.renewed(&mark, now) {
            return Ok(current);
        }
        let _reading = self.reading.lock().await;
        if let Some(current) = self.renewed(&mark, now) {
            return Ok(current);
        }
        let run_id = mark.run_id;
        let set = store.parameter_set(run_id).await.map_err(Problem::store)?;
        let set =
            set.ok_or_else(|| Problem::internal(format!("run {run_id} is gone from the store")))?;
        let current = Arc::new(off_thread(move || Current::new(mark, set)).await?);
        *self.locked() = Some(Kept { current: Arc::clone(&current), since: now });
        Ok(current)
    }

    /// The mark may have moved by this process: the next request asks for it.
    pub(super) fn may_have_moved(&self) {
        self.n_moves.fetch_add(1, Ordering::SeqCst);
    }

    /// The set that is kept, where it is still current.
    fn kept(&self, is_current: impl Fn(&Asked) -> bool) -> Option<Arc<Current>> {
        let kept = self.locked();
        let kept = kept.as_ref().filter(|kept| is_current(&kept.since))?;
        Some(Arc::clone(&kept.current))
    }

    /// The set that is kept, where this is its mark: it is current since then.
    fn renewed(&self, mark: &Publication, asked: Asked) -> Option<Arc<Current>> {
        let mut kept = self.locked();
        let kept = kept.as_mut().filter(|kept| kept.current.mark == *mark)?;
        kept.since = asked;
        Some(Arc::clone(&kept.current))
    }

    fn locked(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    /// Whether nothing is known to have been committed since then, and little can have been.
    fn is_young(&self, now: &Self) -> bool {
        let age = now.at.duration_since(self.at);
        // A clock that was set back tells no age.
        let is_short = !age.is_negative() && age < MARK_AGE;
        self.version.is_none() && self.n_moves == now.n_moves && is_short
    }

    /// Whether nothing was committed since then.
    fn is_same_version(&self, now: &Self) -> bool {
        now.version.is_some() && self.version == now.version
    }
}
