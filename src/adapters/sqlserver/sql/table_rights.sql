-- table_rights: @P1 table, quoted
SELECT HAS_PERMS_BY_NAME(@P1, N'OBJECT', N'INSERT') AS may_insert,
       HAS_PERMS_BY_NAME(@P1, N'OBJECT', N'UPDATE') AS may_update,
       HAS_PERMS_BY_NAME(@P1, N'OBJECT', N'DELETE') AS may_delete;
