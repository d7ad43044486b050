-- ?1 import, ?2 n_rows, ?3 n_faults
UPDATE import
SET n_rows = ?2, n_faults = ?3
WHERE id = ?1;
