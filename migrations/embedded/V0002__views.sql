-- What other programs read.

-- The current set of every scope: one row per group and parameter.
CREATE VIEW current_parameters AS
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
FROM current_run AS c
JOIN parameter AS p ON p.run_id = c.run_id
ORDER BY c.scope, p.ordinal;

-- The current set of every scope: one row per group that has parameters. The spread is that of
-- ln T; n counts the records fitted.
CREATE VIEW current_speed AS
SELECT
    c.scope,
    c.run_id,
    g.region,
    g.band,
    g.priority,
    g.model,
    g.outcome,
    MAX(CASE WHEN p.name = 'cruise_speed_kmh' THEN p.estimate END) AS cruise_speed_kmh,
    MAX(CASE WHEN p.name = 'acceleration_km_min2' THEN p.estimate END) AS acceleration_km_min2,
    MAX(CASE WHEN p.name = 'intercept_min' THEN p.estimate END) AS intercept_min,
    MAX(CASE WHEN p.name = 'sigma_log' THEN p.estimate END) AS spread,
    g.n_used AS n,
    r.finished_at AS fitted_at
FROM current_run AS c
JOIN run AS r ON r.id = c.run_id
JOIN group_fit AS g ON g.run_id = c.run_id
JOIN parameter AS p
    ON p.run_id = g.run_id
    AND p.region = g.region
    AND p.band = g.band
    AND p.priority = g.priority
GROUP BY c.scope, g.run_id, g.ordinal
ORDER BY c.scope, g.ordinal;
