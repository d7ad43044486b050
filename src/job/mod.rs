//! One run, and what operators do to runs: read, fit, judge, publish, account for it.
//!
//! Knows the world through `ports` only. The order of a run is told in `execute.rs`.

pub mod assemble;
pub mod backfill;
pub mod choose;
pub mod collect;
pub mod covariates;
mod current;
mod dead;
pub mod diff;
pub mod error;
pub mod events;
pub mod execute;
pub mod fitting;
pub mod gate;
mod grace;
mod group_fit;
mod hierarchy;
pub mod history;
pub mod judge;
mod ledger;
pub mod metrics;
mod off_thread;
pub mod outcome;
mod overrule;
pub mod plan;
pub mod pool;
mod pool_rounds;
mod pooled_rows;
mod preference;
pub mod publish;
mod reading;
pub mod retention;
pub mod retry;
pub mod sample;
mod standard;

pub use covariates::FactorPlan;
pub use dead::end_dead;
pub use error::JobError;
pub use events::{Observer, RunEvent, Silent};
pub use execute::{World, execute, execute_requested, pick_up, request};
pub use fitting::{FittedGroup, FittedSource, fit_source};
pub use gate::GateRules;
pub use judge::JudgeRules;
pub use metrics::scope_metrics;
pub use off_thread::off_thread;
pub use outcome::RunReport;
pub use plan::{AutoPlan, HoldoutPlan, ModelRecipe, RepeatedIds, RunPlan};
pub use sample::{Sampled, sample};
