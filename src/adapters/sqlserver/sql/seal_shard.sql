-- seal_shard: @P1 run, @P2 shard, @P3 load key, @P4 parts, @P5 rows, @P6 staged_at
INSERT INTO {schema}.run_shard (run_id, shard, load_key, n_parts, n_rows, staged_at)
SELECT @P1, @P2, @P3, @P4, @P5, @P6
WHERE NOT EXISTS (
    SELECT 1
    FROM {schema}.run_shard
    WHERE run_id = @P1 AND shard = @P2
);
