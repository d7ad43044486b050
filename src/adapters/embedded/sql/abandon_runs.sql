-- ?1 scope, ?2 finished_at
UPDATE run
SET
    status = 'abandoned',
    finished_at = ?2,
    message = 'died without a word; found by the next run'
WHERE scope = ?1 AND status = 'running'
RETURNING id;
