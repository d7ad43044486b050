-- ?1 first microsecond inside the window, ?2 first microsecond after it
SELECT
    incident_id, region, parent_region, priority, occurred_at_us, distance_km, travel_time_s,
    weight, fault, import_id, {lengths}
FROM incident
WHERE (occurred_at_us >= ?1 AND occurred_at_us < ?2) OR occurred_at_us IS NULL
ORDER BY id;
