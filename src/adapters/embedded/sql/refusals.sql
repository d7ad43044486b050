-- ?1 run
SELECT region, reason, count, examples
FROM refusal
WHERE run_id = ?1
ORDER BY ordinal;
