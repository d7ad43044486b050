//! The backend over SQLite: translation, types, transactions, locks, bulk loads.

use tiberius::{IntoSql as _, IsolationLevel, Row, TokenRow};

use super::client::{Tiberius, connect, number};
use crate::tds::{
    Collation, Column, ColumnType, Fault, Options, Reply, SqlError, SqliteBackend, Table,
    TdsServer, Value,
};

/// 2026-01-01 00:00 in microseconds.
const NEW_YEAR_US: i64 = 1_767_225_600_000_000;

fn backend() -> SqliteBackend {
    let backend = SqliteBackend::new();
    let columns = vec![
        Column::new("id", ColumnType::BigInt).not_null(),
        Column::new("region", ColumnType::NVarChar(20)),
        Column::new("code", ColumnType::VarChar(10)).collated(Collation::Latin1Binary),
        Column::new("at", ColumnType::DateTime2(7)),
        Column::new("day", ColumnType::Date),
        Column::new("km", ColumnType::Decimal(9, 2)),
        Column::new("odd ]name", ColumnType::SmallInt),
        Column::new("text", ColumnType::NVarCharMax),
    ];
    backend.create(Table::new("dbo.incidents", columns).keyed(&["id"]));
    backend.insert(
        "dbo.incidents",
        (0..10_i64).map(|n| {
            vec![
                n.into(),
                if n % 2 == 0 { "North ".into() } else { "south".into() },
                "x".into(),
                Value::from_micros(NEW_YEAR_US + n * 86_400_000_000),
                Value::Date(20_454 + n as i32),
                Value::Decimal { unscaled: 1_25 + i128::from(n), scale: 2 },
                if n == 3 { Value::Null } else { n.into() },
                format!("{n}.5").into(),
            ]
        }),
    );
    backend
}

async fn start(backend: &SqliteBackend) -> (TdsServer, Tiberius) {
    let server = TdsServer::start(Options::default(), backend.clone()).await.unwrap();
    let client = connect(&server).await;
    (server, client)
}

async fn rows(client: &mut Tiberius, text: &str) -> Vec<Row> {
    client.simple_query(text).await.unwrap().into_first_result().await.unwrap()
}

/// The cells of the only row, as tiberius prints them.
async fn cells(client: &mut Tiberius, text: &str) -> Vec<String> {
    let mut rows = rows(client, text).await;
    assert_eq!(rows.len(), 1, "{text}");
    rows.remove(0).into_iter().map(|cell| format!("{cell:?}")).collect()
}

#[tokio::test]
async fn selects_are_understood() {
    let backend = backend();
    let (_server, mut client) = start(&backend).await;
    for (text, expected) in [
        ("SELECT COUNT(*), COUNT_BIG(*) FROM [dbo].[incidents]", "I32(Some(10)) I64(Some(10))"),
        ("SELECT MIN([id]), MAX(i.[id]) FROM dbo.incidents AS i", "I64(Some(0)) I64(Some(9))"),
        ("SELECT TOP (1) [id] FROM incidents ORDER BY [id] DESC", "I64(Some(9))"),
        (
            "SELECT TOP 1 id AS n FROM (SELECT TOP (3) id FROM incidents ORDER BY id) AS q \
          ORDER BY n DESC",
            "I64(Some(2))",
        ),
        (
            "SET NOCOUNT ON; SET XACT_ABORT ON SELECT [odd ]]name] FROM incidents WITH (NOLOCK) \
          WHERE [id] = 3 OPTION (MAXDOP 1);",
            "I16(None)",
        ),
        (
            "SELECT CAST([km] AS float), [km] FROM incidents WHERE id = 1",
            "F64(Some(1.26)) Numeric(Some(1.26))",
        ),
        (
            "SELECT CAST([text] AS float), TRY_CAST(region AS int) AS bad, CAST(id AS nvarchar(5)) \
          FROM incidents WHERE id = 1",
            "F64(Some(1.5)) I32(None) String(Some(\"1\"))",
        ),
        ("SELECT COUNT(*) FROM incidents WHERE region = N'NORTH' AND code = 'x'", "I32(Some(5))"),
        ("SELECT COUNT(*) FROM incidents WHERE code = 'X'", "I32(Some(0))"),
        (
            "SELECT COUNT(*) FROM incidents WHERE at >= CAST('2026-01-05' AS datetime2) AND \
          at < CONVERT(datetime2, '2026-01-06T00:00:00.1')",
            "I32(Some(2))",
        ),
        (
            "SELECT CONVERT(varchar(30), at), CONVERT(nvarchar(10), day) FROM incidents WHERE id = 1",
            "String(Some(\"2026-01-02 00:00:00.0000000\")) String(Some(\"2026-01-02\"))",
        ),
        (
            "SELECT ISNULL([odd ]]name], 7), 0x0102, LEN('abc'), 'it''s; fine' FROM incidents \
          WHERE id = 3",
            "I16(Some(7)) Binary(Some([1, 2])) I32(Some(3)) \
          String(Some(\"it's; fine\"))",
        ),
        (
            "SELECT id FROM incidents ORDER BY id OFFSET 4 ROWS FETCH NEXT 1 ROWS ONLY",
            "I64(Some(4))",
        ),
        (
            "SELECT @@VERSION AS v",
            "String(Some(\"Microsoft SQL Server 2022 (speedfit test \
          server)\"))",
        ),
        (
            "WITH late AS (SELECT id, CAST(at AS date) AS d FROM incidents WHERE id > 8) \
          SELECT d FROM late",
            "Date(Some(Date(739625)))",
        ),
    ] {
        assert_eq!(cells(&mut client, text).await.join(" "), expected, "{text}");
    }
}

#[tokio::test]
async fn columns_have_names_as_the_server_gives_them() {
    let backend = backend();
    let (_server, mut client) = start(&backend).await;
    let text = "SELECT i.[id], [odd ]]name], COUNT(*), MAX(km) AS most, CASE WHEN id = 1 \
                THEN N'a' END, id + 1 late FROM incidents AS i GROUP BY id";
    let mut stream = client.simple_query(text).await.unwrap();
    let columns = stream.columns().await.unwrap().unwrap();
    let names: Vec<&str> = columns.iter().map(tiberius::Column::name).collect();
    assert_eq!(names, ["id", "odd ]name", "", "most", "", "late"]);
}

#[tokio::test]
async fn the_session_is_set_up_as_the_text_says() {
    let backend = backend();
    let (_server, mut client) = start(&backend).await;
    let text = "-- set_session\nSET NOCOUNT ON; SET LOCK_TIMEOUT -1; SET LOCK_TIMEOUT 5 \
                SET TRANSACTION ISOLATION LEVEL READ COMMITTED SET DATEFORMAT ymd; SELECT 1 AS n";
    assert_eq!(cells(&mut client, text).await, ["I32(Some(1))"]);
}

#[tokio::test]
async fn parameters_meet_stored_values() {
    let backend = backend();
    let (_server, mut client) = start(&backend).await;
    let at = |day: u32| {
        use tiberius::time::{Date, DateTime2, Time};
        tiberius::ColumnData::DateTime2(Some(DateTime2::new(
            Date::new(739_616 + day),
            Time::new(0, 7),
        )))
    };
    let query = client
        .query(
            "SELECT [id], [at] FROM [dbo].[incidents] WHERE [at] >= @P1 AND [at] < @P2 AND \
             [region] = @p3 ORDER BY [id]",
            &[&at(0), &at(3), &"north"],
        )
        .await
        .unwrap();
    let rows = query.into_first_result().await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<_>>(), [Some(0_i64), Some(2)]);
    assert_eq!(rows[1].cells().nth(1).map(|(_, cell)| cell), Some(&at(2)));
}

#[tokio::test]
async fn mistakes_have_their_numbers() {
    let backend = backend();
    let (_server, mut client) = start(&backend).await;
    for (text, expected) in [
        ("SELECT missing FROM incidents", 207),
        ("SELECT [missing] FROM incidents", 207),
        ("SELECT id FROM nowhere", 208),
        ("SELECT id FRO incidents WHERE", 102),
        ("SELECT CAST(region AS float) FROM incidents", 8114),
        ("SELECT CAST(region AS int) FROM incidents", 245),
        ("SELECT CAST(300 AS tinyint)", 8115),
        ("SELECT id FROM incidents WHERE id = @P1", 137),
        ("INSERT INTO incidents (id) VALUES (1)", 2627),
        ("INSERT INTO incidents (region) VALUES ('x')", 515),
    ] {
        assert_eq!(number(client.simple_query(text).await), Some(expected), "{text}");
    }
}

#[tokio::test]
async fn transactions_are_real() {
    let backend = backend();
    let (_server, mut client) = start(&backend).await;
    let count = "SELECT COUNT(*) FROM incidents";
    client.begin_transaction().await.unwrap();
    let deleted = client.execute("DELETE FROM dbo.incidents WHERE id < @P1", &[&4]).await.unwrap();
    assert_eq!(deleted.total(), 4);
    assert_eq!(cells(&mut client, count).await, ["I32(Some(6))"]);
    client.rollback_transaction().await.unwrap();
    assert_eq!(cells(&mut client, count).await, ["I32(Some(10))"]);
    client.begin_transaction().await.unwrap();
    client.execute("DELETE FROM incidents", &[]).await.unwrap();
    client.commit_transaction().await.unwrap();
    assert_eq!(cells(&mut client, count).await, ["I32(Some(0))"]);
}

#[tokio::test]
async fn a_transaction_reads_one_state_and_meets_conflicts() {
    let backend = backend();
    let (server, mut reader) = start(&backend).await;
    let mut writer = connect(&server).await;
    reader.begin_transaction_with_isolation(IsolationLevel::Snapshot).await.unwrap();
    let count = "SELECT COUNT(*) FROM incidents";
    assert_eq!(cells(&mut reader, count).await, ["I32(Some(10))"]);
    writer.execute("DELETE FROM incidents WHERE id = 1", &[]).await.unwrap();
    assert_eq!(cells(&mut reader, count).await, ["I32(Some(10))"]);
    assert_eq!(number(reader.execute("DELETE FROM incidents WHERE id = 2", &[]).await), Some(3960));
    assert_eq!(cells(&mut reader, count).await, ["I32(Some(9))"]);

    writer.begin_transaction().await.unwrap();
    writer.execute("DELETE FROM incidents WHERE id = 3", &[]).await.unwrap();
    let update = "SET LOCK_TIMEOUT 0; UPDATE incidents SET code = 'y'";
    assert_eq!(number(reader.execute(update, &[]).await), Some(1222));
    writer.rollback_transaction().await.unwrap();

    backend.allow_snapshots(false);
    reader.begin_transaction_with_isolation(IsolationLevel::Snapshot).await.unwrap();
    assert_eq!(number(reader.simple_query(count).await), Some(3952));
}

#[tokio::test]
async fn xact_abort_ends_the_transaction_with_any_error() {
    let backend = backend();
    let (server, mut client) = start(&backend).await;
    let insert = "-- insert\nINSERT INTO incidents (id) VALUES (@P1)";
    client.simple_query("SET XACT_ABORT ON").await.unwrap();
    client.begin_transaction().await.unwrap();
    client.execute(insert, &[&100]).await.unwrap();
    assert_eq!(number(client.execute(insert, &[&100]).await), Some(2627));
    assert_eq!(number(client.commit_transaction().await), Some(3902));
    server.faults().on("insert", 4, Fault::error(547));
    client.begin_transaction().await.unwrap();
    client.execute(insert, &[&100]).await.unwrap();
    assert_eq!(number(client.execute(insert, &[&101]).await), Some(547));
    assert_eq!(cells(&mut client, "SELECT MAX(id) FROM incidents").await, ["I64(Some(9))"]);
}

#[tokio::test]
async fn a_lost_connection_rolls_back_and_frees_its_locks() {
    let backend = backend();
    backend.handle("lock", |call, statement| {
        let resource = statement.p(1).as_text().unwrap_or_default();
        let granted = call.locks.acquire(resource, call.session);
        let code = Value::Int(if granted { 0 } else { -1 });
        Ok(Reply::row(vec![(Column::new("code", ColumnType::Int), code)]))
    });
    let (server, mut client) = start(&backend).await;
    let mut other = connect(&server).await;
    let code = async |client: &mut Tiberius| {
        let query = client.query("-- lock\nEXEC sp_getapplock @P1", &[&"scope"]).await.unwrap();
        query.into_row().await.unwrap().unwrap().get::<i32, _>(0).unwrap()
    };
    assert_eq!((code(&mut client).await, code(&mut other).await), (0, -1));
    client.begin_transaction().await.unwrap();
    client.execute("DELETE FROM incidents", &[]).await.unwrap();
    server.faults().on("commit", 1, Fault::DropBefore);
    client.commit_transaction().await.unwrap_err();
    assert_eq!(code(&mut other).await, 0);
    assert_eq!(backend.locks().owner("scope"), Some(2));
    let count = "SELECT COUNT(*) FROM incidents";
    assert_eq!(cells(&mut other, count).await, ["I32(Some(10))"]);

    other.begin_transaction().await.unwrap();
    other.execute("DELETE FROM incidents", &[]).await.unwrap();
    server.faults().on("commit", 2, Fault::DropAfterExecuting);
    other.commit_transaction().await.unwrap_err();
    let left: i64 = backend
        .shell()
        .query_row("SELECT COUNT(*) FROM \"dbo.incidents\"", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_handler_is_undone_by_its_error() {
    let backend = backend();
    backend.handle("half", |call, statement| {
        let emptied = call.connection.execute("DELETE FROM \"dbo.incidents\"", []);
        emptied.map_err(|error| SqlError::new(50_000, error.to_string()))?;
        let counted = call.run(&crate::tds::Statement {
            text: "SELECT COUNT(*) FROM incidents".to_owned(),
            ..statement.clone()
        });
        if statement.p(1) == &Value::Bit(true) { counted } else { Err(SqlError::new(50_001, "no")) }
    });
    let (_server, mut client) = start(&backend).await;
    assert_eq!(number(client.execute("-- half\nEXEC", &[&false]).await), Some(50_001));
    let count = "SELECT COUNT(*) FROM incidents";
    assert_eq!(cells(&mut client, count).await, ["I32(Some(10))"]);
    let query = client.query("-- half\nEXEC", &[&true]).await.unwrap();
    assert_eq!(query.into_row().await.unwrap().unwrap().get::<i32, _>(0), Some(0));
}

#[tokio::test]
async fn bulk_loads_arrive_whole_or_not_at_all() {
    let backend = backend();
    let (_server, mut client) = start(&backend).await;
    let count = "SELECT COUNT(*) FROM incidents";
    for (ids, expected) in [([20, 20], Err(2627)), ([20, 21], Ok(2))] {
        let columns = ["[id]", "[region]"];
        let mut load = client.bulk_insert_columns("[dbo].[incidents]", &columns).await.unwrap();
        for id in ids {
            let mut row = TokenRow::new();
            row.push(i64::from(id).into_sql());
            row.push("east".into_sql());
            load.send(row).await.unwrap();
        }
        let loaded = load.finalize().await;
        assert_eq!(loaded.map(|done| done.total()).map_err(|e| e.code().unwrap()), expected);
    }
    assert_eq!(cells(&mut client, count).await, ["I32(Some(12))"]);
    assert_eq!(number(client.bulk_insert("[dbo].[nowhere]").await), Some(208));
}
