-- staged_part: @P1 run, @P2 shard, @P3 load key, @P4 part
SELECT records
FROM {schema}.shard_part
WHERE run_id = @P1 AND shard = @P2 AND load_key = @P3 AND part = @P4;
