-- ?1 scope
SELECT id
FROM run
WHERE scope = ?1 AND EXISTS (SELECT 1 FROM parameter WHERE parameter.run_id = run.id)
ORDER BY id DESC;
