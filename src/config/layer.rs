//! One layer of settings: a file, the environment or the flags, as keys with values and origins.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Value};

use super::environment::Environment;
use super::error::ConfigError;
use super::origin::Origin;
use super::schema::{self, Place, Schema};
use super::secrets::looks_secret;

/// A setting given by a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The key, for example `fit.model`.
    pub key: String,
    /// Its value, as one writes it in a variable.
    pub value: String,
    /// The flag with its dashes, for messages.
    pub flag: String,
}

impl Override {
    /// A setting given by a flag.
    pub fn new(flag: &str, key: &str, value: impl Into<String>) -> Self {
        Self { key: key.to_owned(), value: value.into(), flag: flag.to_owned() }
    }
}

/// A key, its value and where that stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// Reads a settings file.
pub(super) fn from_file(path: &Path, schema: &Schema) -> Result<Vec<Entry>, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    from_toml(&text, path, schema)
}

/// Reads the file that `SPEEDFIT_ENV` names, if it names one.
pub(super) fn from_env_file(
    environment: &Environment,
    dir: &Path,
    schema: &Schema,
) -> Result<Vec<Entry>, ConfigError> {
    let Some(env) = environment.get(Environment::ENV)? else {
        return Ok(Vec::new());
    };
    if !env.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return Err(ConfigError::EnvName { env: env.to_owned() });
    }
    let path = dir.join(format!("{env}.toml"));
    match from_file(&path, schema) {
        Err(ConfigError::Unreadable { path, source })
            if source.kind() == io::ErrorKind::NotFound =>
        {
            Err(ConfigError::EnvFile { env: env.to_owned(), path })
        }
        result => result,
    }
}

/// Reads the variables `SPEEDFIT__SECTION__KEY`.
pub(super) fn from_environment(
    environment: &Environment,
    schema: &Schema,
) -> Result<Vec<Entry>, ConfigError> {
    let variables = environment.settings()?;
    variables
        .into_iter()
        .map(|(name, key, text)| from_text(key, text, Origin::Variable(name.to_owned()), schema))
        .collect()
}

/// Reads the flags; a later one for the same key wins.
pub(super) fn from_overrides(
    overrides: &[Override],
    schema: &Schema,
) -> Result<Vec<Entry>, ConfigError> {
    overrides
        .iter()
        .map(|o| from_text(o.key.clone(), &o.value, Origin::Flag(o.flag.clone()), schema))
        .collect()
}

fn from_text(
    key: String,
    text: &str,
    origin: Origin,
    schema: &Schema,
) -> Result<Entry, ConfigError> {
    if looks_secret(&key) {
        return Err(ConfigError::SecretKey { key, origin });
    }
    let value = match schema.place(&key) {
        Place::Key(default) => schema::parse(default, text)
            .and_then(|value| schema::check_kind(default, &value).map(|()| value)),
        Place::Section => Err("is a section, not a key".to_owned()),
        Place::Unknown => return Err(unknown(key, origin, schema)),
    };
    match value {
        Ok(value) => Ok(Entry { key, value, origin }),
        Err(message) => Err(ConfigError::Value { key, origin, message }),
    }
}

fn unknown(key: String, origin: Origin, schema: &Schema) -> ConfigError {
    let suggestion = schema.suggest(&key).map(|meant| origin.spell(meant));
    ConfigError::UnknownKey { key, origin, suggestion }
}

/// Reads the text of a settings file.
pub(super) fn from_toml(
    text: &str,
    path: &Path,
    schema: &Schema,
) -> Result<Vec<Entry>, ConfigError> {
    let file = FileText { text, path: path.to_owned(), schema };
    let table = DeTable::parse(text).map_err(|e| file.syntax(&e))?.into_inner();
    let mut entries = Vec::new();
    file.refuse_secrets(&table, "")?;
    file.flatten(table, "", &mut entries)?;
    Ok(entries)
}

struct FileText<'a> {
    text: &'a str,
    path: PathBuf,
    schema: &'a Schema,
}

impl FileText<'_> {
    /// Without the library's own picture of the line, which may hold a secret.
    fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let line = self.line(error.span().map_or(0, |span| span.start));
        let message = error.message().trim_end().replace('\n', ", ");
        ConfigError::Syntax { path: self.path.clone(), line, message }
    }

    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    fn origin<T>(&self, name: &Spanned<T>) -> Origin {
        Origin::File { path: self.path.clone(), line: self.line(name.span().start) }
    }

    /// Looks for secrets at every depth, before any other message could name a value.
    fn refuse_secrets(&self, table: &DeTable<'_>, prefix: &str) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = join(prefix, name.get_ref());
            if looks_secret(name.get_ref()) {
                return Err(ConfigError::SecretKey { key, origin: self.origin(name) });
            }
            self.refuse_secrets_in(value.get_ref(), &key)?;
        }
        Ok(())
    }

    fn refuse_secrets_in(&self, value: &DeValue<'_>, key: &str) -> Result<(), ConfigError> {
        match value {
            DeValue::Table(table) => self.refuse_secrets(table, key),
            DeValue::Array(values) => {
                values.iter().try_for_each(|value| self.refuse_secrets_in(value.get_ref(), key))
            }
            _ => Ok(()),
        }
    }

    fn flatten(
        &self,
        table: DeTable<'_>,
        prefix: &str,
        entries: &mut Vec<Entry>,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = join(prefix, name.get_ref());
            let origin = self.origin(&name);
            match self.schema.place(&key) {
                Place::Key(default) => {
                    let value = Value::deserialize(ValueDeserializer::from(value))
                        .map_err(|e| self.syntax(&e))?;
                    if let Err(message) = schema::check_kind(default, &value) {
                        return Err(ConfigError::Value { key, origin, message });
                    }
                    entries.push(Entry { key, value, origin });
                }
                Place::Section => match value.into_inner() {
                    DeValue::Table(section) => self.flatten(section, &key, entries)?,
                    _ => {
                        let message = format!("is a section: write `[{key}]` and its keys below");
                        return Err(ConfigError::Value { key, origin, message });
                    }
                },
                Place::Unknown => return Err(unknown(key, origin, self.schema)),
            }
        }
        Ok(())
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Entry>, ConfigError> {
        from_toml(text, Path::new("x.toml"), &Schema::embedded().unwrap())
    }

    #[test]
    fn a_file_becomes_keys_with_lines() {
        let entries = read("scope = \"a\"\n\n[fit]\n# why\nmodel = \"kwh\"\n").unwrap();
        let shown: Vec<_> =
            entries.iter().map(|e| format!("{} = {:?} ({})", e.key, e.value, e.origin)).collect();
        assert_eq!(
            shown,
            [r#"fit.model = String("kwh") (x.toml:5)"#, r#"scope = String("a") (x.toml:1)"#]
        );
    }

    #[test]
    fn mistakes_are_blamed_on_their_line() {
        let check = |text: &str, expected: &str, hint: Option<&str>| {
            let error = read(text).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.hint().as_deref(), hint, "{expected}");
        };
        check(
            "\n[fit]\nmodle = 1",
            "unknown key `fit.modle` in `x.toml:3`",
            Some("did you mean `fit.model`?"),
        );
        check("[ftt]\nmodel = 1", "unknown key `ftt` in `x.toml:1`", Some("did you mean `fit`?"));
        check(
            "[fit]\nworkers = \"2\"",
            "`fit.workers` in `x.toml:2`: must be a whole number, not a text",
            None,
        );
        check(
            "\nfit = 3",
            "`fit` in `x.toml:2`: is a section: write `[fit]` and its keys below",
            None,
        );
        check(
            "[fit.model]\nx = 1",
            "`fit.model` in `x.toml:1`: must be a text, not a section",
            None,
        );
    }

    #[test]
    fn no_message_shows_a_secret() {
        let texts = [
            "password = \"hunter2\"",
            "password = \"hunter2",
            "password = hunter2",
            "[store]\nstore_password = \"hunter2\"",
            "[store.login]\nTOKEN = \"hunter2\"",
            "[groups]\nbands = [{ name = \"a\", api_token = \"hunter2\" }]",
            "scope = 1\nclient_secret = \"hunter2\"",
            "password = \"hunter2\"\npassword = \"hunter2\"",
            "unheard_of = \"hunter2\"",
            "scope = \"a\"\n\"hunter2",
        ];
        for text in texts {
            let error = read(text).unwrap_err();
            let shown = format!("{error} {error:?} {:?}", error.hint());
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
