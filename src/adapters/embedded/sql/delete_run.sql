-- ?1 run
DELETE FROM run
WHERE id = ?1;
