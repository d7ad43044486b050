-- server_clock: no parameters
SELECT CAST(SYSUTCDATETIME() AS datetime2(6)) AS utc_now;
