-- migrate: @P1 version, @P2 name, @P3 checksum
IF NOT EXISTS (SELECT 1 FROM {schema}.schema_migration WHERE version = @P1)
BEGIN
    BEGIN TRANSACTION;
{batches}    INSERT INTO {schema}.schema_migration (version, name, checksum)
    VALUES (@P1, @P2, @P3);
    COMMIT TRANSACTION;
END;
