-- ?1 import
DELETE FROM import_class
WHERE import_id = ?1;
