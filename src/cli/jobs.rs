//! Which jobs a command is about: the one that is named, or every one that has a settings file.

use super::context::Context;
use crate::config::{ConfigError, Loaded, Override, Settings, Sources};

/// A job: where its settings come from, and what they say now.
pub(super) struct Job {
    pub(super) sources: Sources,
    pub(super) loaded: Loaded,
}

/// The job that a flag or a variable names; or else every one with a file in `scopes`; or else the one
/// of the settings. Sets the log up by the first.
pub(super) fn jobs(context: &Context) -> Result<Vec<Job>, ConfigError> {
    let common = context.sources(Vec::new());
    let scopes = if common.names_scope()? { Vec::new() } else { common.scopes()? };
    let flags: Vec<Vec<Override>> = if scopes.is_empty() {
        vec![Vec::new()]
    } else {
        scopes.iter().map(|scope| vec![Override::new("--scope", "scope", scope)]).collect()
    };
    let mut jobs = Vec::new();
    for flags in flags {
        let sources = context.sources(flags.clone());
        let loaded = if jobs.is_empty() { context.load(flags)? } else { Settings::load(&sources)? };
        jobs.push(Job { sources, loaded });
    }
    Ok(jobs)
}
