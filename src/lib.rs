//! speedfit fits travel-speed parameters for emergency vehicles, region by region, from incident
//! records, and publishes them safely.
//!
//! Modules in reading order; each may use only some of those above it, as `tests/it/layers.rs`
//! holds:
//!
//! ```text
//! domain     what we talk about            fit        the numeric core, no I/O
//! ports      what a run needs of the world
//! job        one run, and what operators do to runs
//! schedule   when runs happen
//! adapters   the world: SQLite, files, memory
//! config     layered settings, secrets     report     HTML, plots
//! bootstrap  wires everything              telemetry  logs
//! cli        commands, exit codes, rendering
//! ```

pub mod domain;
pub mod fit;
pub mod ports;

pub mod job;
pub mod schedule;

pub mod adapters;
pub mod config;
pub mod report;

pub mod bootstrap;
pub mod cli;
pub mod telemetry;
