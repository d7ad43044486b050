-- run_status: @P1 run
SELECT scope, status, started_at, finished_at
FROM {schema}.run
WHERE id = @P1;
