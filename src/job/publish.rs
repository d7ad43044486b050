//! The mark by hand: a run's set becomes current, or the one before does again.
//!
//! Under the scope's lock, so that no run publishes meanwhile, and only where the application finds
//! afterwards what it found before. Whatever is refused changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::grace::Grace;
use super::history::{PUBLISH, ROLLBACK, previous};
use crate::domain::{GroupKey, ParameterRow, ParameterSet, Publication, RunId, RunRow, RunStatus};
use crate::fit::Curve;
use crate::ports::{Clock, FailureKind, LockKey, PortError, PortResult, Store, with_causes};

/// Which set is to become current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// That of this run.
    Publish(RunId),
    /// That of this run, or the one that was current before the current one.
    Rollback(Option<RunId>),
}

/// Who asks for a move of the mark, and why.
#[derive(Debug, Clone)]
pub struct MoveRequest {
    /// Whose mark.
    pub scope: String,
    /// Where to.
    pub to: Move,
    /// Who asks.
    pub requested_by: String,
    /// Why, in their words.
    pub comment: String,
    /// Also where groups of the current set would be left without parameters.
    pub force: bool,
}

/// A move that took place.
#[derive(Debug, Clone)]
pub struct Moved {
    /// As the history tells it.
    pub publication: Publication,
    /// What was current before, if anything.
    pub before: Option<ParameterSet>,
    /// What is current now.
    pub after: ParameterSet,
    /// Groups that had parameters and have none now.
    pub left_without: Vec<GroupKey>,
}

/// Why the mark was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// No such run.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// Nothing to go back to.
    #[error("there is nothing to roll back to: of the sets that were current before, none is kept")]
    NoPrevious,
    /// A run of another scope.
    #[error("run {run_id} is of scope `{of}`, not of `{scope}`")]
    OtherScope {
        /// The run.
        run_id: RunId,
        /// Its scope.
        of: String,
        /// The scope asked for.
        scope: String,
    },
    /// The run still works, or has not begun.
    #[error("run {run_id} is `{status}`, and only a run that is over can be published")]
    NotOver {
        /// The run.
        run_id: RunId,
        /// Its status.
        status: RunStatus,
    },
    /// There is nothing to publish.
    #[error("run {0} has no parameters: it ended early, or they were pruned")]
    NoParameters(RunId),
    /// It is current already.
    #[error("run {0} is current already")]
    IsCurrent(RunId),
    /// Its parameters are of a kind that this program does not know.
    #[error(
        "run {run_id} does not fit this version of speedfit: the parameters of group `{group}` make \
         no curve of model `{model}`"
    )]
    Unfit {
        /// The run.
        run_id: RunId,
        /// The first such group.
        group: String,
        /// Its model.
        model: String,
        /// Version of the program that made the run.
        code_version: String,
    },
    /// The application would look for groups in vain.
    #[error("run {run_id} has no parameters for {} of the current set: {}", n_groups(.groups), first_of(.groups))]
    LeavesWithout {
        /// The run.
        run_id: RunId,
        /// The groups.
        groups: Vec<GroupKey>,
    },
    /// A run, or another move, holds the scope's lock.
    #[error("a run of scope `{0}` is active, and nothing else may move its mark meanwhile")]
    Busy(String),
    /// The store did not do what was asked.
    #[error("cannot {operation} in {store_name}")]
    Store {
        /// What was asked, as a verb.
        operation: &'static str,
        /// Which store.
        store_name: String,
        /// Why.
        #[source]
        cause: PortError,
    },
    /// The move broke off, and the store cannot say whether it took place.
    #[error("the mark may have been moved to run {run_id}; see `speedfit status`")]
    Unsettled {
        /// The run.
        run_id: RunId,
        /// How it broke off.
        #[source]
        cause: PortError,
    },
    /// The stop signal.
    #[error("stopped; the mark was not moved")]
    Cancelled,
}

impl MoveError {
    /// Whether it was refused for what was asked: nothing has failed, and nothing has changed.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Store { .. } | Self::Unsettled { .. } | Self::Cancelled)
    }

    /// What the operator can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoRun(_) | Self::NoParameters(_) => "`speedfit runs` lists the runs".to_owned(),
            Self::NoPrevious => "`speedfit publish RUN` makes any run's set current".to_owned(),
            Self::OtherScope { of, .. } => format!("`--scope {of}` names its scope"),
            Self::NotOver { .. } => "wait for its end, or stop it".to_owned(),
            Self::IsCurrent(_) => "nothing needs to be done".to_owned(),
            Self::Unfit { code_version, .. } => {
                format!("speedfit {code_version} made it, and can publish it")
            }
            Self::LeavesWithout { .. } => {
                "`--force` publishes it all the same; `speedfit diff` shows what goes".to_owned()
            }
            Self::Busy(_) => {
                "`speedfit status` shows it; wait for its end, or stop it, then try again"
                    .to_owned()
            }
            Self::Unsettled { .. } => FailureKind::TimedOut.remedy().to_owned(),
            Self::Store { .. } | Self::Cancelled => return None,
        })
    }
}

/// Names in an error at the most.
const MAX_NAMES: usize = 5;

fn n_groups(groups: &[GroupKey]) -> String {
    if groups.len() == 1 { "one group".to_owned() } else { format!("{} groups", groups.len()) }
}

fn first_of(groups: &[GroupKey]) -> String {
    let mut names: Vec<String> =
        groups.iter().take(MAX_NAMES).map(|key| format!("`{key}`")).collect();
    if groups.len() > MAX_NAMES {
        names.push(format!("{} more", groups.len() - MAX_NAMES));
    }
    names.join(", ")
}

/// Moves the mark, or says why not.
///
/// # Errors
/// [`MoveError`]; nothing has changed then, but perhaps for [`MoveError::Unsettled`].
pub async fn move_mark(
    store: &dyn Store,
    clock: &dyn Clock,
    request: &MoveRequest,
    cancel: &CancellationToken,
) -> Result<Moved, MoveError> {
    let grace = Grace::new(cancel);
    let mover = Mover { store, clock, request, grace: &grace };
    grace.around(clock, mover.locked()).await
}

struct Mover<'a> {
    store: &'a dyn Store,
    clock: &'a dyn Clock,
    request: &'a MoveRequest,
    grace: &'a Grace,
}

impl Mover<'_> {
    async fn locked(&self) -> Result<Moved, MoveError> {
        let scope = &self.request.scope;
        let lock = self.ask("take the lock", self.store.try_lock(scope)).await?;
        let lock = lock.ok_or_else(|| MoveError::Busy(scope.clone()))?;
        let prepared = tokio::select! {
            prepared = self.prepared() => prepared,
            cause = lock.lost() => Err(self.failed("keep the lock", cause)),
        };
        let outcome = match prepared {
            // Not given up when the lock is lost: the transaction sees that by itself.
            Ok(moved) => self.publish(&moved.publication, &lock.key()).await.map(|()| moved),
            Err(why) => Err(why),
        };
        if let Err(why) = self.grace.unless_settled(lock.release()).await {
            let why = with_causes(&why);
            warn!("the lock could not be released and ends with this process: {why}");
        }
        outcome
    }

    /// The move, still to be made.
    async fn prepared(&self) -> Result<Moved, MoveError> {
        let MoveRequest { scope, requested_by, comment, .. } = self.request;
        let mark = self.ask("read the mark", self.store.mark(scope)).await?;
        let run_id = self.target().await?;
        if mark.as_ref().is_some_and(|mark| mark.run_id == run_id) {
            return Err(MoveError::IsCurrent(run_id));
        }
        let (row, after) = self.candidate(run_id).await?;
        let before = match mark {
            Some(mark) => self.ask(READ_SET, self.store.parameter_set(mark.run_id)).await?,
            None => None,
        };
        fits(&row, &after)?;
        let left_without = left_without(before.as_ref(), &after);
        if !left_without.is_empty() && !self.request.force {
            return Err(MoveError::LeavesWithout { run_id, groups: left_without });
        }
        let publication = Publication {
            scope: scope.clone(),
            run_id,
            published_at: self.clock.now(),
            published_by: requested_by.clone(),
            reason: match self.request.to {
                Move::Publish(_) => PUBLISH.to_owned(),
                Move::Rollback(_) => ROLLBACK.to_owned(),
            },
            comment: comment.clone(),
        };
        Ok(Moved { publication, before, after, left_without })
    }

    async fn target(&self) -> Result<RunId, MoveError> {
        match self.request.to {
            Move::Publish(run_id) | Move::Rollback(Some(run_id)) => Ok(run_id),
            Move::Rollback(None) => {
                let scope = &self.request.scope;
                let history = self.ask("read the history", self.store.publications(scope, 0));
                let history = history.await?;
                let kept = self.ask("read which sets there are", self.store.sets(scope)).await?;
                previous(&history, &kept).ok_or(MoveError::NoPrevious)
            }
        }
    }

    /// The run and its set, where it could be published at all.
    async fn candidate(&self, run_id: RunId) -> Result<(RunRow, ParameterSet), MoveError> {
        let row = self.ask("read the run", self.store.run(run_id)).await?;
        let row = row.ok_or(MoveError::NoRun(run_id))?;
        let (of, scope) = (&row.request.scope, &self.request.scope);
        if of != scope {
            let (of, scope) = (of.clone(), scope.clone());
            return Err(MoveError::OtherScope { run_id, of, scope });
        }
        if !row.status.is_final() {
            return Err(MoveError::NotOver { run_id, status: row.status });
        }
        let set = self.ask(READ_SET, self.store.parameter_set(run_id)).await?;
        match set.filter(|set| !set.parameters.is_empty()) {
            Some(set) => Ok((row, set)),
            None => Err(MoveError::NoParameters(run_id)),
        }
    }

    async fn publish(&self, publication: &Publication, lock: &LockKey) -> Result<(), MoveError> {
        let publishing = self.store.publish(publication, Some(lock));
        let Err(cause) = self.grace.unless_over(publishing).await else { return Ok(()) };
        // The reply may be lost although the work was done: the history knows.
        match self.grace.unless_settled(self.store.mark(&publication.scope)).await {
            Ok(Some(mark)) if mark == *publication => {
                let why = with_causes(&cause);
                warn!("the mark was moved although the store answered: {why}");
                Ok(())
            }
            // Whatever the mark is now, the move may still be under way.
            _ if cause.kind.may_have_landed() => {
                Err(MoveError::Unsettled { run_id: publication.run_id, cause })
            }
            _ => Err(self.failed("move the mark", cause)),
        }
    }

    async fn ask<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = PortResult<T>>,
    ) -> Result<T, MoveError> {
        self.grace.unless_stopped(call).await.map_err(|cause| self.failed(operation, cause))
    }

    fn failed(&self, operation: &'static str, cause: PortError) -> MoveError {
        if cause.kind == FailureKind::Cancelled {
            return MoveError::Cancelled;
        }
        let cause = cause.without_context();
        MoveError::Store { operation, store_name: self.store.describe(), cause }
    }
}

const READ_SET: &str = "read a parameter set";

/// Every group that has parameters must make a curve that this program knows: what it cannot read it
/// can neither compare, nor predict from, nor carry over.
fn fits(row: &RunRow, set: &ParameterSet) -> Result<(), MoveError> {
    let mut rows: BTreeMap<&GroupKey, Vec<&ParameterRow>> = BTreeMap::new();
    for parameter in &set.parameters {
        rows.entry(&parameter.key).or_default().push(parameter);
    }
    let models: BTreeMap<&GroupKey, &str> =
        set.groups.iter().map(|group| (&group.key, group.model.as_str())).collect();
    for (key, rows) in rows {
        let model = models.get(key).copied().unwrap_or_default();
        let values = rows.iter().map(|p| (p.name.as_str(), p.estimate));
        if Curve::from_rows(model, values).is_none() {
            return Err(MoveError::Unfit {
                run_id: row.id,
                group: key.to_string(),
                model: model.to_owned(),
                code_version: row.request.code_version.clone(),
            });
        }
    }
    Ok(())
}

/// Groups with parameters before and without them after.
fn left_without(before: Option<&ParameterSet>, after: &ParameterSet) -> Vec<GroupKey> {
    let keys = |set: &ParameterSet| -> BTreeSet<GroupKey> {
        set.parameters.iter().map(|row| row.key.clone()).collect()
    };
    let Some(before) = before else { return Vec::new() };
    keys(before).difference(&keys(after)).cloned().collect()
}
