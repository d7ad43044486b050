-- A source and a store to develop against: two databases, four logins, 24,000 records with known
-- parameters. For a server that holds nothing of value; run by `sqlcmd`, which fills the passwords in
-- from its environment. `scripts/grants.sql` comes next. Running it again changes nothing.
IF DB_ID(N'dispatch') IS NULL
    CREATE DATABASE dispatch;
GO
IF DB_ID(N'planning') IS NULL
    CREATE DATABASE planning;
GO
IF SUSER_ID(N'speedfit_reader') IS NULL
    CREATE LOGIN speedfit_reader WITH PASSWORD = N'$(SPEEDFIT_SOURCE_PASSWORD)';
GO
IF SUSER_ID(N'speedfit_writer') IS NULL
    CREATE LOGIN speedfit_writer WITH PASSWORD = N'$(SPEEDFIT_STORE_PASSWORD)';
GO
IF SUSER_ID(N'speedfit_migrator') IS NULL
    CREATE LOGIN speedfit_migrator WITH PASSWORD = N'$(SPEEDFIT_MIGRATOR_PASSWORD)';
GO
IF SUSER_ID(N'planning_app') IS NULL
    CREATE LOGIN planning_app WITH PASSWORD = N'$(PLANNING_APP_PASSWORD)';
GO
-- Babelfish differs: it allows snapshots always and knows no ALTER DATABASE.
ALTER DATABASE dispatch SET ALLOW_SNAPSHOT_ISOLATION ON;
GO
USE dispatch;
GO
IF OBJECT_ID(N'dbo.incident') IS NULL
    CREATE TABLE dbo.incident (
        incident_id nvarchar(40) NOT NULL CONSTRAINT incident_pk PRIMARY KEY,
        region nvarchar(100) NOT NULL,
        occurred_at datetime2(0) NOT NULL,
        priority nvarchar(10) NOT NULL,
        distance_km float(53) NULL,
        travel_time_s float(53) NULL
    );
GO
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'incident_by_time')
    CREATE INDEX incident_by_time ON dbo.incident (occurred_at);
GO
-- The model `kwh` with noise of 0.3 on the logarithm, the same on every server: what looks like chance
-- are remainders of multiples of the row's number. Each region has 3,000 records.
IF NOT EXISTS (SELECT 1 FROM dbo.incident)
    WITH digit AS (
        SELECT d FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS ten (d)
    ),
    number AS (
        SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n
        FROM digit AS a CROSS JOIN digit AS b CROSS JOIN digit AS c CROSS JOIN digit AS e
        WHERE e.d < 3
    ),
    region AS (
        SELECT name, nth, acceleration_km_min2, speed_km_min
        FROM (
            VALUES
            (N'Harbour', 0, 0.45, 0.80), (N'North', 1, 0.60, 1.05), (N'South', 2, 0.50, 0.95),
            (N'East', 3, 0.70, 1.10), (N'West', 4, 0.40, 0.70), (N'Old Town', 5, 0.35, 0.60),
            (N'Airport', 6, 0.90, 1.40), (N'Nørrebro', 7, 0.55, 0.90)
        ) AS eight (name, nth, acceleration_km_min2, speed_km_min)
    ),
    -- The sum of twelve even chances less six is nearly normal; four of them, scaled, will do here.
    trip AS (
        SELECT
            n, name, nth, acceleration_km_min2, speed_km_min,
            0.4 + 0.004 * ((n * 7919 + nth * 131) % 3001) AS distance_km,
            (
                ((n * 9973 + nth * 11) % 4001) / 4001.0 + ((n * 6007 + nth * 23) % 3989) / 3989.0
                + ((n * 7001 + nth * 37) % 3967) / 3967.0 + ((n * 8009 + nth * 53) % 3947) / 3947.0
                - 2.0
            ) * 1.732 * 0.3 AS noise
        FROM number CROSS JOIN region
    )
    INSERT INTO dbo.incident (
        incident_id, region, occurred_at, priority, distance_km, travel_time_s
    )
    SELECT
        CONCAT(N'S', nth, N'-', n),
        name,
        DATEADD(minute, n * 173 + nth, CAST('2025-01-01' AS datetime2(0))),
        CASE WHEN n % 3 = 0 THEN N'1' ELSE N'2' END,
        distance_km,
        ROUND(60.0 * EXP(noise) * CASE
            WHEN distance_km < speed_km_min * speed_km_min / acceleration_km_min2
                THEN 2.0 * SQRT(distance_km / acceleration_km_min2)
            ELSE speed_km_min / acceleration_km_min2 + distance_km / speed_km_min
        END, 0)
    FROM trip;
GO
