-- no parameters
SELECT
    COUNT(*) AS n_tables,
    COALESCE(SUM(name = 'schema_migration'), 0) AS n_ledgers
FROM sqlite_schema
WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\';
