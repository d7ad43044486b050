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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Override, Settings, Sources};

    fn sources(overrides: &[(&str, &str)]) -> Sources {
        let overrides = overrides.iter().map(|(key, value)| Override::new("--set", key, *value));
        Sources { overrides: overrides.collect(), ..Sources::default() }
    }

    #[test]
    fn the_settings_of_then_hold_and_places_are_those_of_now() {
        let then = Settings::load(&sources(&[
            ("scope", "then"),
            ("embedded.path", "then.db"),
            ("judge.max_time_change", "0.25"),
            ("accept.known_regions", "A, B"),
            ("groups.bands", r#"[{ name = "peak", days = "mon-fri", hours = "7-9,16-19" }]"#),
            ("columns.lengths", r#"[{ class = "motorway", column = "m" }]"#),
            ("fit.bounds", r#"[{ name = "cruise_speed_kmh", min = 5.0, max = 90.0 }]"#),
            ("window.days", "30"),
        ]))
        .unwrap();
        let kept = Kept { run_id: 3, document: then.document.clone() };
        let now = sources(&[
            ("scope", "now"),
            ("judge.max_time_change", "0.75"),
            ("embedded.path", "now.db"),
            ("fit.workers", "3"),
            ("output.dir", "elsewhere"),
        ]);
        let over = Settings::load_over(&now, &kept).unwrap();
        assert_eq!(over.settings.scope, "then");
        assert_eq!(over.origins["judge.max_time_change"].to_string(), "run 3");
        assert_eq!(over.settings.embedded.path.to_str(), Some("now.db"));
        assert_eq!(over.settings.fit.workers, 3);
        assert_eq!(over.settings.output.dir.to_str(), Some("elsewhere"));
        // But for the place the whole document is that of then.
        let now = sources(&[("embedded.path", "then.db")]);
        assert_eq!(Settings::load_over(&now, &kept).unwrap().hash, then.hash);
    }

    #[test]
    fn documents_of_other_versions_are_refused_by_name() {
        let check = |document: &str, expected: &str| {
            let kept = Kept { run_id: 3, document: document.to_owned() };
            let error = Settings::load_over(&Sources::default(), &kept).unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        check(r#"{"fit.colour":"red"}"#, "unknown key `fit.colour` in `run 3`");
        check(
            r#"{"fit.max_iterations":"many"}"#,
            r#"`fit.max_iterations` in `run 3`: must be an integer, not string "many""#,
        );
        check(
            "[]",
            "the settings of run 3 cannot be read: invalid type: sequence, expected a map at line 1 \
             column 0",
        );
    }
}
