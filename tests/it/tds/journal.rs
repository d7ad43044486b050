//! What clients asked for, in order, for tests to read.

use std::sync::{Arc, Mutex, PoisonError};

use super::backend::Parameter;

/// One request of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Number of the connection, from 1, over the server's life.
    pub connection: u64,
    /// Its name, as faults know it; empty for a text that names itself nowhere.
    pub name: String,
    /// The text of the statement; the application's name for a login; empty for most others.
    pub text: String,
    /// Parameters of the statement.
    pub parameters: Vec<Parameter>,
}

/// All requests of all clients so far. Clones show the same journal.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Journal {
    /// Adds an entry; returns how often its name has been seen now, this time included.
    pub fn push(&self, entry: Entry) -> usize {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push(entry);
        let name = &entries[entries.len() - 1].name;
        entries.iter().filter(|seen| seen.name == *name).count()
    }

    /// All entries so far.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The names of all entries so far, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.entries().into_iter().map(|entry| entry.name).collect()
    }

    /// The entries of one name.
    #[must_use]
    pub fn of(&self, name: &str) -> Vec<Entry> {
        let mut entries = self.entries();
        entries.retain(|entry| entry.name == name);
        entries
    }

    /// How often a name has been asked for.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.of(name).len()
    }

    /// How many connections have come so far.
    #[must_use]
    pub fn n_connections(&self) -> u64 {
        self.entries().iter().map(|entry| entry.connection).max().unwrap_or(0)
    }
}
