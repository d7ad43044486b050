-- ?1 scope, ?2 finished_at, ?3 message
UPDATE run
SET
    status = 'abandoned',
    finished_at = ?2,
    message = ?3
WHERE scope = ?1 AND status = 'running'
RETURNING id;
