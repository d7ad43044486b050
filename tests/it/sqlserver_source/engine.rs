//! Against the server that `SPEEDFIT_TEST_SQLSERVER` names, where it names one.

use speedfit::adapters::sqlserver::{Isolation, Partition, SourceOptions};
use speedfit::domain::{GroupKey, Selection, Window};
use speedfit::ports::{FailureKind, ReadQuery};

use super::{query, read, shown, table};
use crate::support::at;
use crate::support::sqlserver::TestDatabase;

#[tokio::test]
async fn every_type_is_read_as_an_export_would_show_it() {
    let Some(engine) = TestDatabase::create().await else { return };
    engine.batch("CREATE TABLE dbo.a (incident_id bigint, region int, parent_region tinyint, priority smallint, occurred_at datetime2(7), distance_km decimal(9,3), travel_time_s money, weight real)").await.unwrap();
    engine.batch("INSERT INTO dbo.a VALUES (9223372036854775807, -5, 255, 7, '2026-03-01 12:34:56.123456', 12.345, 600.5, 1.5), (1, 2, 3, 4, '0001-01-01', -0.001, -0.01, 2), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)").await.unwrap();
    engine.batch("CREATE TABLE dbo.b (incident_id uniqueidentifier, region char(10), parent_region nchar(5), priority decimal(5,0), occurred_at datetime, distance_km real, travel_time_s int, weight smallmoney)").await.unwrap();
    engine.batch("INSERT INTO dbo.b VALUES ('6f9619ff-8b86-d011-b42d-00c04fc964ff', 'Z01', N'é', 3, '2026-03-01 12:34:56.003', 12.25, 600, 1.5), ('6f9619ff-8b86-d011-b42d-00c04fc964f0', '', N'', -3, '2026-03-01 12:34:56.007', 0.1, 601, 0.0001)").await.unwrap();
    engine.batch("CREATE TABLE dbo.c (incident_id nvarchar(max), region varchar(max), parent_region nvarchar(20), priority decimal(12,2), occurred_at smalldatetime, distance_km numeric(18,6), travel_time_s smallint, weight tinyint)").await.unwrap();
    engine.batch("INSERT INTO dbo.c VALUES (N'日本 🚒', ' Zoë  ', N'x', 3.5, '2026-03-01 12:34', 12.25, 600, 2)").await.unwrap();
    engine.batch("CREATE TABLE dbo.d (region varchar(5) NOT NULL, occurred_at datetimeoffset(3), distance_km float NOT NULL, travel_time_s bigint NOT NULL)").await.unwrap();
    engine.batch("INSERT INTO dbo.d VALUES ('a', '2026-03-01 12:34:56.789 +05:30', 1.5, 60), ('b', '2026-03-01 00:00:00 -08:00', 1.5, 60)").await.unwrap();
    engine.batch("CREATE TABLE dbo.e (region varchar(5) NOT NULL, occurred_at date NOT NULL, distance_km varchar(20), travel_time_s nvarchar(20) NOT NULL)").await.unwrap();
    engine.batch("INSERT INTO dbo.e VALUES ('a', '2026-03-01', '1.5', '60'), ('b', '9999-12-31', 'x', '60'), ('c', '2026-03-02', NULL, ' 6e1 ')").await.unwrap();
    engine.batch("CREATE TABLE dbo.f (region varchar(5) NOT NULL, occurred_at varchar(40), distance_km float, travel_time_s float)").await.unwrap();
    engine.batch("INSERT INTO dbo.f VALUES ('a', '2026-03-01T12:34:56Z', 1, 2), ('b', '2026-03-01 12:34:56.5', 1, 2), ('c', 'noon', 1, 2), ('d', NULL, 1, 2)").await.unwrap();
    let mut all = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        let options = table(&engine.options, &format!("dbo.{name}"));
        let batch = read(options, &ReadQuery::default()).await.unwrap();
        all.push(format!("{name}\n{}", shown(&batch)));
    }
    insta::assert_snapshot!(all.join("\n\n"));
}

// Babelfish differs: it takes no `]]` in a name.
#[tokio::test]
async fn names_windows_and_selections_are_the_servers_too() {
    let Some(engine) = TestDatabase::create().await else { return };
    engine.batch("CREATE TABLE dbo.[odd 't] ([Region's] varchar(20) COLLATE Latin1_General_CI_AS, occurred_at datetime, distance_km float, travel_time_s float)").await.unwrap();
    engine.batch("INSERT INTO dbo.[odd 't] VALUES ('a', '2026-01-01 00:00:00.003', 1, 60), ('A', '2026-01-01 00:00:00.007', 2, 60), ('a  ', '2026-01-02', 3, 60), (' a', NULL, 4, 60), ('50% [x]_', '2026-01-01', 5, 60), (NULL, '2026-01-01', 6, 60), ('', '2026-01-01', 7, 60)").await.unwrap();
    let map = speedfit::adapters::file::ColumnMap::default()
        .with(speedfit::adapters::file::Field::Region, "region's");
    let by_table = table(&engine.options, "dbo.[odd 't]");
    let by_query =
        query(&engine.options, "SELECT * FROM dbo.[odd 't] WHERE distance_km > 0 ; -- all");
    for options in [by_table, by_query] {
        for partition in [
            Partition::Off,
            Partition::default(),
            Partition::Region,
            Partition::Range { column: Some("distance_km".to_owned()) },
        ] {
            for isolation in [Isolation::Snapshot, Isolation::ReadCommitted] {
                let options = SourceOptions {
                    columns: map.clone(),
                    partition: partition.clone(),
                    isolation,
                    ..options.clone()
                };
                let check = async |query: ReadQuery, expected: &[f64]| {
                    let batch = read(options.clone(), &query).await.unwrap();
                    let mut found: Vec<f64> = batch.rows().filter_map(|r| r.distance_km).collect();
                    found.sort_by(f64::total_cmp);
                    assert_eq!(found, expected, "{partition:?} {query:?}");
                };
                check(ReadQuery::default(), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).await;
                let selection = Selection::new(["a", "50% [[]*", "50% [x]_"]);
                check(
                    ReadQuery { selection: selection.clone(), ..ReadQuery::default() },
                    &[1.0, 3.0, 4.0, 5.0],
                )
                .await;
                let literal = ["a", "50% [x]_", "*"].map(GroupKey::region);
                let literal = Selection::of_groups(literal);
                check(
                    ReadQuery { selection: literal, ..ReadQuery::default() },
                    &[1.0, 3.0, 4.0, 5.0],
                )
                .await;
                let window = Window {
                    from: Some(at("2026-01-01T00:00:00.007Z")),
                    to: Some(at("2026-01-02T00:00:00Z")),
                };
                check(ReadQuery { window, ..ReadQuery::default() }, &[2.0, 4.0]).await;
                check(ReadQuery { window, selection, ..ReadQuery::default() }, &[4.0]).await;
            }
        }
    }
    queries(&engine).await;
}

/// What the server takes as a part of another statement, and what it says of the rest.
async fn queries(engine: &TestDatabase) {
    engine.batch("CREATE TABLE dbo.t (region int, occurred_at datetime2, distance_km float, travel_time_s float)").await.unwrap();
    engine
        .batch("INSERT INTO dbo.t VALUES (1, '2026-01-01', 1, 60), (2, '2026-01-02', 1, 60)")
        .await
        .unwrap();
    // What the server does not take as a part of another statement is told as a mistake.
    let error = read(query(&engine.options, "SELECT 1 AS a, 2 AS a FROM"), &ReadQuery::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind, FailureKind::Malformed);
    let error =
        read(table(&engine.options, "dbo.nowhere"), &ReadQuery::default()).await.unwrap_err();
    // Babelfish differs: its error for a missing table has a number of its own.
    assert!(matches!(error.kind, FailureKind::Missing | FailureKind::Internal), "{error:?}");
    let aggregated = "SELECT region, MIN(occurred_at) AS occurred_at, SUM(distance_km) AS distance_km, SUM(travel_time_s) AS travel_time_s, COUNT(*) AS weight FROM dbo.t GROUP BY region";
    assert_eq!(
        read(query(&engine.options, aggregated), &ReadQuery::default()).await.unwrap().len(),
        2
    );
}
