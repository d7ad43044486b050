//! SQL Server: the client's records, and the store of runs and parameters, through `tiberius`.
//!
//! Knows nothing of settings files or of fitting. Statements stand in `sql/`, one a file; the first
//! line of each names it, so that a DBA finds it in the server's own statistics, and a test can let
//! it fail.

mod conclude;
mod connection;
mod error;
mod examine;
mod examine_store;
mod hints;
mod identifier;
mod journal;
mod locks;
mod moment;
mod options;
mod parameters;
mod retry;
mod rows;
mod schema;
mod source;
mod store;
mod unit;

pub use error::{ServerError, SqlServerError, UnitError};
pub use identifier::{Identifier, IdentifierError, ObjectName};
pub use options::{Encryption, FreshLogin, Login, Section, ServerOptions, Trust};
pub use retry::{RetryClass, RetryPolicy};
pub use source::{Isolation, Partition, RecordsFrom, SourceOptions, SqlServerSource};
pub use store::{Mode, SqlServerStore, StoreOptions};
