-- The record source: incidents as they were imported, dirt included.

CREATE TABLE import (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    file_name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    imported_at TEXT NOT NULL,
    n_rows INTEGER NOT NULL,
    n_faults INTEGER NOT NULL
) STRICT;

CREATE INDEX import_by_sha256 ON import (sha256);

-- A fault says why a row could not be read. Microseconds count from 1970-01-01 UTC.
CREATE TABLE incident (
    id INTEGER PRIMARY KEY,
    import_id INTEGER NOT NULL REFERENCES import (id),
    incident_id TEXT,
    region TEXT,
    parent_region TEXT,
    priority TEXT,
    occurred_at_us INTEGER,
    distance_km REAL,
    travel_time_s REAL,
    weight REAL,
    fault TEXT
) STRICT;
