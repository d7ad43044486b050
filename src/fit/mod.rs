//! The numeric core: travel-time models and how to fit them. No I/O, no tokio, no serde.
//!
//! Distances are km and times minutes inside the models; records carry seconds.
//!
//! Reading order: `observations`, `columns`, `options` and `report` (what goes in and comes out),
//! `models` (the menu), `least_squares`, `trust_region` and `solver` (which know no travel times),
//! `problem` (where the two meet), `fitting` and `uncertainty` (from a minimum to a report),
//! `pooling` and `refit` (what groups with few records take from their likes), `predict` and
//! `holdout` (what published parameters say of trips, and how well).

pub mod columns;
pub mod curve;
mod fitting;
pub mod holdout;
pub mod least_squares;
mod metrics;
pub mod models;
mod newton;
pub mod observations;
pub mod options;
pub mod pooling;
pub mod predict;
mod problem;
mod refit;
pub mod report;
pub mod simulate;
pub mod solver;
pub mod summary;
mod time_law;
mod trust_region;
mod uncertainty;

pub use columns::Columns;
pub use curve::Curve;
pub use fitting::fit;
pub use models::Model;
pub use observations::{Observations, Sample};
pub use options::FitOptions;
pub use refit::refit;
pub use report::{Estimate, FitReport, Identification, Metrics, Termination};
pub use uncertainty::standard_errors;

#[cfg(test)]
mod column_laws;
#[cfg(test)]
mod laws;
