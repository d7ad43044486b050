//! `show-config`: every setting and where it comes from; secrets as set or unset.

use clap::Args;
use serde_json::{Map, Value, json};

use super::context::Context;
use super::exit::Exit;
use super::table;
use crate::config::{Loaded, Secret};

/// Print every setting with its origin, and which secrets are set.
#[derive(Debug, Args)]
pub(super) struct Options {}

pub(super) async fn run(_options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    if context.json() {
        context.print_json(&document(&loaded)?)?;
    } else {
        let rows = rows(&loaded)?;
        let headers = ["key", "value", "from"];
        context.print(&table::render(&headers, &rows, &[], context.width()))?;
    }
    Ok(Exit::Done)
}

fn rows(loaded: &Loaded) -> anyhow::Result<Vec<Vec<String>>> {
    let settings = loaded.settings.to_flat_json()?;
    let settings = settings.into_iter().map(|(key, value)| {
        let origin = loaded.origins.get(&key).map(ToString::to_string);
        vec![key, value.to_string(), origin.unwrap_or_default()]
    });
    let secrets = Secret::ALL.into_iter().map(|secret| {
        let origin = loaded.secrets.origin(secret);
        let state = if origin.is_some() { "set" } else { "unset" };
        let variable = origin.map_or("", |origin| origin.variable());
        vec![secret.variable().to_owned(), state.to_owned(), variable.to_owned()]
    });
    Ok(settings.chain(secrets).collect())
}

fn document(loaded: &Loaded) -> anyhow::Result<Value> {
    let settings: Map<String, Value> = loaded
        .settings
        .to_flat_json()?
        .into_iter()
        .map(|(key, value)| {
            let origin = loaded.origins.get(&key).map(ToString::to_string);
            (key, json!({ "value": value, "from": origin }))
        })
        .collect();
    let secrets: Map<String, Value> = Secret::ALL
        .into_iter()
        .map(|secret| {
            let origin = loaded.secrets.origin(secret).map(|origin| origin.variable());
            let state = json!({ "set": origin.is_some(), "from": origin });
            (secret.variable().to_owned(), state)
        })
        .collect();
    Ok(json!({
        "settings": settings,
        "secrets": secrets,
        "settings_hash": loaded.hash,
        "warnings": loaded.warnings,
    }))
}
