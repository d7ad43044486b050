-- ?1 scope or NULL, ?2 status or NULL, ?3 trigger or NULL, ?4 limit, negative for none
SELECT
    id, scope, "trigger", requested_by, reason, window_from, window_to, model, settings_hash,
    code_version, requested_at, status, started_at, finished_at, rows_read, rows_refused, rows_used,
    groups_fitted, groups_pooled, groups_fallback, groups_carried_over, groups_failed,
    groups_cancelled, exit_code, message, slot, detail
FROM run
WHERE (?1 IS NULL OR scope = ?1)
    AND (?2 IS NULL OR status = ?2)
    AND (?3 IS NULL OR "trigger" = ?3)
ORDER BY id DESC
LIMIT ?4;
