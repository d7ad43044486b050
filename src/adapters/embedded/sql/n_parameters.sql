-- ?1 run
SELECT count(*)
FROM parameter
WHERE run_id = ?1;
