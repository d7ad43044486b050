-- ?1 import, then the columns in the order of the table
INSERT INTO incident (
    import_id, incident_id, region, parent_region, priority, occurred_at_us, distance_km,
    travel_time_s, weight, fault, lengths
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11);
