-- What operators do with runs: requests that are answered once, what was asked for beyond window and
-- model, the settings behind each hash, and a word on each move of the mark.

-- The slot is what a run answers, where that is to be answered once; the detail is what else was
-- asked for, as one JSON document.
ALTER TABLE {schema}.run ADD slot nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL;
GO

ALTER TABLE {schema}.run ADD detail nvarchar(max) NULL;
GO

CREATE UNIQUE INDEX run_by_slot ON {schema}.run (scope, slot) WHERE slot IS NOT NULL;
GO

ALTER TABLE {schema}.publication ADD comment nvarchar(max) NULL;
GO

CREATE TABLE {schema}.settings (
    hash nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL
        CONSTRAINT settings_pk PRIMARY KEY CLUSTERED,
    document nvarchar(max) NOT NULL
);
