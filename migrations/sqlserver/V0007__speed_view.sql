-- The view of speeds tells how far each may be trusted. Columns are added at the end, so that whoever
-- reads by name or by place finds the others where they were.

-- The current set of every scope: one row per group that has parameters. The spread is that of
-- ln T; n counts the records fitted. Status, standard error and interval are those of the cruise
-- speed, null where the model has none. Distances are the shortest and the longest trip that the
-- parameters stand on, null where no record of the group does. ALTER keeps the rights of those who
-- read the view. Babelfish differs: it has no ALTER VIEW, so the view is made anew there.
DECLARE @verb nvarchar(10) = N'ALTER';
IF SERVERPROPERTY(N'Babelfish') IS NOT NULL
BEGIN
    SET @verb = N'CREATE';
    DROP VIEW {schema}.current_speed;
END;
EXECUTE (@verb + N' VIEW {schema_in_text}.current_speed AS
SELECT
    c.scope,
    c.run_id,
    g.region,
    g.band,
    g.priority,
    g.model,
    g.outcome,
    MAX(CASE WHEN p.name = N''cruise_speed_kmh'' THEN p.estimate END) AS cruise_speed_kmh,
    MAX(CASE WHEN p.name = N''acceleration_km_min2'' THEN p.estimate END) AS acceleration_km_min2,
    MAX(CASE WHEN p.name = N''intercept_min'' THEN p.estimate END) AS intercept_min,
    MAX(CASE WHEN p.name = N''sigma_log'' THEN p.estimate END) AS spread,
    g.n_used AS n,
    r.finished_at AS fitted_at,
    MAX(CASE WHEN p.name = N''cruise_speed_kmh'' THEN p.status END) AS status,
    MAX(CASE WHEN p.name = N''cruise_speed_kmh'' THEN p.std_error END) AS std_error,
    MAX(CASE WHEN p.name = N''cruise_speed_kmh'' THEN p.ci_low END) AS ci_low,
    MAX(CASE WHEN p.name = N''cruise_speed_kmh'' THEN p.ci_high END) AS ci_high,
    MAX(CASE WHEN p.name = N''tail_dof'' THEN p.estimate END) AS tail_dof,
    MAX(CAST(JSON_VALUE(g.detail, N''$.distance_min_km'') AS float(53))) AS distance_min_km,
    MAX(CAST(JSON_VALUE(g.detail, N''$.distance_max_km'') AS float(53))) AS distance_max_km
FROM {schema_in_text}.current_run AS c
JOIN {schema_in_text}.run AS r ON r.id = c.run_id
JOIN {schema_in_text}.group_fit AS g ON g.run_id = c.run_id
JOIN {schema_in_text}.parameter AS p
    ON p.run_id = g.run_id
    AND p.region = g.region
    AND p.band = g.band
    AND p.priority = g.priority
GROUP BY
    c.scope, c.run_id, g.region, g.band, g.priority, g.model, g.outcome, g.n_used, r.finished_at;');
