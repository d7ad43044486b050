-- ?1 run
DELETE FROM publication
WHERE run_id = ?1;
