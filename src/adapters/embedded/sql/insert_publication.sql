-- ?1 scope, ?2 run, ?3 published_at, ?4 published_by, ?5 reason, ?6 comment
INSERT INTO publication (scope, run_id, published_at, published_by, reason, comment)
VALUES (?1, ?2, ?3, ?4, ?5, ?6);
