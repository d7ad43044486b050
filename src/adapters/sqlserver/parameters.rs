//! The published parameters, and the mark.

use async_trait::async_trait;
use tiberius::ToSql;

use super::connection::Connection;
use super::error::UnitError;
use super::examine::{cell, only_row};
use super::journal::standing;
use super::locks::check_held;
use super::moment::{Moment, is_kept};
use super::rows::{self, limit_stored};
use super::schema::Schema;
use super::store::SqlServerStore;
use super::unit::Unit;
use crate::adapters::ledger_rules::{Candidate, check_candidate};
use crate::domain::{ParameterSet, Publication, RunId};
use crate::ports::{LockKey, ParameterStore, PortResult};

#[async_trait]
impl ParameterStore for SqlServerStore {
    fn describe(&self) -> String {
        format!("{}, schema `{}`", self.options.server, self.schema.name())
    }

    async fn publications(&self, scope: &str, limit: u32) -> PortResult<Vec<Publication>> {
        let sql = include_str!("sql/publications.sql");
        self.read("read the publications", sql, &[&scope, &limit_stored(limit)], |rows| {
            rows.iter().map(rows::publication).collect()
        })
        .await
    }

    async fn publish(&self, publication: &Publication, lock: Option<&LockKey>) -> PortResult<()> {
        self.run(&Publish { schema: &self.schema, publication, lock }).await
    }

    async fn mark(&self, scope: &str) -> PortResult<Option<Publication>> {
        let sql = include_str!("sql/mark.sql");
        self.read("read the mark", sql, &[&scope], |rows| {
            rows.first().map(rows::publication).transpose()
        })
        .await
    }

    async fn parameter_set(&self, run_id: RunId) -> PortResult<Option<ParameterSet>> {
        let doing = || format!("read the parameters of run {run_id}");
        let sql = include_str!("sql/run_status.sql");
        let standing = self
            .read(doing(), sql, &[&run_id.0], |rows| rows.first().map(rows::standing).transpose())
            .await?;
        let Some(standing) = standing else { return Ok(None) };
        let mut set =
            ParameterSet { run_id: Some(run_id), scope: standing.scope, ..ParameterSet::default() };
        // The transaction that ends a run is the one that adds its rows: a run that is over has all
        // of them, and of another none is looked at, so that no transaction is needed here.
        if standing.status.is_final() {
            let sql = include_str!("sql/groups.sql");
            set.groups = self
                .read(doing(), sql, &[&run_id.0], |rows| rows.iter().map(rows::group).collect())
                .await?;
            let sql = include_str!("sql/parameters.sql");
            set.parameters = self
                .read(doing(), sql, &[&run_id.0], |rows| rows.iter().map(rows::parameter).collect())
                .await?;
        }
        Ok(Some(set))
    }

    async fn sets(&self, scope: &str) -> PortResult<Vec<RunId>> {
        let sql = include_str!("sql/sets.sql");
        self.read("read which sets there are", sql, &[&scope], |rows| {
            rows.iter().map(rows::id).collect()
        })
        .await
    }
}

/// Moves the mark outside a run.
struct Publish<'a> {
    schema: &'a Schema,
    publication: &'a Publication,
    lock: Option<&'a LockKey>,
}

impl Publish<'_> {
    /// Whether a former try took place: no other move of this mark has its time.
    async fn has_landed(&self, connection: &mut Connection) -> Result<bool, UnitError> {
        let sql = self.schema.sql(include_str!("sql/mark.sql"));
        let results = connection.query(&sql, &[&self.publication.scope]).await?;
        let mark = results.iter().flatten().next().map(rows::publication).transpose()?;
        Ok(mark.is_some_and(|mark| {
            mark.run_id == self.publication.run_id
                && is_kept(Some(mark.published_at), self.publication.published_at)
        }))
    }
}

#[async_trait]
impl Unit for Publish<'_> {
    type Output = ();

    fn doing(&self) -> String {
        format!("publish run {}", self.publication.run_id)
    }

    async fn attempt(&self, connection: &mut Connection, attempt: u32) -> Result<(), UnitError> {
        if attempt > 1 && self.has_landed(connection).await? {
            return Ok(());
        }
        let publication = self.publication;
        let run_id = publication.run_id;
        let known = standing(connection, self.schema, run_id).await?;
        let sql = self.schema.sql(include_str!("sql/n_parameters.sql"));
        let row = only_row(connection.query(&sql, &[&run_id.0]).await?)?;
        let n_parameters: i64 = cell(&row, "n")?;
        let candidate = known.map(|known| Candidate {
            scope: known.scope,
            status: known.status,
            has_parameters: n_parameters > 0,
        });
        check_candidate(publication, candidate.as_ref())?;
        let holder = self.lock.map_or("", |key| key.0.as_str());
        let parameters: [&dyn ToSql; 7] = [
            &publication.scope,
            &run_id.0,
            &Moment::new(publication.published_at),
            &publication.published_by,
            &publication.reason,
            &publication.comment,
            &holder,
        ];
        let sql = self.schema.sql(include_str!("sql/publish_run.sql"));
        let row = only_row(connection.query(&sql, &parameters).await?)?;
        check_held(&row, &publication.scope)
    }
}
