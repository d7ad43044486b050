//! adapters/embedded/mod
