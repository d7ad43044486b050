-- The view of speeds tells how far each may be trusted. Columns are added at the end, so that whoever
-- reads by name or by place finds the others where they were.

DROP VIEW IF EXISTS current_speed;

-- The current set of every scope: one row per group that has parameters. The spread is that of
-- ln T; n counts the records fitted. Status, standard error and interval are those of the cruise
-- speed, null where the model has none. Distances are the shortest and the longest trip that the
-- parameters stand on, null where no record of the group does.
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
    r.finished_at AS fitted_at,
    MAX(CASE WHEN p.name = 'cruise_speed_kmh' THEN p.status END) AS status,
    MAX(CASE WHEN p.name = 'cruise_speed_kmh' THEN p.std_error END) AS std_error,
    MAX(CASE WHEN p.name = 'cruise_speed_kmh' THEN p.ci_low END) AS ci_low,
    MAX(CASE WHEN p.name = 'cruise_speed_kmh' THEN p.ci_high END) AS ci_high,
    MAX(CASE WHEN p.name = 'tail_dof' THEN p.estimate END) AS tail_dof,
    json_extract(g.detail, '$.distance_min_km') AS distance_min_km,
    json_extract(g.detail, '$.distance_max_km') AS distance_max_km
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
