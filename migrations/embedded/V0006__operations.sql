-- What operators do with runs: requests that are answered once, what was asked for beyond window and
-- model, the settings behind each hash, and a word on each move of the mark.

-- What a run answers, where that is to be answered once.
ALTER TABLE run ADD COLUMN slot TEXT;

CREATE UNIQUE INDEX run_by_slot ON run (scope, slot) WHERE slot IS NOT NULL;

-- What else was asked for, as one JSON document; NULL where that is nothing.
ALTER TABLE run ADD COLUMN detail TEXT;

ALTER TABLE publication ADD COLUMN comment TEXT NOT NULL DEFAULT '';

CREATE TABLE settings (
    hash TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;
