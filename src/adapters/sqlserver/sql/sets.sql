-- sets: @P1 scope
SELECT r.id
FROM {schema}.run AS r
WHERE r.scope = @P1 AND EXISTS (SELECT 1 FROM {schema}.parameter AS p WHERE p.run_id = r.id)
ORDER BY r.id DESC;
