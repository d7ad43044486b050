//! The server seen by tiberius.

mod bulk;
mod client;
mod faults;
mod login;
mod sqlite;
mod statements;
mod stream;
mod tls;
mod transactions;
mod types;
