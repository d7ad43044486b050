-- What a fit tells of a group beyond its columns, as one JSON document; NULL where it tells nothing.
-- In the staging table it comes last, as new columns do.

ALTER TABLE {schema}.group_fit ADD detail nvarchar(max) NULL;
GO

ALTER TABLE {schema}.staged_row ADD detail nvarchar(max) NULL;
