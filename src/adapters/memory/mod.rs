//! adapters/memory
