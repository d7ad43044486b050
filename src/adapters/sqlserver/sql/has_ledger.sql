-- has_ledger: @P1 schema
SELECT CAST(COUNT(*) AS int) AS n_tables
FROM sys.tables AS t
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE s.name = @P1 AND t.name = N'schema_migration';
