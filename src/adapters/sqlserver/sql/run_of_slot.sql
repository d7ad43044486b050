-- run_of_slot: @P1 scope, @P2 slot
SELECT id
FROM {schema}.run
WHERE scope = @P1 AND slot = @P2;
