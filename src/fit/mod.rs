//! The numeric core: travel-time models and how to fit them. No I/O, no tokio, no serde.
//!
//! Distances are km and times minutes inside the models; records carry seconds.
//!
//! Reading order: `observations`, `columns`, `options` and `report` (what goes in and comes out),
//! `models` (the menu), `least_squares`, `trust_region` and `solver` (which know no travel times),
//! `problem` (where the two meet); `fitting` (least squares), `reweighted`, `robust_fit` with `loss`,
//! `likelihood_fit` with `errors`, `spread`, `likelihood` and `ascent`; `describe`, `uncertainty` and
//! `profile_intervals` (from an optimum to a report), `derived` (figures that follow from one);
//! `pooling` and `refit` (what groups with few records take from their likes), `predict` and
//! `holdout` (what published parameters say of trips, and how well).

mod ascent;
pub mod bounds;
pub mod columns;
pub mod curve;
pub mod derived;
mod describe;
pub mod errors;
mod fitting;
pub mod holdout;
pub mod least_squares;
mod likelihood;
mod likelihood_fit;
mod loss;
mod metrics;
pub mod models;
mod newton;
pub mod observations;
pub mod options;
pub mod pooling;
pub mod predict;
mod problem;
mod products;
mod profile_intervals;
mod refit;
pub mod report;
mod reweighted;
mod robust_fit;
pub mod simulate;
pub mod solution;
pub mod solver;
pub mod spread;
pub mod summary;
mod tail;
mod trust_region;
mod uncertainty;

pub use bounds::OptionsError;
pub use columns::Columns;
pub use curve::Curve;
pub use errors::Law;
pub use fitting::fit;
pub use models::Model;
pub use observations::{Observations, Sample};
pub use options::FitOptions;
pub use refit::{evidence_about, refit};
pub use report::{Estimate, FitReport, Identification, Metrics, Termination};
pub use solution::Solution;
pub use spread::Scatter;
pub use uncertainty::standard_errors;

#[cfg(test)]
mod column_laws;
#[cfg(test)]
mod interval_laws;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod likelihood_golden;
#[cfg(test)]
mod likelihood_laws;
