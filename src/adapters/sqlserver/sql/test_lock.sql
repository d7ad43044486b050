-- test_lock: @P1 resource
SELECT CAST(APPLOCK_TEST('public', @P1, 'Exclusive', 'Session') AS int) AS is_grantable;
