-- create_schema_migration: no parameters
IF NOT EXISTS (
    SELECT 1
    FROM sys.tables AS t
    JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = N'{schema_text}' AND t.name = N'schema_migration'
)
    CREATE TABLE {schema}.schema_migration (
        version int NOT NULL CONSTRAINT schema_migration_pk PRIMARY KEY CLUSTERED,
        name nvarchar(100) NOT NULL,
        checksum nvarchar(64) NOT NULL,
        applied_at datetime2(6) NOT NULL
            CONSTRAINT schema_migration_applied_at_df DEFAULT SYSUTCDATETIME()
    );
