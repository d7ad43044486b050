//! What the shards of one run leave for the one that makes the run of it.

use async_trait::async_trait;
use jiff::Timestamp;

use super::PortResult;
use crate::domain::{RecordBatch, RunId};

/// A shard that has staged everything it read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedShard {
    /// Which one, from 1.
    pub index: u32,
    /// Tells its parts from those of a try that was broken off.
    pub load_key: i64,
    /// Its parts, numbered from 0.
    pub n_parts: u32,
    /// Its rows.
    pub n_rows: u64,
    /// When it was complete.
    pub staged_at: Timestamp,
}

/// Where the shards of a run put what they have read, until the last of them makes the run of it.
#[async_trait]
pub trait ShardStage: Send + Sync {
    /// Batches of one part at the most.
    fn batches_per_part(&self) -> usize;

    /// Keeps a part of a shard's records; no reader sees it before its shard is sealed.
    async fn stage_part(
        &self,
        run_id: RunId,
        shard: &StagedShard,
        part: u32,
        batches: &[RecordBatch],
    ) -> PortResult<()>;

    /// Says that every part of the shard is there. A shard that is sealed already stays as it is.
    async fn seal_shard(&self, run_id: RunId, shard: &StagedShard) -> PortResult<()>;

    /// The shards of a run that are sealed, by index.
    async fn staged_shards(&self, run_id: RunId) -> PortResult<Vec<StagedShard>>;

    /// The records of one part, as they were staged.
    ///
    /// # Errors
    /// [`FailureKind::Missing`](super::FailureKind::Missing) where there is no such part.
    async fn staged_part(
        &self,
        run_id: RunId,
        shard: &StagedShard,
        part: u32,
    ) -> PortResult<Vec<RecordBatch>>;

    /// Throws away whatever the shards of a run have staged.
    async fn clear_stage(&self, run_id: RunId) -> PortResult<()>;
}
