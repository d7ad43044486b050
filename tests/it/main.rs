//! One integration binary, a module per topic.

mod bad_input;
mod cli_shell;
mod config;
mod digits;
mod doctor;
mod embedded;
mod file_export;
mod file_source;
mod fit_reference;
mod job;
mod layers;
mod memory;
mod nist;
mod pipeline;
mod predict;
mod process;
mod reference;
mod road_and_factors;
mod sqlserver_faults;
mod sqlserver_pipeline;
mod sqlserver_program;
mod sqlserver_source;
mod sqlserver_store;
mod store_contract;
mod support;
pub mod tds;
mod tds_store;
