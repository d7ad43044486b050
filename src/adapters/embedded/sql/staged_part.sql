-- ?1 run, ?2 shard, ?3 load key, ?4 part
SELECT records
FROM shard_part
WHERE run_id = ?1 AND shard = ?2 AND load_key = ?3 AND part = ?4;
