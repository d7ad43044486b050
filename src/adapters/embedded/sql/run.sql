-- ?1 run
SELECT
    id, scope, "trigger", requested_by, reason, window_from, window_to, model, settings_hash,
    code_version, requested_at, status, started_at, finished_at, rows_read, rows_refused, rows_used,
    groups_fitted, groups_pooled, groups_fallback, groups_carried_over, groups_failed,
    groups_cancelled, exit_code, message, slot, detail
FROM run
WHERE id = ?1;
