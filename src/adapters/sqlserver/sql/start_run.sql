-- start_run: @P1 run, @P2 status before, @P3 status, @P4 started_at
UPDATE {schema}.run
SET status = @P3, started_at = @P4
WHERE id = @P1 AND status = @P2;
SELECT CAST(@@ROWCOUNT AS int) AS n_moved;
