-- create_schema: no parameters
IF NOT EXISTS (SELECT 1 FROM sys.schemas WHERE name = N'{schema_text}')
    EXECUTE (N'CREATE SCHEMA {schema_in_text}');
