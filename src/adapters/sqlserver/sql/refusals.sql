-- refusals: @P1 run
SELECT region, reason, count, examples
FROM {schema}.refusal
WHERE run_id = @P1
ORDER BY ordinal;
