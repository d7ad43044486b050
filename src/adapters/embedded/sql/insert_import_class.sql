-- ?1 import, ?2 position, ?3 class
INSERT INTO import_class (import_id, position, class)
VALUES (?1, ?2, ?3);
