-- release_lock: @P1 resource
DECLARE @code int;
EXECUTE @code = sp_releaseapplock @Resource = @P1, @LockOwner = 'Session';
SELECT @code AS code;
