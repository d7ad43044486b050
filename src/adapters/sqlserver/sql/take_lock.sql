-- take_lock: @P1 resource, @P2 timeout_ms
DECLARE @code int;
EXECUTE @code = sp_getapplock
    @Resource = @P1, @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = @P2;
SELECT
    @code AS code,
    CAST(APPLOCK_TEST('public', @P1, 'Exclusive', 'Session') AS int) AS is_grantable;
