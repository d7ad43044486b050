-- login_rights: no parameters
SELECT
    CAST(SUSER_SNAME() AS nvarchar(128)) AS login_name,
    CAST(USER_NAME() AS nvarchar(128)) AS user_name,
    CAST(DB_NAME() AS nvarchar(128)) AS database_name,
    CAST(COALESCE(IS_SRVROLEMEMBER('sysadmin'), 0) AS int) AS is_sysadmin,
    CAST(COALESCE(IS_MEMBER('db_owner'), 0) AS int) AS is_db_owner,
    CAST(COALESCE(HAS_PERMS_BY_NAME(NULL, NULL, 'CONTROL SERVER'), 0) AS int) AS has_control_server,
    CAST(COALESCE(HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'CONTROL'), 0) AS int) AS has_control;
