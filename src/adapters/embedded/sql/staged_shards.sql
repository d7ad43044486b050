-- ?1 run
SELECT shard, load_key, n_parts, n_rows, staged_at
FROM run_shard
WHERE run_id = ?1
ORDER BY shard;
