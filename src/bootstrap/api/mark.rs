//! Moves of the mark, asked for over HTTP: the same as those of the command line.

use tokio_util::sync::CancellationToken;

use crate::domain::Publication;
use crate::http::{MarkAsk, MarkTarget, ServiceError};
use crate::job::publish::{self, Move, MoveError, MoveRequest};
use crate::ports::{Clock, PortError, Store};

/// Moves the mark of the scope, or says why not; nothing has changed then.
pub(super) async fn move_mark(
    store: &dyn Store,
    clock: &dyn Clock,
    scope: &str,
    ask: MarkAsk,
    cancel: &CancellationToken,
) -> Result<Publication, ServiceError> {
    let request = MoveRequest {
        scope: scope.to_owned(),
        to: match ask.target {
            MarkTarget::Run(run_id) => Move::Publish(run_id),
            MarkTarget::Before(run_id) => Move::Rollback(run_id),
        },
        requested_by: ask.requested_by,
        comment: ask.reason,
        force: ask.force,
    };
    let moved = publish::move_mark(store, clock, &request, cancel).await;
    Ok(moved.map_err(refusal)?.publication)
}

fn refusal(error: MoveError) -> ServiceError {
    let (message, hint) = (error.to_string(), error.hint());
    match error {
        MoveError::Unsettled { cause: PortError { kind, .. }, .. } => {
            ServiceError::Store(PortError::new(kind, error))
        }
        // What another scope holds is nobody's business here.
        MoveError::NoRun(run_id) | MoveError::OtherScope { run_id, .. } => {
            let message = format!("there is no run {run_id}");
            ServiceError::NotThere { message, hint: None }
        }
        MoveError::Busy(scope) => ServiceError::Busy(scope),
        MoveError::Store { cause, .. } => ServiceError::Store(cause),
        MoveError::Cancelled => ServiceError::Cancelled,
        MoveError::NoPrevious
        | MoveError::NotOver { .. }
        | MoveError::NoParameters(_)
        | MoveError::IsCurrent(_)
        | MoveError::Unfit { .. }
        | MoveError::LeavesWithout { .. } => ServiceError::Refused { message, hint },
    }
}
