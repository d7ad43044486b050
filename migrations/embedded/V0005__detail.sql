-- What a fit tells of a group beyond its columns, as one JSON document; NULL where it tells nothing.

ALTER TABLE group_fit ADD COLUMN detail TEXT;
