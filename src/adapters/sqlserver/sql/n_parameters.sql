-- n_parameters: @P1 run
SELECT COUNT_BIG(*) AS n
FROM {schema}.parameter
WHERE run_id = @P1;
