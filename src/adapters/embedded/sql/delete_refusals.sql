-- ?1 run
DELETE FROM refusal
WHERE run_id = ?1;
