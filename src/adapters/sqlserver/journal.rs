//! The ledger: requests, starts, deaths, and what can be read of runs.

use std::hash::{BuildHasher as _, RandomState};

use async_trait::async_trait;
use jiff::Timestamp;
use tiberius::{Row, ToSql, Uuid};

use super::conclude::Conclude;
use super::connection::Connection;
use super::error::{ServerError, UnitError};
use super::examine::{cell, only_row};
use super::locks::check_held;
use super::moment::{Moment, is_kept};
use super::rows::{self, Standing, limit_stored};
use super::schema::Schema;
use super::store::SqlServerStore;
use super::unit::Unit;
use crate::adapters::detail_text::request_text;
use crate::adapters::ledger_rules::{ABANDONED, LedgerError, check_move};
use crate::domain::{RefusalRow, RunId, RunRequest, RunRow, RunStatus, Trigger};
use crate::ports::{Conclusion, LockKey, PortResult, Prune, RunFilter, RunJournal};

#[async_trait]
impl RunJournal for SqlServerStore {
    async fn request(&self, request: &RunRequest) -> PortResult<RunId> {
        let key = self.fresh_key();
        self.run(&Request { schema: &self.schema, request, key }).await
    }

    async fn start(&self, run_id: RunId, started_at: Timestamp) -> PortResult<()> {
        self.run(&Start { schema: &self.schema, run_id, started_at }).await
    }

    async fn conclude(&self, conclusion: &Conclusion) -> PortResult<()> {
        self.run(&Conclude { store: self, conclusion }).await
    }

    async fn abandon_dead(
        &self,
        scope: &str,
        found_at: Timestamp,
        lock: Option<&LockKey>,
    ) -> PortResult<Vec<RunId>> {
        self.run(&AbandonDead { schema: &self.schema, scope, found_at, lock }).await
    }

    async fn run(&self, run_id: RunId) -> PortResult<Option<RunRow>> {
        let sql = include_str!("sql/run.sql");
        self.read(format!("read run {run_id}"), sql, &[&run_id.0], |rows| {
            rows.first().map(rows::run).transpose()
        })
        .await
    }

    async fn runs(&self, filter: &RunFilter) -> PortResult<Vec<RunRow>> {
        let limit = limit_stored(filter.limit);
        let status = filter.status.map_or("", RunStatus::as_str);
        let trigger = filter.trigger.map_or("", Trigger::as_str);
        let (of_all, scope) = (filter.scope.is_none(), filter.scope.as_deref().unwrap_or_default());
        let sql = include_str!("sql/runs.sql");
        let parameters: [&dyn ToSql; 5] = [&of_all, &scope, &limit, &status, &trigger];
        self.read("read the runs", sql, &parameters, |rows| rows.iter().map(rows::run).collect())
            .await
    }

    async fn refusals(&self, run_id: RunId) -> PortResult<Vec<RefusalRow>> {
        let sql = include_str!("sql/refusals.sql");
        self.read(format!("read the refusals of run {run_id}"), sql, &[&run_id.0], |rows| {
            rows.iter().map(rows::refusal).collect()
        })
        .await
    }

    async fn keep_settings(&self, hash: &str, document: &str) -> PortResult<()> {
        self.run(&KeepSettings { schema: &self.schema, hash, document }).await
    }

    async fn settings(&self, hash: &str) -> PortResult<Option<String>> {
        let sql = include_str!("sql/settings.sql");
        self.read("read the settings of a run", sql, &[&hash], |rows| {
            rows.first().map(|row| cell::<&str>(row, "document").map(str::to_owned)).transpose()
        })
        .await
    }

    async fn prune(&self, run_ids: &[RunId], depth: Prune) -> PortResult<u64> {
        let mut n_pruned = 0;
        for &run_id in run_ids {
            let unit = PruneRun { schema: &self.schema, run_id, depth };
            n_pruned += self.run(&unit).await?;
        }
        Ok(n_pruned)
    }
}

impl SqlServerStore {
    /// A key that no other process makes. Two runs of the program would collide by seed and clock
    /// alone, so that the operating system's chance, by which the standard library keys its hashes,
    /// is in it too; no result depends on it.
    pub(super) fn fresh_key(&self) -> Uuid {
        let chance = RandomState::new();
        let now = self.connector().clock().now();
        let half = |n: u8| chance.hash_one((self.options.retry.seed, now, n));
        Uuid::from_u64_pair(half(0), half(1))
    }
}

/// Where a run stands.
pub(super) async fn standing(
    connection: &mut Connection,
    schema: &Schema,
    run_id: RunId,
) -> Result<Option<Standing>, UnitError> {
    let sql = schema.sql(include_str!("sql/run_status.sql"));
    let results = connection.query(&sql, &[&run_id.0]).await?;
    results.iter().flatten().next().map(rows::standing).transpose()
}

fn ids(results: &[Vec<Row>]) -> Result<Vec<RunId>, UnitError> {
    let mut ids: Vec<RunId> =
        results.iter().flatten().map(rows::id).collect::<Result<_, UnitError>>()?;
    ids.sort_unstable();
    Ok(ids)
}

struct Request<'a> {
    schema: &'a Schema,
    request: &'a RunRequest,
    key: Uuid,
}

impl Request<'_> {
    /// The run of a former try, where that one landed.
    async fn landed(&self, connection: &mut Connection) -> Result<Option<RunId>, UnitError> {
        let sql = self.schema.sql(include_str!("sql/run_of_request.sql"));
        let results = connection.query(&sql, &[&self.key]).await?;
        Ok(ids(&results)?.first().copied())
    }

    async fn is_taken(&self, connection: &mut Connection, slot: &str) -> Result<bool, UnitError> {
        let sql = self.schema.sql(include_str!("sql/run_of_slot.sql"));
        let results = connection.query(&sql, &[&self.request.scope, &slot]).await?;
        Ok(!ids(&results)?.is_empty())
    }

    fn taken(&self, slot: &str) -> UnitError {
        let (scope, slot) = (self.request.scope.clone(), slot.to_owned());
        LedgerError::Taken { scope, slot }.into()
    }
}

#[async_trait]
impl Unit for Request<'_> {
    type Output = RunId;

    fn doing(&self) -> String {
        "write the request".to_owned()
    }

    async fn attempt(&self, connection: &mut Connection, attempt: u32) -> Result<RunId, UnitError> {
        if attempt > 1
            && let Some(run_id) = self.landed(connection).await?
        {
            return Ok(run_id);
        }
        let request = self.request;
        if let Some(slot) = &request.slot
            && self.is_taken(connection, slot).await?
        {
            return Err(self.taken(slot));
        }
        let detail = request_text(&request.detail);
        let parameters: [&dyn ToSql; 16] = [
            &self.key,
            &request.scope,
            &request.trigger.as_str(),
            &request.requested_by,
            &request.reason,
            &request.window.from.is_some(),
            &Moment::new(request.window.from.unwrap_or_default()),
            &request.window.to.is_some(),
            &Moment::new(request.window.to.unwrap_or_default()),
            &request.model,
            &request.settings_hash,
            &request.code_version,
            &Moment::new(request.requested_at),
            &RunStatus::Requested.as_str(),
            &request.slot.as_deref().unwrap_or_default(),
            &detail.unwrap_or_default(),
        ];
        let sql = self.schema.sql(include_str!("sql/insert_run.sql"));
        match connection.query(&sql, &parameters).await {
            Ok(results) => Ok(RunId(cell(&only_row(results)?, "id")?)),
            // Another process was quicker, between the look and the insert.
            Err(ServerError::Answer { number: 2601 | 2627, .. })
                if attempt == 1 && request.slot.is_some() =>
            {
                Err(self.taken(request.slot.as_deref().unwrap_or_default()))
            }
            // A former try was still under way when it was looked for.
            Err(ServerError::Answer { number: 2601 | 2627, .. }) if attempt > 1 => {
                let lost = UnitError::Value {
                    column: "request_key".to_owned(),
                    what: "is taken by no run".to_owned(),
                };
                self.landed(connection).await?.ok_or(lost)
            }
            Err(error) => Err(error.into()),
        }
    }
}

struct Start<'a> {
    schema: &'a Schema,
    run_id: RunId,
    started_at: Timestamp,
}

#[async_trait]
impl Unit for Start<'_> {
    type Output = ();

    fn doing(&self) -> String {
        format!("start run {}", self.run_id)
    }

    async fn attempt(&self, connection: &mut Connection, attempt: u32) -> Result<(), UnitError> {
        let (run_id, to) = (self.run_id, RunStatus::Running);
        let known = standing(connection, self.schema, run_id).await?;
        let known = known.ok_or(LedgerError::NoSuchRun(run_id))?;
        if attempt > 1 && known.status == to && is_kept(known.started_at, self.started_at) {
            return Ok(());
        }
        check_move(run_id, known.status, to)?;
        let parameters: [&dyn ToSql; 4] =
            [&run_id.0, &known.status.as_str(), &to.as_str(), &Moment::new(self.started_at)];
        let sql = self.schema.sql(include_str!("sql/start_run.sql"));
        let row = only_row(connection.query(&sql, &parameters).await?)?;
        match cell::<i32>(&row, "n_moved")? {
            1 => Ok(()),
            _ => Err(moved_meanwhile(connection, self.schema, run_id, to).await),
        }
    }
}

/// The refusal of a move that was legal when the run was looked at, and no longer when it was to be
/// made.
pub(super) async fn moved_meanwhile(
    connection: &mut Connection,
    schema: &Schema,
    run_id: RunId,
    to: RunStatus,
) -> UnitError {
    match standing(connection, schema, run_id).await {
        Ok(Some(now)) => match check_move(run_id, now.status, to) {
            Err(refusal) => refusal.into(),
            // Back where it was, which no ledger does.
            Ok(()) => LedgerError::IllegalMove { run_id, from: now.status, to }.into(),
        },
        Ok(None) => LedgerError::NoSuchRun(run_id).into(),
        Err(error) => error,
    }
}

struct KeepSettings<'a> {
    schema: &'a Schema,
    hash: &'a str,
    document: &'a str,
}

#[async_trait]
impl Unit for KeepSettings<'_> {
    type Output = ();

    fn doing(&self) -> String {
        "keep the settings".to_owned()
    }

    async fn attempt(&self, connection: &mut Connection, _: u32) -> Result<(), UnitError> {
        let sql = self.schema.sql(include_str!("sql/keep_settings.sql"));
        match connection.query(&sql, &[&self.hash, &self.document]).await {
            // Another process keeps the same.
            Ok(_) | Err(ServerError::Answer { number: 2601 | 2627, .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

struct PruneRun<'a> {
    schema: &'a Schema,
    run_id: RunId,
    depth: Prune,
}

#[async_trait]
impl Unit for PruneRun<'_> {
    type Output = u64;

    fn doing(&self) -> String {
        format!("prune run {}", self.run_id)
    }

    async fn attempt(&self, connection: &mut Connection, _: u32) -> Result<u64, UnitError> {
        let sql = self.schema.sql(include_str!("sql/prune_run.sql"));
        let whole = self.depth == Prune::Run;
        let row = only_row(connection.query(&sql, &[&self.run_id.0, &whole]).await?)?;
        Ok(u64::from(cell::<i32>(&row, "n_pruned")? == 1))
    }
}

struct AbandonDead<'a> {
    schema: &'a Schema,
    scope: &'a str,
    found_at: Timestamp,
    lock: Option<&'a LockKey>,
}

#[async_trait]
impl Unit for AbandonDead<'_> {
    type Output = Vec<RunId>;

    fn doing(&self) -> String {
        "mark abandoned runs".to_owned()
    }

    async fn attempt(
        &self,
        connection: &mut Connection,
        attempt: u32,
    ) -> Result<Vec<RunId>, UnitError> {
        let found_at = Moment::new(self.found_at);
        let sql = self.schema.sql(include_str!("sql/abandon_runs.sql"));
        let holder = self.lock.map_or("", |key| key.0.as_str());
        let parameters: [&dyn ToSql; 4] = [&self.scope, &found_at, &ABANDONED, &holder];
        let mut results = connection.query(&sql, &parameters).await?;
        let held = results.pop().unwrap_or_default();
        check_held(&only_row(vec![held])?, self.scope)?;
        let mut abandoned = ids(&results)?;
        if attempt > 1 {
            // Those of a former try are among them, by the time at which they were found.
            let sql = self.schema.sql(include_str!("sql/abandoned_runs.sql"));
            abandoned = ids(&connection.query(&sql, &[&self.scope, &found_at]).await?)?;
        }
        let sql = self.schema.sql(include_str!("sql/clear_dead_staging.sql"));
        connection.query(&sql, &[&self.scope]).await?;
        Ok(abandoned)
    }
}
