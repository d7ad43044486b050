-- ?1 run
DELETE FROM group_fit
WHERE run_id = ?1;
