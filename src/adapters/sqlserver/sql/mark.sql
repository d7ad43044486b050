-- mark: @P1 scope
SELECT p.scope, p.run_id, p.published_at, p.published_by, p.reason,
    COALESCE(p.comment, N'') AS comment
FROM {schema}.current_run AS c
JOIN {schema}.publication AS p ON p.id = c.publication_id
WHERE c.scope = @P1;
