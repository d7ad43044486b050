-- ?1 hash
SELECT document
FROM settings
WHERE hash = ?1;
