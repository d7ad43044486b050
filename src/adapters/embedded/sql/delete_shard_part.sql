-- ?1 run
DELETE FROM shard_part
WHERE run_id = ?1;
