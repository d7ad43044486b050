//! A table of incidents on the TDS test server, as a client's might look.

use speedfit::domain::IncidentId;
use speedfit::domain::record::RecordRef;

use super::StoreServer;
use crate::tds::{Column, ColumnType, Reply, SqliteBackend, Table, Value};

/// Name of the table, as the default settings have it.
const TABLE: &str = "dbo.incident";

impl StoreServer {
    /// Makes the table and puts the rows into it: distances in km, times in s, moments in UTC.
    pub(crate) fn load<'a>(&self, rows: impl IntoIterator<Item = RecordRef<'a>>) {
        self.backend.create(Table::new(
            TABLE,
            vec![
                Column::new("incident_id", ColumnType::NVarChar(100)),
                Column::new("region", ColumnType::NVarChar(200)),
                Column::new("parent_region", ColumnType::NVarChar(200)),
                Column::new("occurred_at", ColumnType::DateTime2(6)),
                Column::new("priority", ColumnType::NVarChar(50)),
                Column::new("distance_km", ColumnType::Float),
                Column::new("travel_time_s", ColumnType::Float),
                Column::new("weight", ColumnType::Float),
            ],
        ));
        self.backend.insert(TABLE, rows.into_iter().map(values));
        self.backend.allow_snapshots(true);
        answer_questions(&self.backend);
    }
}

/// What the reader and `speedfit doctor` ask of the catalogue: snapshots are allowed, and the login
/// may only read.
fn answer_questions(backend: &SqliteBackend) {
    let row = |names: &'static [&'static str], value: i64| {
        let int = |name: &&str| (Column::new(name, ColumnType::Int), Value::Int(value));
        Reply::row(names.iter().map(int).collect())
    };
    backend.handle("database_isolation", move |_, _| {
        Ok(row(&["snapshot_isolation_state", "is_read_committed_snapshot_on"], 1))
    });
    backend.handle("table_rights", move |_, _| {
        Ok(row(&["may_insert", "may_update", "may_delete"], 0))
    });
    backend.handle("rows_of_table", |_, _| {
        Ok(Reply::row(vec![(Column::new("n_rows", ColumnType::BigInt), Value::Null)]))
    });
}

fn values(row: RecordRef<'_>) -> Vec<Value> {
    let text = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.to_owned()));
    let number = |number: Option<f64>| number.map_or(Value::Null, Value::Float);
    vec![
        text(row.incident_id.map(IncidentId::text).as_deref()),
        text(row.region),
        text(row.parent_region),
        row.occurred_at_us.map_or(Value::Null, Value::from_micros),
        text(row.priority),
        number(row.distance_km),
        number(row.travel_time_s),
        number(row.weight),
    ]
}
