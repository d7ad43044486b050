-- ?1 run, ?2 status, ?3 finished_at, ?4 rows_read, ?5 rows_refused, ?6 rows_used, ?7 groups_fitted, ?8 groups_pooled, ?9 groups_fallback, ?10 groups_carried_over, ?11 groups_failed, ?12 groups_cancelled, ?13 exit_code, ?14 message
UPDATE run
SET
    status = ?2,
    finished_at = ?3,
    rows_read = ?4,
    rows_refused = ?5,
    rows_used = ?6,
    groups_fitted = ?7,
    groups_pooled = ?8,
    groups_fallback = ?9,
    groups_carried_over = ?10,
    groups_failed = ?11,
    groups_cancelled = ?12,
    exit_code = ?13,
    message = ?14
WHERE id = ?1;
