-- abandon_runs: @P1 scope, @P2 finished_at, @P3 message, @P4 holder's lock or empty
DECLARE @is_held int = 1;
BEGIN TRANSACTION;
UPDATE {schema}.run
SET status = N'abandoned', finished_at = @P2, message = @P3
OUTPUT inserted.id
WHERE scope = @P1 AND status = N'running';
-- Changes nothing, and waits for a publication by hand that is under way. In the order in which
-- `conclude_run` locks its rows.
UPDATE {schema}.current_run
SET run_id = run_id
WHERE scope = @P1;
-- Last, with the rows locked: a process that has lost the lock ends no run of its next holder.
IF @P4 <> N''
    SET @is_held = CASE WHEN APPLOCK_TEST('public', @P4, 'Exclusive', 'Session') = 0 THEN 1 ELSE 0 END;
IF @is_held = 1
    COMMIT TRANSACTION;
ELSE
    ROLLBACK TRANSACTION;
SELECT @is_held AS is_held;
