-- staged_shards: @P1 run
SELECT shard, load_key, n_parts, n_rows, staged_at
FROM {schema}.run_shard
WHERE run_id = @P1
ORDER BY shard;
