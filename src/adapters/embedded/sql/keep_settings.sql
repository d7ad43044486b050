-- ?1 hash, ?2 document
INSERT INTO settings (hash, document)
VALUES (?1, ?2)
ON CONFLICT (hash) DO NOTHING;
