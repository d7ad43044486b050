//! The mark, moved under the scope's lock.

use crate::domain::{Publication, RunId};
use crate::http::{MarkAsk, MarkTarget, ServiceError};
use crate::ports::{Clock, FailureKind, PortError, Store};

/// Moves the mark of the scope, or says why not; nothing has changed then.
pub(super) async fn move_mark(
    store: &dyn Store,
    clock: &dyn Clock,
    scope: &str,
    ask: MarkAsk,
) -> Result<Publication, ServiceError> {
    let lock = store.try_lock(scope).await.map_err(ServiceError::Store)?;
    let lock = lock.ok_or_else(|| ServiceError::Busy(scope.to_owned()))?;
    let moved = move_locked(store, clock, scope, ask).await;
    let released = lock.release().await.map_err(ServiceError::Store);
    let moved = moved?;
    released?;
    Ok(moved)
}

async fn move_locked(
    store: &dyn Store,
    clock: &dyn Clock,
    scope: &str,
    ask: MarkAsk,
) -> Result<Publication, ServiceError> {
    let (run_id, reason) = match ask.target {
        MarkTarget::Run(run_id) => (run_id, "publish"),
        MarkTarget::Before(Some(run_id)) => (run_id, "rollback"),
        MarkTarget::Before(None) => (before(store, scope).await?, "rollback"),
    };
    let row = store.run(run_id).await.map_err(ServiceError::Store)?;
    if row.is_none_or(|row| row.request.scope != scope) {
        let message = format!("there is no run {run_id}");
        return Err(ServiceError::NotThere { message, hint: None });
    }
    let mark = store.mark(scope).await.map_err(ServiceError::Store)?;
    if mark.is_some_and(|mark| mark.run_id == run_id) {
        return Err(refused(format!("run {run_id} is current already")));
    }
    let publication = Publication {
        scope: scope.to_owned(),
        run_id,
        published_at: clock.now(),
        published_by: ask.requested_by,
        reason: reason.to_owned(),
        comment: ask.reason,
    };
    store.publish(&publication).await.map_err(not_published)?;
    Ok(publication)
}

fn refused(message: String) -> ServiceError {
    ServiceError::Refused { message, hint: None }
}

fn not_published(error: PortError) -> ServiceError {
    if error.kind == FailureKind::Refused {
        let hint = Some(error.remedy().to_owned());
        return ServiceError::Refused { message: error.to_string(), hint };
    }
    ServiceError::Store(error)
}

/// The run that was current before the current one.
async fn before(store: &dyn Store, scope: &str) -> Result<RunId, ServiceError> {
    let moves = store.publications(scope, 0).await.map_err(ServiceError::Store)?;
    let current = moves.first().map(|publication| publication.run_id);
    let mut earlier = moves.iter().map(|publication| publication.run_id);
    let before = earlier.find(|run_id| Some(*run_id) != current);
    before.ok_or_else(|| refused("there is nothing to roll back to".to_owned()))
}
