-- no parameters
SELECT import_id, class
FROM import_class
ORDER BY import_id, position;
