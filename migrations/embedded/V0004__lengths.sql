-- Lengths by class of road, for imports that have them.

-- The classes of an import, in the order of its lengths.
CREATE TABLE import_class (
    import_id INTEGER NOT NULL REFERENCES import (id),
    position INTEGER NOT NULL,
    class TEXT NOT NULL,
    PRIMARY KEY (import_id, position),
    UNIQUE (import_id, class)
) STRICT, WITHOUT ROWID;

-- Kilometres, 8 bytes each (IEEE 754, little-endian), one for each class of the import; NaN is null.
ALTER TABLE incident ADD COLUMN lengths BLOB;
