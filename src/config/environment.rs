//! The process environment, read once; tests bring their own.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use super::error::ConfigError;

/// Variables by name.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Names of variables whose value is not Unicode.
    unreadable: BTreeSet<String>,
}

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Environment {
    /// What starts the name of every variable of ours.
    pub const PREFIX: &'static str = "SPEEDFIT_";
    /// What starts the name of a variable that is a setting.
    pub const SETTING_PREFIX: &'static str = "SPEEDFIT__";
    /// Names the settings file, without `.toml`.
    pub const ENV: &'static str = "SPEEDFIT_ENV";
    /// Names the folder with settings files.
    pub const CONFIG_DIR: &'static str = "SPEEDFIT_CONFIG_DIR";

    /// Reads the environment of this process: the only place in the program that does.
    #[must_use]
    pub fn from_process() -> Self {
        Self::from_os(std::env::vars_os())
    }

    fn from_os(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => _ = environment.variables.insert(name, value),
                Err(_) => _ = environment.unreadable.insert(name),
            }
        }
        environment
    }

    /// The variable's value; an empty one counts as absent.
    ///
    /// # Errors
    /// [`ConfigError::NotUnicode`].
    pub fn get(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        if self.unreadable.contains(name) {
            return Err(ConfigError::NotUnicode { variable: name.to_owned() });
        }
        Ok(self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty()))
    }

    /// The folder with settings files.
    ///
    /// # Errors
    /// [`ConfigError::NotUnicode`].
    pub fn config_dir(&self) -> Result<PathBuf, ConfigError> {
        Ok(self.get(Self::CONFIG_DIR)?.unwrap_or("config").into())
    }

    /// The variables that are settings, in order of their names: variable, key, value.
    ///
    /// # Errors
    /// [`ConfigError::NotUnicode`].
    pub(super) fn settings(&self) -> Result<Vec<(&str, String, &str)>, ConfigError> {
        if let Some(name) = self.unreadable.iter().find(|n| n.starts_with(Self::SETTING_PREFIX)) {
            return Err(ConfigError::NotUnicode { variable: name.clone() });
        }
        let named = self.variables.iter().filter_map(|(name, value)| {
            let key = name.strip_prefix(Self::SETTING_PREFIX)?;
            Some((name.as_str(), key.to_ascii_lowercase().replace("__", "."), value.as_str()))
        });
        Ok(named.collect())
    }

    /// Names that start like ours but are no settings.
    pub(super) fn others(&self) -> impl Iterator<Item = &str> {
        let names = self.variables.keys().chain(&self.unreadable).map(String::as_str);
        names.filter(|n| n.starts_with(Self::PREFIX) && !n.starts_with(Self::SETTING_PREFIX))
    }

    /// The variables whose names start so, those with an empty value left out.
    pub(super) fn starting_with<'a>(
        &'a self,
        prefixes: &'a [&str],
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let named = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        named.filter(|(name, value)| {
            !value.is_empty() && prefixes.iter().any(|prefix| name.starts_with(prefix))
        })
    }

    /// The variable of a key.
    #[must_use]
    pub fn variable_of(key: &str) -> String {
        format!("{}{}", Self::SETTING_PREFIX, key.to_ascii_uppercase().replace('.', "__"))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(variables: T) -> Self {
        let variables = variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Self { variables, unreadable: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_from_other_variables() {
        let environment = Environment::from_iter([
            ("SPEEDFIT__FIT__MODEL", "kwh"),
            ("SPEEDFIT__SCOPE", ""),
            ("SPEEDFIT_ENV", ""),
            ("SPEEDFIT_X", "1"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(
            environment.settings().unwrap(),
            [
                ("SPEEDFIT__FIT__MODEL", "fit.model".to_owned(), "kwh"),
                ("SPEEDFIT__SCOPE", "scope".to_owned(), ""),
            ]
        );
        assert_eq!(environment.others().collect::<Vec<_>>(), ["SPEEDFIT_ENV", "SPEEDFIT_X"]);
        assert_eq!(environment.get("SPEEDFIT_ENV").unwrap(), None);
        assert_eq!(Environment::variable_of("fit.model"), "SPEEDFIT__FIT__MODEL");
    }

    #[cfg(unix)]
    #[test]
    fn values_that_are_not_unicode_are_named() {
        use std::os::unix::ffi::OsStringExt;
        let value = OsString::from_vec(vec![0xff]);
        let environment = Environment::from_os([("SPEEDFIT__SCOPE".into(), value)]);
        let error = environment.settings().unwrap_err();
        assert_eq!(error.to_string(), "the value of `SPEEDFIT__SCOPE` is not Unicode");
    }

    #[test]
    fn debug_shows_no_value() {
        let environment = Environment::from_iter([("SPEEDFIT_STORE_PASSWORD", "hunter2")]);
        assert_eq!(format!("{environment:?}"), r#"{"SPEEDFIT_STORE_PASSWORD"}"#);
    }
}
