-- conclude_run: @P1 run, @P2 status before, @P3 status, @P4 finished_at, @P5 rows_read, @P6 rows_refused, @P7 rows_used, @P8 groups_fitted, @P9 groups_pooled, @P10 groups_fallback, @P11 groups_carried_over, @P12 groups_failed, @P13 groups_cancelled, @P14 exit_code, @P15 message, @P16 load_key, @P17 rows staged, @P18 run to publish or NULL, @P19 its scope, @P20 published_at, @P21 published_by, @P22 reason, @P23 comment, @P24 holder's lock or empty
DECLARE @n_moved bigint, @n_kept bigint = 0, @publication_id bigint, @is_held int = 1;
BEGIN TRANSACTION;
UPDATE {schema}.run
SET
    status = @P3,
    finished_at = @P4,
    rows_read = @P5,
    rows_refused = @P6,
    rows_used = @P7,
    groups_fitted = @P8,
    groups_pooled = @P9,
    groups_fallback = @P10,
    groups_carried_over = @P11,
    groups_failed = @P12,
    groups_cancelled = @P13,
    exit_code = @P14,
    message = @P15
WHERE id = @P1 AND status = @P2;
SET @n_moved = @@ROWCOUNT;
IF @n_moved = 1 AND @P17 > 0
BEGIN
    INSERT INTO {schema}.group_fit (
        run_id, ordinal, region, band, priority, model, loss, outcome, source_level, n_read,
        n_refused, n_used, termination, iterations, ssr_log, rmse_log, mae_s, median_ape,
        share_under_p90, condition, verdict, message, detail
    )
    SELECT
        run_id, ordinal, region, band, priority, model, loss, outcome, source_level, n_read,
        n_refused, n_used, termination, iterations, ssr_log, rmse_log, mae_s, median_ape,
        share_under_p90, condition, verdict, message, detail
    FROM {schema}.staged_row
    WHERE run_id = @P1 AND load_key = @P16 AND kind = N'group';
    SET @n_kept = @n_kept + @@ROWCOUNT;
    INSERT INTO {schema}.parameter (
        run_id, ordinal, region, band, priority, name, unit, estimate, std_error, ci_low, ci_high,
        raw_estimate, pool_weight, status
    )
    SELECT
        run_id, ordinal, region, band, priority, name, unit, estimate, std_error, ci_low, ci_high,
        raw_estimate, pool_weight, status
    FROM {schema}.staged_row
    WHERE run_id = @P1 AND load_key = @P16 AND kind = N'parameter';
    SET @n_kept = @n_kept + @@ROWCOUNT;
    INSERT INTO {schema}.refusal (run_id, ordinal, region, reason, count, examples)
    SELECT run_id, ordinal, region, reason, count, examples
    FROM {schema}.staged_row
    WHERE run_id = @P1 AND load_key = @P16 AND kind = N'refusal';
    SET @n_kept = @n_kept + @@ROWCOUNT;
    DELETE FROM {schema}.staged_row
    WHERE run_id = @P1;
END;
IF @n_moved = 1 AND @n_kept = @P17
BEGIN
    IF @P18 IS NOT NULL
    BEGIN
        INSERT INTO {schema}.publication (scope, run_id, published_at, published_by, reason, comment)
        VALUES (@P19, @P18, @P20, @P21, @P22, @P23);
        SET @publication_id = SCOPE_IDENTITY();
        -- The range stays locked until the insert, so that two first publications wait for each
        -- other. Babelfish differs: it ignores the hints, and the second breaks the primary key.
        UPDATE {schema}.current_run WITH (UPDLOCK, HOLDLOCK)
        SET run_id = @P18, publication_id = @publication_id
        WHERE scope = @P19;
        IF @@ROWCOUNT = 0
            INSERT INTO {schema}.current_run (scope, run_id, publication_id)
            VALUES (@P19, @P18, @publication_id);
        -- Last, with the rows of the run and of the mark locked: whoever takes the lock after this
        -- waits in `abandon_runs` for the end of this transaction.
        IF @P24 <> N''
            SET @is_held =
                CASE WHEN APPLOCK_TEST('public', @P24, 'Exclusive', 'Session') = 0 THEN 1 ELSE 0 END;
    END;
    IF @is_held = 1
        COMMIT TRANSACTION;
    ELSE
        ROLLBACK TRANSACTION;
END
ELSE
    ROLLBACK TRANSACTION;
SELECT @n_moved AS n_moved, @n_kept AS n_kept, @is_held AS is_held;
