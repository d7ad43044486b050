-- groups: @P1 run
SELECT
    region, band, priority, model, loss, outcome, source_level, n_read, n_refused, n_used,
    termination, iterations, ssr_log, rmse_log, mae_s, median_ape, share_under_p90, condition,
    verdict, message, detail
FROM {schema}.group_fit
WHERE run_id = @P1
ORDER BY ordinal;
