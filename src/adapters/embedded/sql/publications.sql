-- ?1 scope, ?2 limit, negative for none
SELECT scope, run_id, published_at, published_by, reason, comment
FROM publication
WHERE scope = ?1
ORDER BY id DESC
LIMIT ?2;
