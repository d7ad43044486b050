-- clear_stage: @P1 run
DELETE FROM {schema}.run_shard
WHERE run_id = @P1;
DELETE FROM {schema}.shard_part
WHERE run_id = @P1;
