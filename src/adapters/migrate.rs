//! adapters/migrate
