-- database_isolation: @P1 database, empty for the connection's own
SELECT snapshot_isolation_state, is_read_committed_snapshot_on
FROM sys.databases
WHERE name = COALESCE(NULLIF(@P1, N''), DB_NAME());
