//! The world behind the ports: SQLite, files, memory.

pub mod embedded;
pub mod file;
pub mod memory;
pub mod migrate;
