-- clear_staging: @P1 run
DELETE FROM {schema}.staged_row
WHERE run_id = @P1;
