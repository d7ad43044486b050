-- ?1 run, ?2 status, ?3 started_at
UPDATE run
SET status = ?2, started_at = ?3
WHERE id = ?1;
