-- ?1 scope
SELECT scope, run_id, published_at, published_by, reason
FROM publication
WHERE scope = ?1
ORDER BY id DESC;
