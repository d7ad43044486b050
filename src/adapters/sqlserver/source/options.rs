//! What is read of a server and how: plain values, no settings, no driver.

use std::num::NonZeroUsize;

use jiff::tz::TimeZone;

use crate::adapters::file::{ColumnMap, DistanceUnit, LengthColumns, TimeUnit};
use crate::adapters::sqlserver::options::ServerOptions;
use crate::adapters::sqlserver::retry::RetryPolicy;

/// Records on a server, and how to read them.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// The server.
    pub server: ServerOptions,
    /// How often the reading is begun again before it has delivered anything.
    pub retry: RetryPolicy,
    /// The table, view or query.
    pub records: RecordsFrom,
    /// Which column holds what.
    pub columns: ColumnMap,
    /// Which columns hold lengths by class of road.
    pub lengths: LengthColumns,
    /// Unit of the distance column.
    pub distance_unit: DistanceUnit,
    /// Unit of the travel-time column.
    pub time_unit: TimeUnit,
    /// Time zone of times without an offset: `datetime2`, `datetime`, `smalldatetime`, `date`, text.
    pub time_zone: TimeZone,
    /// Which state of the database is read.
    pub isolation: Isolation,
    /// Connections that read side by side.
    pub connections: NonZeroUsize,
    /// How the records are shared out among them.
    pub partition: Partition,
}

impl SourceOptions {
    /// Connections where nothing else is said: the second nearly doubles the rate, further ones add
    /// little before the client's own cores are the limit.
    pub const DEFAULT_CONNECTIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

    /// Records that follow the contract of record files: its names of columns, km, s, UTC.
    #[must_use]
    pub fn new(server: ServerOptions, records: RecordsFrom) -> Self {
        Self {
            server,
            retry: RetryPolicy::default(),
            records,
            columns: ColumnMap::default(),
            lengths: LengthColumns::default(),
            distance_unit: DistanceUnit::default(),
            time_unit: TimeUnit::default(),
            time_zone: TimeZone::UTC,
            isolation: Isolation::default(),
            connections: Self::DEFAULT_CONNECTIONS,
            partition: Partition::default(),
        }
    }
}

/// Where the records stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordsFrom {
    /// A table or view: `name`, `schema.name` or `database.schema.name`; a part with odd characters
    /// in brackets, a closing bracket doubled: `[odd na]]me]`.
    Table(String),
    /// One `SELECT` statement, which is read as if it were a view: no `WITH` before it, no
    /// `ORDER BY` unless with `TOP`, every column named, each name once.
    Query(String),
}

/// Which state of the database is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Isolation {
    /// [`Snapshot`](Self::Snapshot) where the database allows it, else
    /// [`ReadCommitted`](Self::ReadCommitted).
    #[default]
    Auto,
    /// Every connection reads the state as of the beginning, and nobody waits for the other. Needs
    /// `ALLOW_SNAPSHOT_ISOLATION`.
    Snapshot,
    /// Every row as it is committed when the reading comes to it; where the database has no
    /// `READ_COMMITTED_SNAPSHOT`, readers and writers wait for each other.
    ReadCommitted,
}

/// How the records are shared out among the connections. Whatever it is, every record is read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partition {
    /// One connection reads everything.
    Off,
    /// By ranges of a column of numbers, dates or times. An index that begins with it saves the
    /// server from looking through the table for every range.
    Range {
        /// The column; `None` is that of the time.
        column: Option<String>,
    },
    /// By ranges of region names, so that about as many records are in each.
    Region,
}

impl Default for Partition {
    fn default() -> Self {
        Self::Range { column: None }
    }
}
