-- ?1 run, ?2 shard, ?3 load key, ?4 part, ?5 records
INSERT INTO shard_part (run_id, shard, load_key, part, records)
VALUES (?1, ?2, ?3, ?4, ?5);
