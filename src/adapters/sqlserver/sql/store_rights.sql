-- store_rights: no parameters
SELECT
    CAST(n.table_name AS nvarchar(40)) AS table_name,
    CAST(n.permission AS nvarchar(40)) AS permission
FROM (
    VALUES
    (N'schema_migration', N'SELECT'),
    (N'run', N'SELECT'), (N'run', N'INSERT'), (N'run', N'UPDATE'),
    (N'group_fit', N'SELECT'), (N'group_fit', N'INSERT'),
    (N'parameter', N'SELECT'), (N'parameter', N'INSERT'),
    (N'refusal', N'SELECT'), (N'refusal', N'INSERT'),
    (N'publication', N'SELECT'), (N'publication', N'INSERT'),
    (N'current_run', N'SELECT'), (N'current_run', N'INSERT'), (N'current_run', N'UPDATE'),
    (N'staged_row', N'SELECT'), (N'staged_row', N'INSERT'), (N'staged_row', N'DELETE'),
    (N'settings', N'SELECT'), (N'settings', N'INSERT')
) AS n (table_name, permission)
WHERE COALESCE(
    HAS_PERMS_BY_NAME(N'{schema_in_text}.' + n.table_name, N'OBJECT', n.permission), 0
) = 0;
