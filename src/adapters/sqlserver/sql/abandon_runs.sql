-- abandon_runs: @P1 scope, @P2 finished_at, @P3 message
UPDATE {schema}.run
SET status = N'abandoned', finished_at = @P2, message = @P3
OUTPUT inserted.id
WHERE scope = @P1 AND status = N'running';
