-- ?1 run, ?2 shard, ?3 load key, ?4 parts, ?5 rows, ?6 staged_at
INSERT INTO run_shard (run_id, shard, load_key, n_parts, n_rows, staged_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (run_id, shard) DO NOTHING;
