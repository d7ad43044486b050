//! Merges the layers into typed settings, and remembers where each value comes from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::environment::Environment;
use super::error::ConfigError;
use super::kept::{self, Kept};
use super::layer::{self, Entry, Override};
use super::nearest::nearest;
use super::origin::Origin;
use super::schema::{DEFAULTS, Schema};
use super::secrets::{Secret, Secrets};
use super::settings::Settings;
use super::validate::validate;

/// Everything that settings are read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Variables.
    pub environment: Environment,
    /// Folder with settings files; `None` is what `SPEEDFIT_CONFIG_DIR` says, or `config`.
    pub config_dir: Option<PathBuf>,
    /// The file of `--config`, above the one that `SPEEDFIT_ENV` names.
    pub file: Option<PathBuf>,
    /// Flags, above everything; of two for the same key the later wins.
    pub overrides: Vec<Override>,
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings, valid.
    pub settings: Settings,
    /// The secrets that are set.
    pub secrets: Secrets,
    /// The settings files that were read, later ones above earlier ones.
    pub files: Vec<PathBuf>,
    /// Where each key's value comes from; every key is there.
    pub origins: BTreeMap<String, Origin>,
    /// SHA-256, hexadecimal, of the settings that influence results: all but how runs are operated,
    /// logged and written out, `fit.workers`, `embedded.max_size_mb`, and how a server is reached and
    /// logged in to.
    pub hash: String,
    /// Those settings, as one JSON object: key and value.
    pub document: String,
    /// What is odd but no error, one sentence each.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads all layers and the secrets.
    ///
    /// # Errors
    /// [`ConfigError`] names the key and where it stands.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
        Self::load_layers(sources, None)
    }

    /// Reads them as [`load`](Self::load) does, the settings that an earlier run was made with above
    /// all of them: source, store, secrets, log and outputs are those of now.
    ///
    /// # Errors
    /// [`ConfigError`] names the key and where it stands.
    pub fn load_over(sources: &Sources, kept: &Kept) -> Result<Loaded, ConfigError> {
        Self::load_layers(sources, Some(kept))
    }

    fn load_layers(sources: &Sources, kept: Option<&Kept>) -> Result<Loaded, ConfigError> {
        let schema = Schema::embedded()?;
        let reader = Reader::new()?;
        let mut origins: BTreeMap<_, _> =
            schema.keys().map(|key| (key.to_owned(), Origin::Default)).collect();
        let mut entries = Vec::new();
        let kept = kept.map(|kept| kept::entries(kept, &schema)).transpose()?;
        for layer in layers(sources, &schema)?.into_iter().chain(kept) {
            layer.iter().try_for_each(|entry| reader.check(entry))?;
            origins.extend(layer.iter().map(|e| (e.key.clone(), e.origin.clone())));
            entries.extend(layer);
        }
        let settings = reader.read(&entries).map_err(|e| ConfigError::Defaults(plain(&e)))?;
        validate(&settings).map_err(|problem| {
            let at = |key: String| origins.get(&key).cloned().map(|origin| (key, origin));
            let given = |(_, origin): &(String, Origin)| *origin != Origin::Default;
            let origins = problem.keys.into_iter().filter_map(at).filter(given).collect();
            ConfigError::Invalid { message: problem.message, origins }
        })?;
        let document = document(&settings)?;
        Ok(Loaded {
            hash: hash(&document),
            document,
            secrets: Secrets::load(&sources.environment, &settings.scope)?,
            files: files(sources)?,
            warnings: warnings(sources, &schema)?,
            settings,
            origins,
        })
    }

    /// Every key with its value as JSON, in the order of the keys.
    ///
    /// # Errors
    /// [`ConfigError::Defaults`] where a value has no JSON form, which no value lacks.
    pub fn to_flat_json(&self) -> Result<BTreeMap<String, serde_json::Value>, ConfigError> {
        let value = serde_json::to_value(self).map_err(|e| ConfigError::Defaults(e.to_string()))?;
        let mut flat = BTreeMap::new();
        for (name, value) in value.as_object().into_iter().flatten() {
            match value.as_object() {
                Some(section) => flat.extend(
                    section.iter().map(|(key, value)| (format!("{name}.{key}"), value.clone())),
                ),
                None => _ = flat.insert(name.clone(), value.clone()),
            }
        }
        Ok(flat)
    }
}

impl Sources {
    /// The folder with settings files.
    pub(super) fn dir(&self) -> Result<PathBuf, ConfigError> {
        match &self.config_dir {
            Some(dir) => Ok(dir.clone()),
            None => self.environment.config_dir(),
        }
    }
}

fn files(sources: &Sources) -> Result<Vec<PathBuf>, ConfigError> {
    let mut files = Vec::new();
    if let Some(env) = sources.environment.get(Environment::ENV)? {
        files.push(sources.dir()?.join(format!("{env}.toml")));
    }
    files.extend(sources.scope_file()?);
    files.extend(sources.file.clone());
    Ok(files)
}

/// The layers above the defaults, lowest first.
fn layers(sources: &Sources, schema: &Schema) -> Result<[Vec<Entry>; 5], ConfigError> {
    let environment = &sources.environment;
    Ok([
        layer::from_env_file(environment, &sources.dir()?, schema)?,
        sources.scope_layer(schema)?,
        match &sources.file {
            Some(path) => layer::from_file(path, schema)?,
            None => Vec::new(),
        },
        layer::from_environment(environment, schema)?,
        layer::from_overrides(&sources.overrides, schema)?,
    ])
}

/// Lays entries on the defaults and reads the whole.
struct Reader {
    defaults: config::Config,
}

impl Reader {
    fn new() -> Result<Self, ConfigError> {
        let defaults = config::File::from_str(DEFAULTS, config::FileFormat::Toml);
        let defaults = config::Config::builder().add_source(defaults).build();
        Ok(Self { defaults: defaults.map_err(|e| ConfigError::Defaults(e.to_string()))? })
    }

    /// Reads one entry alone on the defaults, so that a mistake is blamed on its origin.
    fn check(&self, entry: &Entry) -> Result<(), ConfigError> {
        match self.read(std::slice::from_ref(entry)) {
            Ok(_) => Ok(()),
            Err(error) => Err(ConfigError::Value {
                key: entry.key.clone(),
                origin: entry.origin.clone(),
                message: plain(&error),
            }),
        }
    }

    fn read(&self, entries: &[Entry]) -> Result<Settings, config::ConfigError> {
        let mut builder = config::Config::builder().add_source(self.defaults.clone());
        for entry in entries {
            let value: config::Value = entry
                .value
                .clone()
                .try_into()
                .map_err(|e: toml::de::Error| config::ConfigError::Foreign(Box::new(e)))?;
            builder = builder.set_override(&entry.key, value)?;
        }
        builder.build()?.try_deserialize()
    }
}

/// The mistake itself, without key and origin, which we know better.
fn plain(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::At { error, .. } => plain(error),
        config::ConfigError::Message(message) => message.clone(),
        config::ConfigError::Type { unexpected, expected, .. } => {
            format!("must be {expected}, not {unexpected}")
        }
        other => other.to_string(),
    }
}

fn document(settings: &Settings) -> Result<String, ConfigError> {
    let mut flat = settings.to_flat_json()?;
    flat.retain(|key, _| influences_results(key));
    serde_json::to_string(&flat).map_err(|e| ConfigError::Defaults(e.to_string()))
}

fn hash(document: &str) -> String {
    Sha256::digest(document).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keys of `[source]` and `[store]` that say which records and which parameters are meant.
const NAMES_OF_PLACES: [&str; 6] = ["kind", "host", "port", "instance", "database", "schema"];

fn influences_results(key: &str) -> bool {
    match key.split_once('.') {
        Some(("log" | "output" | "schedule" | "retention" | "notify" | "metrics" | "http", _)) => {
            false
        }
        Some(("source" | "store", own)) => NAMES_OF_PLACES.contains(&own),
        Some(("fit", "workers") | ("embedded", "max_size_mb")) => false,
        Some(("sqlserver", "connections" | "partition" | "partition_column")) => false,
        _ => true,
    }
}

/// Variables that look like ours and are read by nobody.
fn warnings(sources: &Sources, schema: &Schema) -> Result<Vec<String>, ConfigError> {
    let environment = &sources.environment;
    let mut known = vec![Environment::ENV.to_owned(), Environment::CONFIG_DIR.to_owned()];
    for secret in Secret::ALL {
        known.extend([secret.variable().to_owned(), secret.file_variable()]);
    }
    let settings: Vec<_> = schema.keys().map(Environment::variable_of).collect();
    let mut warnings = Vec::new();
    for name in environment.others() {
        if known.iter().any(|k| k == name) || is_foreign(name) || Secret::is_of_a_scope(name) {
            continue;
        }
        let meant = nearest(name, known.iter().chain(&settings).map(String::as_str));
        let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        warnings.push(format!("the variable `{name}` is not read{meant}"));
    }
    let folder = environment.get(Environment::CONFIG_DIR)?;
    let is_unread = environment.get(Environment::ENV)?.is_none() && sources.scopes()?.is_empty();
    if folder.is_some_and(|folder| is_unread && !is_empty_folder(Path::new(folder))) {
        let text =
            "`SPEEDFIT_CONFIG_DIR` is set but `SPEEDFIT_ENV` is not, so no file is read there";
        warnings.push(text.to_owned());
    }
    Ok(warnings)
}

/// Whether there is a folder that holds nothing, as in a container where none is mounted.
fn is_empty_folder(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Variables of our tests, and those that Kubernetes sets for a service named `speedfit`.
fn is_foreign(name: &str) -> bool {
    name.starts_with("SPEEDFIT_TEST_")
        || ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"].iter().any(|part| name.contains(part))
        || name.ends_with("_PORT")
}
