-- ?1 import
DELETE FROM incident
WHERE import_id = ?1;
