-- prune_run: @P1 run, @P2 whether its row in the ledger goes too
DECLARE @n_pruned int = 0;
BEGIN TRANSACTION;
-- The mark's row stays locked until the end, so that the run does not become current meanwhile.
IF EXISTS (SELECT 1 FROM {schema}.run WHERE id = @P1 AND status NOT IN (N'requested', N'running'))
    AND NOT EXISTS (SELECT 1 FROM {schema}.current_run WITH (HOLDLOCK) WHERE run_id = @P1)
BEGIN
    DELETE FROM {schema}.parameter WHERE run_id = @P1;
    DELETE FROM {schema}.group_fit WHERE run_id = @P1;
    DELETE FROM {schema}.refusal WHERE run_id = @P1;
    IF @P2 = 1
    BEGIN
        DELETE FROM {schema}.publication WHERE run_id = @P1;
        DELETE FROM {schema}.run WHERE id = @P1;
    END;
    SET @n_pruned = 1;
END;
COMMIT TRANSACTION;
SELECT @n_pruned AS n_pruned;
