//! One integration binary, a module per topic.

mod config;
mod fit_reference;
mod job;
