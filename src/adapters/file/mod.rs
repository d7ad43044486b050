//! adapters/file/mod
