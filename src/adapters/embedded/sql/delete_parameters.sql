-- ?1 run
DELETE FROM parameter
WHERE run_id = ?1;
