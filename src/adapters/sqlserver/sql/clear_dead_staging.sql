-- clear_dead_staging: @P1 scope
DELETE FROM {schema}.staged_row
WHERE run_id IN (
    SELECT id FROM {schema}.run WHERE scope = @P1 AND status NOT IN (N'requested', N'running')
);
