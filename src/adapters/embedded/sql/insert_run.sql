-- ?1 scope, ?2 trigger, ?3 requested_by, ?4 reason, ?5 window_from, ?6 window_to, ?7 model, ?8 settings_hash, ?9 code_version, ?10 requested_at, ?11 status, ?12 slot, ?13 detail
INSERT INTO run (
    scope, "trigger", requested_by, reason, window_from, window_to, model, settings_hash,
    code_version, requested_at, status, slot, detail
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13);
