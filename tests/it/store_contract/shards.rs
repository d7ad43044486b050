//! What shards stage, and what of it a reader sees.

use speedfit::domain::record::RecordRef;
use speedfit::domain::{IncidentId, RecordBatch, RowFault, RunId};
use speedfit::ports::{FailureKind, Prune, StagedShard};

use super::Fixture;
use crate::support::{at, ending, request};

fn batch(seed: usize) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for n in 0..300 {
        batch.push(RecordRef {
            incident_id: Some(IncidentId::Number(n)),
            region: (n % 7 > 0).then_some("København 🚒"),
            occurred_at_us: Some(1_700_000_000_000_000 + n),
            distance_km: Some(1.0 / (seed as f64 + 3.0)),
            travel_time_s: Some(f64::NAN),
            fault: (n % 50 == 0).then_some(RowFault::row("no number")),
            ..RecordRef::default()
        });
    }
    batch
}

fn shard(index: u32, load_key: i64) -> StagedShard {
    let staged_at = at("2026-02-01T00:00:00.123456Z");
    StagedShard { index, load_key, n_parts: 2, n_rows: 600, staged_at }
}

pub(super) async fn parts_come_back_as_they_went_in(f: &Fixture) {
    let run_id = f.store.request(&request(&f.scope("a"))).await.unwrap();
    let shard = shard(3, i64::MIN + 7);
    let whole = |seed| [batch(seed), batch(seed + 1)];
    for part in 0..2 {
        f.store.stage_part(run_id, &shard, part, &whole(part as usize)).await.unwrap();
    }
    assert_eq!(f.other.staged_shards(run_id).await.unwrap(), []);
    f.store.seal_shard(run_id, &shard).await.unwrap();
    assert_eq!(f.other.staged_shards(run_id).await.unwrap(), std::slice::from_ref(&shard));
    let rows = |batches: &[RecordBatch]| -> Vec<String> {
        batches.iter().flat_map(RecordBatch::rows).map(|row| format!("{row:?}")).collect()
    };
    for part in 0..2 {
        let found = f.other.staged_part(run_id, &shard, part).await.unwrap();
        assert_eq!(rows(&found), rows(&whole(part as usize)));
    }
    let error = f.other.staged_part(run_id, &shard, 2).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Missing);
}

pub(super) async fn a_shard_is_sealed_once(f: &Fixture) {
    let run_id = f.store.request(&request(&f.scope("a"))).await.unwrap();
    for (index, load_key) in [(2, 5), (1, 6), (2, 7)] {
        let shard = shard(index, load_key);
        f.store.stage_part(run_id, &shard, 0, &[batch(0)]).await.unwrap();
        f.other.seal_shard(run_id, &shard).await.unwrap();
    }
    assert_eq!(f.store.staged_shards(run_id).await.unwrap(), [shard(1, 6), shard(2, 5)]);
}

pub(super) async fn clearing_leaves_other_runs_alone(f: &Fixture) {
    let scope = f.scope("a");
    let (a, b) = (request(&scope), request(&scope));
    let runs = [f.store.request(&a).await.unwrap(), f.store.request(&b).await.unwrap()];
    for run_id in runs {
        f.store.stage_part(run_id, &shard(1, 1), 0, &[batch(0)]).await.unwrap();
        f.store.seal_shard(run_id, &shard(1, 1)).await.unwrap();
    }
    f.store.clear_stage(runs[0]).await.unwrap();
    assert_eq!(f.other.staged_shards(runs[0]).await.unwrap(), []);
    assert!(f.other.staged_part(runs[0], &shard(1, 1), 0).await.is_err());
    assert_eq!(f.other.staged_part(runs[1], &shard(1, 1), 0).await.unwrap().len(), 1);
    // Pruning takes it too.
    let end = ending(runs[1], speedfit::domain::RunStatus::Failed);
    f.store.conclude(&end).await.unwrap();
    assert_eq!(f.store.prune(&[runs[1]], Prune::Set).await.unwrap(), 1);
    assert_eq!(f.other.staged_shards(runs[1]).await.unwrap(), []);
    f.store.clear_stage(RunId(i64::MAX)).await.unwrap();
}
