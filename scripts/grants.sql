-- The least that speedfit needs on SQL Server: run by an administrator, once, and once more after the
-- first `speedfit migrate`, since the views and the staging table are there only then. Running it
-- again changes nothing.
--
-- Put your own names in the place of these:
--   dispatch      database with the records     dbo.incident  their table or view
--   planning      database with the results     speedfit      the schema that is speedfit's own
--   speedfit_reader    login of `[source]`: reads the records
--   speedfit_writer    login of `[store]`: the ledger and the parameters
--   speedfit_migrator  login of `[store]` while `speedfit migrate` runs; not needed where a DBA runs
--                      what `speedfit migrate --script` prints
--   planning_app       the application that reads the published parameters
-- The logins must be there: CREATE LOGIN speedfit_reader WITH PASSWORD = N'…', or FROM WINDOWS, or FROM
-- EXTERNAL PROVIDER for Microsoft Entra ID.

-- Where the records are: this one table, and nothing else of the database.
USE dispatch;
GO
IF USER_ID(N'speedfit_reader') IS NULL
    CREATE USER speedfit_reader FOR LOGIN speedfit_reader;
GO
GRANT SELECT ON OBJECT::dbo.incident TO speedfit_reader;
GO
-- Recommended, and for the owner of the database to decide: a reader that sees one moment and makes no
-- dispatcher wait.
--   ALTER DATABASE dispatch SET ALLOW_SNAPSHOT_ISOLATION ON;

-- Where the results go. The schema belongs to dbo, so that its views read its tables for whoever may
-- read the views.
USE planning;
GO
IF SCHEMA_ID(N'speedfit') IS NULL
    EXECUTE (N'CREATE SCHEMA speedfit AUTHORIZATION dbo');
GO
IF USER_ID(N'speedfit_writer') IS NULL
    CREATE USER speedfit_writer FOR LOGIN speedfit_writer;
GO
GRANT SELECT, INSERT, UPDATE ON SCHEMA::speedfit TO speedfit_writer;
GO
-- Rows are deleted in staging only. Earlier versions of this file allowed it in the whole schema.
REVOKE DELETE ON SCHEMA::speedfit FROM speedfit_writer;
GO
IF OBJECT_ID(N'speedfit.staged_row') IS NOT NULL
    GRANT DELETE ON OBJECT::speedfit.staged_row TO speedfit_writer;
GO
-- Your choice: whether speedfit may delete old parameter sets and old runs, as its settings under
-- `retention` say. Without these grants it keeps everything, and says so in its log after each run;
-- `retention.sets = 0` and `retention.runs = 0` silence that. It never deletes the current set. With
-- them:
--   GRANT DELETE ON OBJECT::speedfit.parameter TO speedfit_writer;
--   GRANT DELETE ON OBJECT::speedfit.group_fit TO speedfit_writer;
--   GRANT DELETE ON OBJECT::speedfit.refusal TO speedfit_writer;
--   GRANT DELETE ON OBJECT::speedfit.publication TO speedfit_writer;
--   GRANT DELETE ON OBJECT::speedfit.run TO speedfit_writer;

IF USER_ID(N'speedfit_migrator') IS NULL
    CREATE USER speedfit_migrator FOR LOGIN speedfit_migrator;
GO
-- Tables and views can be made only by who may alter the schema that they are made in.
GRANT CREATE TABLE, CREATE VIEW TO speedfit_migrator;
GO
GRANT ALTER, SELECT, INSERT, REFERENCES ON SCHEMA::speedfit TO speedfit_migrator;
GO

-- The application: the two views, not the tables below them.
IF USER_ID(N'planning_app') IS NULL
    CREATE USER planning_app FOR LOGIN planning_app;
GO
IF OBJECT_ID(N'speedfit.current_parameters') IS NOT NULL
    GRANT SELECT ON OBJECT::speedfit.current_parameters TO planning_app;
GO
IF OBJECT_ID(N'speedfit.current_speed') IS NOT NULL
    GRANT SELECT ON OBJECT::speedfit.current_speed TO planning_app;
GO
