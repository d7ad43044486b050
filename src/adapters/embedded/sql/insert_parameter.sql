-- ?1 run, ?2 ordinal, then the columns in the order of the table
INSERT INTO parameter (
    run_id, ordinal, region, band, priority, name, unit, estimate, std_error, ci_low, ci_high,
    raw_estimate, pool_weight, status
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14);
