-- parameters: @P1 run
SELECT
    region, band, priority, name, unit, estimate, std_error, ci_low, ci_high, raw_estimate,
    pool_weight, status
FROM {schema}.parameter
WHERE run_id = @P1
ORDER BY ordinal;
