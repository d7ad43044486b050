-- insert_shard_part: @P1 run, @P2 shard, @P3 load key, @P4 part, @P5 records
INSERT INTO {schema}.shard_part (run_id, shard, load_key, part, records)
SELECT @P1, @P2, @P3, @P4, @P5
WHERE NOT EXISTS (
    SELECT 1
    FROM {schema}.shard_part
    WHERE run_id = @P1 AND shard = @P2 AND load_key = @P3 AND part = @P4
);
