//! What the shards of a run have staged.

use async_trait::async_trait;
use tiberius::{Row, ToSql};

use super::connection::Connection;
use super::error::{ServerError, UnitError};
use super::examine::cell;
use super::moment::Moment;
use super::rows::{count_stored, time};
use super::schema::Schema;
use super::store::SqlServerStore;
use super::unit::Unit;
use crate::adapters::staged_records::{self, BATCHES_PER_PART};
use crate::domain::{RecordBatch, RunId};
use crate::ports::{FailureKind, PortError, PortResult, ShardStage, StagedShard};

#[async_trait]
impl ShardStage for SqlServerStore {
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
        let (index, part) = (number_stored(shard.index), number_stored(part));
        let parameters: [&dyn ToSql; 5] =
            [&run_id.0, &index, &shard.load_key, &part, &packed.as_slice()];
        self.run(&Stage {
            schema: &self.schema,
            doing: format!("stage shard {index} of run {run_id}"),
            sql: include_str!("sql/insert_shard_part.sql"),
            parameters: &parameters,
        })
        .await
    }

    async fn seal_shard(&self, run_id: RunId, shard: &StagedShard) -> PortResult<()> {
        let (index, n_parts) = (number_stored(shard.index), number_stored(shard.n_parts));
        let (n_rows, staged_at) = (count_stored(shard.n_rows), Moment::new(shard.staged_at));
        let parameters: [&dyn ToSql; 6] =
            [&run_id.0, &index, &shard.load_key, &n_parts, &n_rows, &staged_at];
        self.run(&Stage {
            schema: &self.schema,
            doing: format!("seal shard {index} of run {run_id}"),
            sql: include_str!("sql/seal_shard.sql"),
            parameters: &parameters,
        })
        .await
    }

    async fn staged_shards(&self, run_id: RunId) -> PortResult<Vec<StagedShard>> {
        let sql = include_str!("sql/staged_shards.sql");
        self.read(format!("read the shards of run {run_id}"), sql, &[&run_id.0], |rows| {
            rows.iter().map(staged).collect()
        })
        .await
    }

    async fn staged_part(
        &self,
        run_id: RunId,
        shard: &StagedShard,
        part: u32,
    ) -> PortResult<Vec<RecordBatch>> {
        let (index, part) = (number_stored(shard.index), number_stored(part));
        let doing = format!("read part {part} of shard {index} of run {run_id}");
        let sql = include_str!("sql/staged_part.sql");
        let key: [&dyn ToSql; 4] = [&run_id.0, &index, &shard.load_key, &part];
        let bytes = self.read(doing.clone(), sql, &key, |rows| {
            rows.first().map(|row| cell::<&[u8]>(row, "records").map(<[u8]>::to_vec)).transpose()
        });
        let gone = || PortError::new(FailureKind::Missing, format!("cannot {doing}: it is gone"));
        staged_records::unpack(bytes.await?.ok_or_else(gone)?)
            .map_err(|error| PortError::new(FailureKind::Malformed, error))
    }

    async fn clear_stage(&self, run_id: RunId) -> PortResult<()> {
        self.run(&Stage {
            schema: &self.schema,
            doing: format!("clear the shards of run {run_id}"),
            sql: include_str!("sql/clear_stage.sql"),
            parameters: &[&run_id.0],
        })
        .await
    }
}

/// A number of shards or parts as the server keeps it; none is near the end of its type.
fn number_stored(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn number(row: &Row, column: &str) -> Result<u32, UnitError> {
    Ok(cell::<i32>(row, column)?.cast_unsigned())
}

fn staged(row: &Row) -> Result<StagedShard, UnitError> {
    Ok(StagedShard {
        index: number(row, "shard")?,
        load_key: cell(row, "load_key")?,
        n_parts: number(row, "n_parts")?,
        n_rows: cell::<i64>(row, "n_rows")?.cast_unsigned(),
        staged_at: time(row, "staged_at")?,
    })
}

/// A change that is harmless when it is done twice.
struct Stage<'a> {
    schema: &'a Schema,
    doing: String,
    sql: &'a str,
    parameters: &'a [&'a dyn ToSql],
}

#[async_trait]
impl Unit for Stage<'_> {
    type Output = ();

    fn doing(&self) -> String {
        self.doing.clone()
    }

    async fn attempt(&self, connection: &mut Connection, _: u32) -> Result<(), UnitError> {
        match connection.query(&self.schema.sql(self.sql), self.parameters).await {
            // Another try, or another process, has done the same at the same time.
            Ok(_) | Err(ServerError::Answer { number: 2601 | 2627, .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
