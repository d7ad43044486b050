-- ?1 scope, ?2 run, ?3 publication
INSERT INTO current_run (scope, run_id, publication_id)
VALUES (?1, ?2, ?3)
ON CONFLICT (scope) DO UPDATE
SET run_id = excluded.run_id, publication_id = excluded.publication_id;
