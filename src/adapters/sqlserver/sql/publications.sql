-- publications: @P1 scope
SELECT scope, run_id, published_at, published_by, reason
FROM {schema}.publication
WHERE scope = @P1
ORDER BY id DESC;
