-- ?1 scope
SELECT p.scope, p.run_id, p.published_at, p.published_by, p.reason, p.comment
FROM current_run AS c
JOIN publication AS p ON p.id = c.publication_id
WHERE c.scope = ?1;
