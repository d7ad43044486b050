-- abandoned_runs: @P1 scope, @P2 finished_at
SELECT id
FROM {schema}.run
WHERE scope = @P1 AND status = N'abandoned' AND finished_at = @P2;
