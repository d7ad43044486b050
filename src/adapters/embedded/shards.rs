//! What the shards of a run have staged.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};

use super::Embedded;
use super::error::StatementError;
use super::rows::{count_stored, time, time_text};
use crate::adapters::staged_records::{self, BATCHES_PER_PART};
use crate::domain::{RecordBatch, RunId};
use crate::ports::{FailureKind, PortError, PortResult, ShardStage, StagedShard};

#[async_trait]
impl ShardStage for Embedded {
    fn batches_per_part(&self) -> usize {
        BATCHES_PER_PART
    }

    async fn stage_part(
        &self,
        run_id: RunId,
        shard: &StagedShard,
        part: u32,
        batches: &[RecordBatch],
    ) -> PortResult<()> {
        let packed = staged_records::pack(batches);
        let packed = packed.map_err(|error| PortError::new(FailureKind::Internal, error))?;
        let (index, load_key) = (shard.index, shard.load_key);
        self.write(format!("stage shard {index} of run {run_id}"), move |transaction| {
            let sql = include_str!("sql/insert_shard_part.sql");
            transaction.execute(sql, params![run_id.0, index, load_key, part, packed])?;
            Ok(())
        })
        .await
    }

    async fn seal_shard(&self, run_id: RunId, shard: &StagedShard) -> PortResult<()> {
        let shard = shard.clone();
        self.write(format!("seal shard {} of run {run_id}", shard.index), move |transaction| {
            transaction.execute(
                include_str!("sql/seal_shard.sql"),
                params![
                    run_id.0,
                    shard.index,
                    shard.load_key,
                    shard.n_parts,
                    count_stored(shard.n_rows),
                    time_text(shard.staged_at),
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn staged_shards(&self, run_id: RunId) -> PortResult<Vec<StagedShard>> {
        self.read(format!("read the shards of run {run_id}"), move |transaction| {
            let mut statement = transaction.prepare(include_str!("sql/staged_shards.sql"))?;
            let shards = statement.query_map([run_id.0], staged)?;
            Ok(shards.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn staged_part(
        &self,
        run_id: RunId,
        shard: &StagedShard,
        part: u32,
    ) -> PortResult<Vec<RecordBatch>> {
        let (index, load_key) = (shard.index, shard.load_key);
        let doing = format!("read part {part} of shard {index} of run {run_id}");
        let bytes: Option<Vec<u8>> = self
            .read(doing.clone(), move |transaction| {
                let sql = include_str!("sql/staged_part.sql");
                let key = params![run_id.0, index, load_key, part];
                Ok::<_, StatementError>(
                    transaction.query_row(sql, key, |row| row.get(0)).optional()?,
                )
            })
            .await?;
        let gone = || PortError::new(FailureKind::Missing, format!("cannot {doing}: it is gone"));
        staged_records::unpack(bytes.ok_or_else(gone)?)
            .map_err(|error| PortError::new(FailureKind::Malformed, error))
    }

    async fn clear_stage(&self, run_id: RunId) -> PortResult<()> {
        self.write(format!("clear the shards of run {run_id}"), move |transaction| {
            transaction.execute(include_str!("sql/delete_run_shard.sql"), [run_id.0])?;
            transaction.execute(include_str!("sql/delete_shard_part.sql"), [run_id.0])?;
            Ok(())
        })
        .await
    }
}

fn staged(row: &Row<'_>) -> rusqlite::Result<StagedShard> {
    Ok(StagedShard {
        index: row.get("shard")?,
        load_key: row.get("load_key")?,
        n_parts: row.get("n_parts")?,
        n_rows: row.get("n_rows").map(i64::cast_unsigned)?,
        staged_at: time(row, "staged_at")?,
    })
}
