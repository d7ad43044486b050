-- runs: @P1 whether of all scopes, @P2 scope, @P3 limit, @P4 status or empty, @P5 trigger or empty
SELECT TOP (@P3)
    id, scope, [trigger], requested_by, reason, window_from, window_to, model, settings_hash,
    code_version, requested_at, status, started_at, finished_at, rows_read, rows_refused, rows_used,
    groups_fitted, groups_pooled, groups_fallback, groups_carried_over, groups_failed,
    groups_cancelled, exit_code, message, slot, detail
FROM {schema}.run
WHERE (@P1 = 1 OR scope = @P2)
    AND (@P4 = N'' OR status = @P4)
    AND (@P5 = N'' OR [trigger] = @P5)
ORDER BY id DESC;
