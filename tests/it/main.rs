//! One integration binary, a module per topic.

mod bad_input;
mod cli_shell;
mod config;
mod embedded;
mod file_export;
mod file_source;
mod fit_reference;
mod job;
mod layers;
mod memory;
mod pipeline;
mod process;
mod store_contract;
mod support;
