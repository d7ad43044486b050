-- hold_lock: @P1 resource
SELECT CAST(APPLOCK_MODE('public', @P1, 'Session') AS nvarchar(40)) AS mode;
