-- applied_migrations: no parameters
SELECT version, name, checksum
FROM {schema}.schema_migration
ORDER BY version;
