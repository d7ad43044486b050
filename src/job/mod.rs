//! One run, and what operators do to runs: read, fit, judge, publish, account for it.
//!
//! Knows the world through `ports` only. The order of a run is told in `execute.rs`.

pub mod assemble;
pub mod choose;
pub mod collect;
pub mod covariates;
mod current;
pub mod error;
pub mod events;
pub mod execute;
pub mod fitting;
mod grace;
mod group_fit;
mod hierarchy;
pub mod judge;
mod ledger;
pub mod outcome;
pub mod plan;
pub mod pool;
mod pooled_rows;
mod reading;
pub mod sample;
mod standard;

pub use covariates::FactorPlan;
pub use error::JobError;
pub use events::{Observer, RunEvent, Silent};
pub use execute::{World, execute, execute_requested, pick_up, request};
pub use fitting::{FittedGroup, FittedSource, fit_source};
pub use judge::JudgeRules;
pub use outcome::RunReport;
pub use plan::{AutoPlan, HoldoutPlan, ModelRecipe, RepeatedIds, RunPlan};
pub use sample::{Sampled, sample};
