-- no parameters
SELECT COALESCE(SUM(n_rows), 0)
FROM import;
