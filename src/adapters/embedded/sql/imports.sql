-- no parameters
SELECT id, file_name, sha256, imported_at, n_rows, n_faults
FROM import
ORDER BY id;
