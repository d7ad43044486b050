-- publications: @P1 scope, @P2 limit
SELECT TOP (@P2)
    scope, run_id, published_at, published_by, reason, COALESCE(comment, N'') AS comment
FROM {schema}.publication
WHERE scope = @P1
ORDER BY id DESC;
