-- ?1 file_name, ?2 sha256, ?3 imported_at
INSERT INTO import (file_name, sha256, imported_at, n_rows, n_faults)
VALUES (?1, ?2, ?3, 0, 0);
