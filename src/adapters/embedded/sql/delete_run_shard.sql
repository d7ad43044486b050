-- ?1 run
DELETE FROM run_shard
WHERE run_id = ?1;
