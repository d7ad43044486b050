-- settings: @P1 hash
SELECT document
FROM {schema}.settings
WHERE hash = @P1;
