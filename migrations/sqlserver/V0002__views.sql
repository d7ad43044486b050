-- What other programs read. A view has no order: whoever needs one asks for it.

-- The current set of every scope: one row per group and parameter.
CREATE VIEW {schema}.current_parameters AS
SELECT
    c.scope,
    c.run_id,
    p.region,
    p.band,
    p.priority,
    p.name,
    p.unit,
    p.estimate,
    p.std_error,
    p.ci_low,
    p.ci_high,
    p.raw_estimate,
    p.pool_weight,
    p.status
FROM {schema}.current_run AS c
JOIN {schema}.parameter AS p ON p.run_id = c.run_id;
GO

-- The current set of every scope: one row per group that has parameters. The spread is that of
-- ln T; n counts the records fitted.
CREATE VIEW {schema}.current_speed AS
SELECT
    c.scope,
    c.run_id,
    g.region,
    g.band,
    g.priority,
    g.model,
    g.outcome,
    MAX(CASE WHEN p.name = N'cruise_speed_kmh' THEN p.estimate END) AS cruise_speed_kmh,
    MAX(CASE WHEN p.name = N'acceleration_km_min2' THEN p.estimate END) AS acceleration_km_min2,
    MAX(CASE WHEN p.name = N'intercept_min' THEN p.estimate END) AS intercept_min,
    MAX(CASE WHEN p.name = N'sigma_log' THEN p.estimate END) AS spread,
    g.n_used AS n,
    r.finished_at AS fitted_at
FROM {schema}.current_run AS c
JOIN {schema}.run AS r ON r.id = c.run_id
JOIN {schema}.group_fit AS g ON g.run_id = c.run_id
JOIN {schema}.parameter AS p
    ON p.run_id = g.run_id
    AND p.region = g.region
    AND p.band = g.band
    AND p.priority = g.priority
GROUP BY
    c.scope, c.run_id, g.region, g.band, g.priority, g.model, g.outcome, g.n_used, r.finished_at;
