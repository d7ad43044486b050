//! One run, and what operators do to runs: read, fit, judge, publish, account for it.
//!
//! Knows the world through `ports` only. The order of a run is told in `execute.rs`.

pub mod assemble;
pub mod choose;
pub mod collect;
pub mod covariates;
pub mod error;
pub mod events;
pub mod execute;
pub mod fitting;
mod grace;
pub mod judge;
mod ledger;
pub mod outcome;
pub mod plan;
pub mod sample;

pub use covariates::FactorPlan;
pub use error::JobError;
pub use events::{Observer, RunEvent, Silent};
pub use execute::{World, execute};
pub use fitting::{FittedGroup, FittedSource, fit_source};
pub use judge::JudgeRules;
pub use outcome::RunReport;
pub use plan::{ModelRecipe, RepeatedIds, RunPlan};
pub use sample::{Sampled, sample};
