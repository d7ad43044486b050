//! The store's tables, as its migrations make them.

use rusqlite::OptionalExtension as _;

use crate::tds::{
    Collation, Column, ColumnType, Reply, SqlError, SqliteBackend, Statement, Table, Value,
};

pub(super) const SCHEMA: &str = "speedfit";

const MIGRATIONS: [&str; 8] = [
    include_str!("../../../migrations/sqlserver/V0001__ledger.sql"),
    include_str!("../../../migrations/sqlserver/V0002__views.sql"),
    include_str!("../../../migrations/sqlserver/V0003__staging.sql"),
    include_str!("../../../migrations/sqlserver/V0004__detail.sql"),
    include_str!("../../../migrations/sqlserver/V0005__operations.sql"),
    include_str!("../../../migrations/sqlserver/V0006__shards.sql"),
    include_str!("../../../migrations/sqlserver/V0007__speed_view.sql"),
    include_str!("../../../migrations/sqlserver/V0008__no_shards.sql"),
];

/// Answers the statements that make the schema.
pub(super) fn install(backend: &SqliteBackend) {
    let there = |connection: &rusqlite::Connection, table: &str| -> bool {
        let sql = "SELECT 1 FROM sqlite_schema WHERE name = ?1";
        let found = connection.query_row(sql, [format!("{SCHEMA}.{table}")], |_| Ok(()));
        found.optional().unwrap().is_some()
    };
    backend.handle("has_ledger", move |call, statement| {
        let ours = statement.p(1).as_text() == Some(SCHEMA);
        let n_tables = i64::from(ours && there(call.connection, "schema_migration"));
        Ok(Reply::row(vec![(Column::new("n_tables", ColumnType::Int), n_tables.into())]))
    });
    backend.handle("create_schema", |_, _| Ok(Reply::none()));
    let made = backend.clone();
    backend.handle("create_schema_migration", move |call, _| {
        if !there(call.connection, "schema_migration") {
            made.create(schema_migration());
        }
        Ok(Reply::none())
    });
    let made = backend.clone();
    backend.handle("migrate", move |call, statement| {
        let version = statement.p(1).as_int().unwrap();
        let sql = format!("SELECT 1 FROM \"{SCHEMA}.schema_migration\" WHERE version = ?1");
        let done = call.connection.query_row(&sql, [version], |_| Ok(())).optional().unwrap();
        if done.is_none() {
            migrate(&made, statement, version)?;
        }
        Ok(Reply::none())
    });
}

fn migrate(backend: &SqliteBackend, statement: &Statement, version: i64) -> Result<(), SqlError> {
    let sql = usize::try_from(version - 1).ok().and_then(|n| MIGRATIONS.get(n));
    let sql = sql.ok_or_else(|| SqlError::new(50_000, format!("no migration {version}")))?;
    // What the program sends is what stands in its file.
    for line in sql.lines().filter(|line| !line.is_empty() && line.trim() != "GO") {
        let sent = line
            .replace("{schema}", &format!("[{SCHEMA}]"))
            .replace("{schema_in_text}", &format!("[{SCHEMA}]"))
            .replace('\'', "''");
        assert!(statement.text.contains(&sent), "`{line}` is not in:\n{}", statement.text);
    }
    for table in tables(sql) {
        backend.create(table);
    }
    for (table, column) in added_columns(sql) {
        backend.add_column(&table, column);
    }
    if version == 1 {
        let unique = format!(
            "CREATE UNIQUE INDEX request_key ON \"{SCHEMA}.run\" (request_key);
             CREATE UNIQUE INDEX group_key ON \"{SCHEMA}.group_fit\"
                 (run_id, region, band, priority);
             CREATE UNIQUE INDEX parameter_key ON \"{SCHEMA}.parameter\"
                 (run_id, region, band, priority, name);"
        );
        backend.shell().execute_batch(&unique).unwrap();
    }
    if version == 5 {
        let unique = format!(
            "CREATE UNIQUE INDEX run_by_slot ON \"{SCHEMA}.run\" (scope, slot)
                 WHERE slot IS NOT NULL;"
        );
        backend.shell().execute_batch(&unique).unwrap();
    }
    let row = [1, 2, 3].map(|n| statement.p(n).clone()).into_iter().chain([now()]).collect();
    backend.insert(&format!("{SCHEMA}.schema_migration"), [row]);
    Ok(())
}

fn now() -> Value {
    Value::from_micros(jiff::Timestamp::now().as_microsecond())
}

fn schema_migration() -> Table {
    let columns = vec![
        Column::new("version", ColumnType::Int).not_null(),
        Column::new("name", ColumnType::NVarChar(100)).not_null(),
        Column::new("checksum", ColumnType::NVarChar(64)).not_null(),
        Column::new("applied_at", ColumnType::DateTime2(6)).not_null(),
    ];
    Table::new(&format!("{SCHEMA}.schema_migration"), columns).keyed(&["version"])
}

/// The tables that a migration makes: a column a line, as the house writes them.
fn tables(sql: &str) -> Vec<Table> {
    let made = sql.split("CREATE TABLE {schema}.").skip(1);
    made.map(|text| {
        let (name, rest) = text.split_once(" (").unwrap();
        let (body, _) = rest.split_once("\n);").unwrap();
        table(&format!("{SCHEMA}.{name}"), body)
    })
    .collect()
}

/// The columns that a migration adds, each by a statement of its own, with the tables' names.
fn added_columns(sql: &str) -> Vec<(String, Column)> {
    let added = sql.split("ALTER TABLE {schema}.").skip(1);
    added
        .map(|text| {
            let (statement, _) = text.split_once(';').unwrap();
            let (name, declaration) = statement.split_once(" ADD ").unwrap();
            let mut words = declaration.split(' ');
            let column_name = words.next().unwrap();
            let kind = words.next().and_then(ColumnType::parse).unwrap();
            (format!("{SCHEMA}.{name}"), column(column_name, kind, declaration))
        })
        .collect()
}

fn table(name: &str, body: &str) -> Table {
    let mut columns: Vec<Column> = Vec::new();
    let mut key: Vec<String> = Vec::new();
    for line in body.lines().map(str::trim) {
        let mut words = line.split(' ');
        let column_name = words.next().unwrap().trim_matches(['[', ']']);
        if let Some(kind) = words.next().and_then(ColumnType::parse) {
            columns.push(column(column_name, kind, line));
        }
        if let Some((_, names)) = line.split_once("PRIMARY KEY CLUSTERED (") {
            key = names.trim_end_matches([')', ',']).split(", ").map(str::to_owned).collect();
        } else if line.contains("PRIMARY KEY") {
            // Of this column, or of the one whose declaration goes on here.
            key = vec![columns.last().unwrap().name.clone()];
        }
    }
    let key: Vec<&str> = key.iter().map(String::as_str).collect();
    Table::new(name, columns).keyed(&key)
}

fn column(name: &str, kind: ColumnType, line: &str) -> Column {
    let column = Column::new(name, kind);
    let column =
        if line.contains("_BIN2") { column.collated(Collation::Latin1Binary) } else { column };
    if line.contains("NOT NULL") { column.not_null() } else { column }
}
