-- ?1 run, ?2 ordinal, then the columns in the order of the table
INSERT INTO group_fit (
    run_id, ordinal, region, band, priority, model, loss, outcome, source_level, n_read, n_refused,
    n_used, termination, iterations, ssr_log, rmse_log, mae_s, median_ape, share_under_p90,
    condition, verdict, message, detail
)
VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
    ?22, ?23
);
