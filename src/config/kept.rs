//! Settings of an earlier run, as the ledger keeps them, laid over those of now.

use std::collections::BTreeMap;

use super::error::ConfigError;
use super::layer::Entry;
use super::origin::Origin;
use super::schema::{Place, Schema};

/// What a run was made with.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Number of the run.
    pub run_id: i64,
    /// [`Loaded::document`](super::Loaded::document) of its settings.
    pub document: String,
}

/// Sections that say where source and store are: those of now hold, as do the secrets, which no
/// document has.
const PLACES: [&str; 3] = ["source", "store", "embedded"];

/// The settings of the document that are laid over.
///
/// # Errors
/// [`ConfigError::UnknownKey`] where a key of then is none any more, [`ConfigError::Kept`] where the
/// document cannot be read.
pub(super) fn entries(kept: &Kept, schema: &Schema) -> Result<Vec<Entry>, ConfigError> {
    let unreadable = |message: String| ConfigError::Kept { run_id: kept.run_id, message };
    let flat: BTreeMap<String, toml::Value> =
        serde_json::from_str(&kept.document).map_err(|e| unreadable(e.to_string()))?;
    let origin = Origin::Run(kept.run_id);
    let is_place = |key: &str| key.split_once('.').is_some_and(|(at, _)| PLACES.contains(&at));
    let mut entries = Vec::new();
    for (key, value) in flat.into_iter().filter(|(key, _)| !is_place(key)) {
        if !matches!(schema.place(&key), Place::Key(_)) {
            return Err(ConfigError::UnknownKey { key, origin, suggestion: None });
        }
        entries.push(Entry { key, value, origin: origin.clone() });
    }
    Ok(entries)
}
