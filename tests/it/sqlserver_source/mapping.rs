//! What is said where the settings do not fit the server.

use std::sync::Arc;

use speedfit::adapters::file::{ColumnMap, Field};
use speedfit::adapters::sqlserver::{Partition, SourceOptions, SqlServerSource};
use speedfit::ports::{Examine as _, ReadQuery, RecordSource as _, SystemClock};

use super::{Served, query, read, table, told, usual, usual_columns};
use crate::tds::{Column, ColumnType as T, Fault, Reply, Value};

async fn refusal(options: SourceOptions) -> String {
    told(&read(options, &ReadQuery::default()).await.unwrap_err())
}

#[tokio::test]
async fn a_mapping_that_does_not_fit_says_why() {
    let served = Served::new().await;
    let columns = |names: [&str; 5], kinds: [T; 5]| {
        names.iter().zip(kinds).map(|(name, kind)| Column::new(name, kind)).collect::<Vec<_>>()
    };
    let usual = ["region", "distance_km", "travel_time_s", "occurred_at", "n"];
    let kinds = [T::Int, T::Float, T::Float, T::DateTime2(7), T::Int];
    served.table(
        "dbo.near",
        columns(["Area", "Distance KM", "travel_time_min", "at", "n"], kinds),
        vec![],
    );
    served.table(
        "dbo.unfit",
        columns(usual, [T::Float, T::Bit, T::Time(7), T::BigInt, T::VarBinary(8)]),
        vec![],
    );
    served.table("dbo.fit", columns(usual, kinds), vec![]);
    let map = |field, column: &str| SourceOptions {
        columns: ColumnMap::default().with(field, column),
        ..table(&served.options(), "dbo.fit")
    };
    let by = |column: &str| SourceOptions {
        partition: Partition::Range { column: Some(column.to_owned()) },
        ..table(&served.options(), "dbo.fit")
    };
    let all = [
        ("near", refusal(table(&served.options(), "dbo.near")).await),
        ("unfit", refusal(table(&served.options(), "dbo.unfit")).await),
        ("chosen and absent", refusal(map(Field::Weight, "weights")).await),
        ("chosen and unfit", refusal(map(Field::OccurredAt, "n")).await),
        ("partition", refusal(by("occured_at")).await),
        ("no name", refusal(table(&served.options(), "a.b.c.d")).await),
        ("not closed", refusal(table(&served.options(), "[a")).await),
        (
            "with",
            refusal(query(&served.options(), "WITH a AS (SELECT 1 AS x) SELECT * FROM a")).await,
        ),
        ("two", refusal(query(&served.options(), "SELECT 1 AS a; SELECT 2 AS b")).await),
        ("no select", refusal(query(&served.options(), "DELETE FROM dbo.fit")).await),
        ("open", refusal(query(&served.options(), "SELECT 1 AS a) AS x --")).await),
        ("empty", refusal(query(&served.options(), " -- none")).await),
    ];
    let mut all = Vec::from(all);
    // As a database has it that looks at the case.
    served.backend.handle("describe_records", |_, _| {
        let names = ["REGION", "Region", "distance_km", "travel_time_s"];
        let columns = names.map(|name| Column::new(name, T::Float));
        Ok(Reply::rows(columns.to_vec(), Vec::new()))
    });
    all.push(("twice", refusal(table(&served.options(), "dbo.fit")).await));
    let all: Vec<String> = all.iter().map(|(what, text)| format!("{what}\n{text}")).collect();
    insta::assert_snapshot!(all.join("\n\n"));
}

/// What the server says of the query, and of the login.
#[tokio::test]
async fn the_servers_refusals_are_told_with_a_remedy() {
    let served = Served::with(usual_columns(), vec![]).await;
    let order = "SELECT * FROM dbo.incident ORDER BY region";
    let mut all = Vec::new();
    for (number, message) in [
        (1033, "The ORDER BY clause is invalid in views, inline functions, derived tables …"),
        (8156, "The column 'region' was specified multiple times for 'records'."),
        (208, "Invalid object name 'dbo.incident'."),
        (229, "The SELECT permission was denied on the object 'incident' …"),
    ] {
        served.server.faults().always(
            "describe_records",
            Fault::Error { number, class: 16, message: message.to_owned() },
        );
        all.push(refusal(query(&served.options(), order)).await);
    }
    insta::assert_snapshot!(all.join("\n\n"));
}

#[tokio::test]
async fn a_source_says_what_it_is_and_how_many_rows_there_may_be() {
    let rows = vec![usual("a", 1.0, "2026-01-01T00:00")];
    let served = Served::with(usual_columns(), rows).await;
    served.backend.handle("rows_of_table", |_, statement| {
        assert_eq!(statement.p(1), &Value::from("[dbo].[incident]"));
        Ok(Reply::row(vec![(Column::new("n", T::BigInt), Value::Int(1234))]))
    });
    let source = SqlServerSource::new(served.incidents(), Arc::new(SystemClock)).unwrap();
    let port = served.server.address().port();
    assert_eq!(
        source.describe(),
        format!("`dbo.incident` on SQL Server `127.0.0.1,{port}`, database `speedfit`")
    );
    assert_eq!(source.n_rows_hint(&ReadQuery::default()).await.unwrap(), Some(1234));
    let selected =
        ReadQuery { selection: speedfit::domain::Selection::new(["a"]), ..ReadQuery::default() };
    assert_eq!(source.n_rows_hint(&selected).await.unwrap(), None);
    // No permission, or no connection at all: the reading will tell.
    served.server.faults().always("rows_of_table", Fault::error(229));
    assert_eq!(source.n_rows_hint(&ReadQuery::default()).await.unwrap(), None);
    let of_query = SqlServerSource::new(
        query(&served.options(), "SELECT * FROM dbo.incident"),
        Arc::new(SystemClock),
    );
    assert_eq!(of_query.unwrap().n_rows_hint(&ReadQuery::default()).await.unwrap(), None);
}

#[tokio::test]
async fn doctor_says_what_each_column_is() {
    let columns = vec![
        Column::new("Region", T::VarChar(20)),
        Column::new("distance_km", T::Decimal(9, 3)),
        Column::new("travel_time_s", T::NVarChar(9)),
        Column::new("occurred_at", T::DateTime),
        Column::new("weight", T::Int),
    ];
    let row = |region: &str| {
        let at = super::wall("2026-01-01T00:00");
        vec![region.into(), Value::Decimal { unscaled: 1, scale: 0 }, "60".into(), at, 1.into()]
    };
    let served = Served::with(columns, ["a ", "a", "A", "b", " "].map(row).to_vec()).await;
    served.isolation(false, false);
    served.backend.handle("table_rights", |_, _| {
        let may = |name: &str, may: i64| (Column::new(name, T::Int), Value::Int(may));
        Ok(Reply::row(vec![may("may_insert", 1), may("may_update", 0), may("may_delete", 1)]))
    });
    let examine = async |options: SourceOptions| {
        let source = SqlServerSource::new(options, Arc::new(SystemClock)).unwrap();
        let findings = source.examine().await.into_iter();
        // What is said of any server has its own tests.
        let own = findings.skip_while(|finding| finding.check != "records");
        let lines = own.map(|finding| {
            let remedy = finding.remedy.map(|remedy| format!(" → {remedy}")).unwrap_or_default();
            format!("{:?} {}: {}{remedy}", finding.grade, finding.check, finding.text)
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let whole = examine(served.incidents()).await;
    let columns = ColumnMap::default().with(Field::Priority, "class");
    let unmapped = examine(SourceOptions { columns, ..served.incidents() }).await;
    let unmapped = unmapped.lines().last().unwrap_or_default();
    insta::assert_snapshot!(format!(
        "{whole}\n\n{}",
        unmapped.replace(&served.server.address().port().to_string(), "PORT")
    ));
}
