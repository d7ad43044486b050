-- ?1 run, ?2 ordinal, ?3 region, ?4 reason, ?5 count, ?6 examples
INSERT INTO refusal (run_id, ordinal, region, reason, count, examples)
VALUES (?1, ?2, ?3, ?4, ?5, ?6);
