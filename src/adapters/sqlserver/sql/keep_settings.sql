-- keep_settings: @P1 hash, @P2 document
INSERT INTO {schema}.settings (hash, document)
SELECT @P1, @P2
WHERE NOT EXISTS (SELECT 1 FROM {schema}.settings WHERE hash = @P1);
