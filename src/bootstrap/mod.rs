//! The one place that names adapters and wires everything: settings in, a plan and a world out.

mod api;
mod examine;
mod health;
mod import;
mod launch;
mod nights;
mod outputs;
mod plan;
mod probe;
mod select;
mod sqlserver;
mod stored_report;
mod telling;
mod world;

use std::path::PathBuf;

pub use crate::adapters::embedded::{ImportOutcome, ImportRow, ImportSummary};
pub use api::Desk;
pub use examine::{can_sample, examine_source, examine_store};
pub use health::{keep_health, read_health};
pub use import::{import_batches, import_file, imports, imports_of, undo_import};
pub use launch::{Launch, LaunchError, Launched};
pub use nights::{ScopeNight, rules};
pub use outputs::{
    Outputs, check_export, check_output, export_groups, export_parameters, fit_report,
    read_published, write_file, write_outputs,
};
pub use plan::{Ask, plan, retention_rules};
pub use probe::{ContainerPurpose, container_purpose, probe_api};
pub use stored_report::stored_report;
pub use telling::{Upload, examine_telling, tell_of_dead};
pub use world::{WorldError, clock, file_source, migrate, migration_script, source, store, world};

/// What cannot be wired.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The settings name a model that is not there; the settings' own check should have said so.
    #[error("there is no model `{0}`")]
    UnknownModel(String),
    /// The model cannot be fitted as the settings ask.
    #[error(transparent)]
    Options(#[from] crate::fit::OptionsError),
    /// The window of the settings cannot be told.
    #[error("the window of the settings cannot be told")]
    Window(#[source] jiff::Error),
    /// What is selected cannot be told.
    #[error(transparent)]
    Selection(#[from] crate::domain::SelectorError),
    /// Certain groups are asked for, of which there are none.
    #[error("no group is selected, so nothing was done")]
    NothingSelected,
    /// The judge is overruled, and nobody says why.
    #[error("`force` overrules the judge, which needs a reason")]
    ForceWithoutReason,
    /// A result could not be written.
    #[error("cannot write `{path}`")]
    Output {
        /// Where to.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}
