//! The published parameters, and the mark.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Transaction};

use super::error::StatementError;
use super::locks::check_held;
use super::rows::{self, limit_stored};
use super::{Embedded, blocking, conclude};
use crate::domain::{ParameterSet, Publication, RunId};
use crate::ports::{LockKey, ParameterStore, PortResult};

#[async_trait]
impl ParameterStore for Embedded {
    fn describe(&self) -> String {
        format!("SQLite file `{}`", self.inner.shown)
    }

    async fn publications(&self, scope: &str, limit: u32) -> PortResult<Vec<Publication>> {
        let scope = scope.to_owned();
        self.read("read the publications", move |transaction| {
            let mut statement = transaction.prepare(include_str!("sql/publications.sql"))?;
            let moves = statement.query_map((scope, limit_stored(limit)), rows::publication)?;
            Ok(moves.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn publish(&self, publication: &Publication, lock: Option<&LockKey>) -> PortResult<()> {
        let (publication, lock) = (publication.clone(), lock.cloned());
        let inner = Arc::clone(&self.inner);
        self.write(format!("publish run {}", publication.run_id), move |transaction| {
            conclude::publish(transaction, &publication)?;
            Ok(check_held(&inner.path, &publication.scope, lock.as_ref())?)
        })
        .await
    }

    async fn mark(&self, scope: &str) -> PortResult<Option<Publication>> {
        let scope = scope.to_owned();
        self.ask("read the mark", move |connection| {
            let mut statement = connection.prepare_cached(include_str!("sql/mark.sql"))?;
            Ok(statement.query_row([scope], rows::publication).optional()?)
        })
        .await
    }

    async fn version(&self) -> PortResult<Option<u64>> {
        if let Some(version) = self.inner.readers.version(&self.inner.path) {
            return Ok(Some(version));
        }
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let reader = inner.reader()?;
            Ok(inner.readers.watch(reader))
        })
        .await
    }

    async fn parameter_set(&self, run_id: RunId) -> PortResult<Option<ParameterSet>> {
        self.read(format!("read the parameters of run {run_id}"), move |transaction| {
            read_set(transaction, run_id)
        })
        .await
    }

    async fn sets(&self, scope: &str) -> PortResult<Vec<RunId>> {
        let scope = scope.to_owned();
        self.read("read which sets there are", move |transaction| {
            let mut statement = transaction.prepare(include_str!("sql/sets.sql"))?;
            let sets = statement.query_map([scope], |row| Ok(RunId(row.get("id")?)))?;
            Ok(sets.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}

fn read_set(
    transaction: &Transaction<'_>,
    run_id: RunId,
) -> Result<Option<ParameterSet>, StatementError> {
    let scope = transaction
        .query_row(include_str!("sql/run_status.sql"), [run_id.0], |row| row.get("scope"))
        .optional()?;
    let Some(scope) = scope else { return Ok(None) };
    let mut groups = transaction.prepare(include_str!("sql/groups.sql"))?;
    let groups = groups.query_map([run_id.0], rows::group)?.collect::<rusqlite::Result<_>>()?;
    let mut parameters = transaction.prepare(include_str!("sql/parameters.sql"))?;
    let parameters =
        parameters.query_map([run_id.0], rows::parameter)?.collect::<rusqlite::Result<_>>()?;
    Ok(Some(ParameterSet { run_id: Some(run_id), scope, groups, parameters }))
}
