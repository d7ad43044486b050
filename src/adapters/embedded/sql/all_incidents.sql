-- no parameters
SELECT
    incident_id, region, parent_region, priority, occurred_at_us, distance_km, travel_time_s,
    weight, fault, import_id, {lengths}
FROM incident
ORDER BY id;
