-- ?1 sha256
SELECT id, imported_at
FROM import
WHERE sha256 = ?1
ORDER BY id
LIMIT 1;
