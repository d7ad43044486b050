//! The numeric core: travel-time models and how to fit them. No I/O, no tokio, no serde.
//!
//! Distances are km and times minutes inside the models; records carry seconds.

pub mod observations;
pub mod report;

pub use observations::{Observations, Sample};
pub use report::{Estimate, FitOptions, FitReport, Identification, Metrics, Termination};
