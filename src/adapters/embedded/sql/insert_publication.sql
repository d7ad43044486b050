-- ?1 scope, ?2 run, ?3 published_at, ?4 published_by, ?5 reason
INSERT INTO publication (scope, run_id, published_at, published_by, reason)
VALUES (?1, ?2, ?3, ?4, ?5);
