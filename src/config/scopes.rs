//! Several jobs from one folder: the layer `scopes/<scope>.toml`, read when its scope is named.

use std::io;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::layer::{self, Entry};
use super::load::Sources;
use super::schema::Schema;

/// The folder inside that of the settings files.
const FOLDER: &str = "scopes";
/// The key that a file's own name says.
const KEY: &str = "scope";
/// More jobs than one process should look after.
const MAX_SCOPES: usize = 1000;

impl Sources {
    /// The scopes that have a file of their own, in order; none where there is no such folder.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] names the folder.
    pub fn scopes(&self) -> Result<Vec<String>, ConfigError> {
        names(&self.dir()?.join(FOLDER))
    }

    /// Whether a flag or a variable names a scope.
    ///
    /// # Errors
    /// [`ConfigError::NotUnicode`].
    pub fn names_scope(&self) -> Result<bool, ConfigError> {
        Ok(self.named_scope()?.is_some())
    }

    /// The scope that a flag or a variable names.
    fn named_scope(&self) -> Result<Option<String>, ConfigError> {
        let flags = self.overrides.iter().rev();
        if let Some(flag) = flags.into_iter().find(|flag| flag.key == KEY) {
            return Ok(Some(flag.value.clone()));
        }
        let variables = self.environment.settings()?;
        let named = variables.into_iter().find(|(_, key, _)| key == KEY);
        Ok(named.map(|(_, _, value)| value.to_owned()))
    }

    /// The file of the scope that is named, where scopes have files.
    ///
    /// # Errors
    /// [`ConfigError::UnknownScope`] where others have one and this has none.
    pub(super) fn scope_file(&self) -> Result<Option<PathBuf>, ConfigError> {
        let Some(scope) = self.named_scope()? else { return Ok(None) };
        let names = self.scopes()?;
        if names.is_empty() {
            return Ok(None);
        }
        let dir = self.dir()?.join(FOLDER);
        if !names.contains(&scope) {
            return Err(ConfigError::UnknownScope { scope, dir, names });
        }
        Ok(Some(dir.join(format!("{scope}.toml"))))
    }

    /// The layer of the scope that is named.
    pub(super) fn scope_layer(&self, schema: &Schema) -> Result<Vec<Entry>, ConfigError> {
        let Some(path) = self.scope_file()? else { return Ok(Vec::new()) };
        let layer = layer::from_file(&path, schema)?;
        let own = path.file_stem().map(|name| name.to_string_lossy().into_owned());
        let own = own.unwrap_or_default();
        match layer.iter().find(|entry| entry.key == KEY) {
            Some(entry) if entry.value.as_str() != Some(own.as_str()) => {
                let message = format!("must be `{own}`, as the file's name says, or be left out");
                let (key, origin) = (KEY.to_owned(), entry.origin.clone());
                Err(ConfigError::Value { key, origin, message })
            }
            _ => Ok(layer),
        }
    }
}

fn names(dir: &Path) -> Result<Vec<String>, ConfigError> {
    let fail = |source| ConfigError::Unreadable { path: dir.to_owned(), source };
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fail)?,
    };
    let mut names = Vec::new();
    for entry in entries.take(MAX_SCOPES) {
        let path = entry.map_err(fail)?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        // Hidden files are those of editors, and of Kubernetes' mounts.
        if let Some(name) = name.filter(|name| !name.starts_with('.'))
            && path.extension().is_some_and(|extension| extension == "toml")
        {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
