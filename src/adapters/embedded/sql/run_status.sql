-- ?1 run
SELECT scope, status
FROM run
WHERE id = ?1;
