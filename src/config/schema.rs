//! The keys that exist, told by the built-in defaults: the type of a key's default is its type.

use std::collections::BTreeMap;

use toml::Value;

use super::error::ConfigError;
use super::nearest::nearest;

/// The built-in settings file.
pub(super) const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Every key with its default.
#[derive(Debug, Clone)]
pub struct Schema {
    defaults: BTreeMap<String, Value>,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place<'a> {
    /// A key, with its default.
    Key(&'a Value),
    /// A section with keys.
    Section,
    /// Nothing.
    Unknown,
}

impl Schema {
    /// The text of the built-in settings file, every key with a comment.
    pub const TEXT: &'static str = DEFAULTS;

    /// The keys of the built-in file.
    ///
    /// # Errors
    /// [`ConfigError::Defaults`] where it is not TOML, which a test rules out.
    pub fn embedded() -> Result<Self, ConfigError> {
        let table: toml::Table =
            toml::from_str(DEFAULTS).map_err(|e| ConfigError::Defaults(e.message().to_owned()))?;
        let mut defaults = BTreeMap::new();
        for (name, value) in table {
            match value {
                Value::Table(section) => defaults.extend(
                    section.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)),
                ),
                value => _ = defaults.insert(name, value),
            }
        }
        Ok(Self { defaults })
    }

    /// Every key, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.defaults.keys().map(String::as_str)
    }

    pub(super) fn place(&self, name: &str) -> Place<'_> {
        if let Some(default) = self.defaults.get(name) {
            return Place::Key(default);
        }
        let is_section = self.sections().any(|section| section == name);
        if is_section { Place::Section } else { Place::Unknown }
    }

    fn sections(&self) -> impl Iterator<Item = &str> {
        self.keys().filter_map(|key| key.split_once('.')).map(|(section, _)| section)
    }

    /// What an unknown name was probably meant to be: a near key or section, or the key of that
    /// name in another section.
    pub(super) fn suggest(&self, name: &str) -> Option<&str> {
        let own = |key: &'_ str| key.rsplit_once('.').map_or(key, |(_, own)| own).to_owned();
        let namesake = || {
            let mut named = self.keys().filter(|key| own(key) == own(name));
            named.next().filter(|_| named.next().is_none())
        };
        nearest(name, self.keys().chain(self.sections())).or_else(namesake)
    }
}

/// A type in the user's words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date without quotes",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

/// Checks that a value of a file is of its default's type.
pub(super) fn check_kind(default: &Value, value: &Value) -> Result<(), String> {
    match (default, value) {
        (Value::Float(_), Value::Float(x)) if !x.is_finite() => {
            Err("must be a finite number".to_owned())
        }
        (Value::Float(_), Value::Integer(_)) => Ok(()),
        // Every whole number among the settings counts something.
        (Value::Integer(_), Value::Integer(n @ ..0)) => {
            Err(format!("must not be negative, as {n} is"))
        }
        (Value::Array(defaults), Value::Array(values)) => match defaults.first() {
            Some(default) => values.iter().try_for_each(|value| check_kind(default, value)),
            None => Ok(()),
        },
        _ if default.same_type(value) => Ok(()),
        _ => Err(format!("must be {}, not {}", kind(default), kind(value))),
    }
}

/// Reads the text of a variable or flag as its default's type. A text is taken as it is: nothing
/// turns `0123` into `123`.
pub(super) fn parse(default: &Value, text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    let fail = || format!("must be {}, not `{trimmed}`", kind(default));
    match default {
        Value::Integer(_) => trimmed.parse().map(Value::Integer).map_err(|_| fail()),
        Value::Float(_) => {
            let number = trimmed.parse().ok().filter(|x: &f64| x.is_finite());
            number.map(Value::Float).ok_or_else(fail)
        }
        Value::Boolean(_) => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Value::Boolean(true)),
            "false" | "no" | "off" | "0" => Ok(Value::Boolean(false)),
            _ => Err(fail()),
        },
        Value::Array(defaults) => parse_list(defaults.first(), trimmed),
        Value::String(_) | Value::Datetime(_) | Value::Table(_) => {
            Ok(Value::String(text.to_owned()))
        }
    }
}

/// Reads a list: in TOML's form, or as texts or numbers with commas between.
fn parse_list(default: Option<&Value>, text: &str) -> Result<Value, String> {
    if text.starts_with('[') {
        let mut table: toml::Table = toml::from_str(&format!("list = {text}"))
            .map_err(|e| format!("cannot be read as a list: {}", e.message()))?;
        return table.remove("list").ok_or_else(|| "must be a list".to_owned());
    }
    let text_default = Value::String(String::new());
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let values = parts.map(|part| parse(default.unwrap_or(&text_default), part));
    values.collect::<Result<_, _>>().map(Value::Array)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, text: &str) -> Result<String, String> {
        let schema = Schema::embedded().unwrap();
        let Place::Key(default) = schema.place(key) else { panic!("no key `{key}`") };
        let value = parse(default, text)?;
        check_kind(default, &value)?;
        Ok(format!("{value:?}"))
    }

    #[test]
    fn texts_are_read_as_the_type_of_the_default() {
        let check = |key: &str, text: &str, expected: &str| {
            assert_eq!(read(key, text).as_deref(), Ok(expected), "{key}={text}");
        };
        check("scope", "0123", r#"String("0123")"#);
        check("scope", "true", r#"String("true")"#);
        check("scope", " a ", r#"String(" a ")"#);
        check("fit.max_iterations", " 50 ", "Integer(50)");
        check("accept.min_time_s", "7", "Float(7.0)");
        check("groups.by_priority", "Yes", "Boolean(true)");
        check("accept.known_regions", "A, B c", r#"Array([String("A"), String("B c")])"#);
        check("accept.known_regions", r#"["A, B"]"#, r#"Array([String("A, B")])"#);
        check("accept.known_regions", "", "Array([])");
        check("judge.reference_distances_km", "2, 5.5", "Array([Float(2.0), Float(5.5)])");
        check("judge.reference_distances_km", "[2, 5.5]", "Array([Integer(2), Float(5.5)])");
    }

    #[test]
    fn wrong_types_are_named() {
        let check = |key: &str, text: &str, expected: &str| {
            assert_eq!(read(key, text).unwrap_err(), expected, "{key}={text}");
        };
        check("fit.max_iterations", "2.5", "must be a whole number, not `2.5`");
        check("fit.max_iterations", "", "must be a whole number, not ``");
        check("accept.min_time_s", "inf", "must be a number, not `inf`");
        check("groups.by_priority", "ja", "must be true or false, not `ja`");
        check("judge.reference_distances_km", "2,x", "must be a number, not `x`");
        check("judge.reference_distances_km", r#"["2"]"#, "must be a number, not a text");
        let float = Value::Float(1.0);
        assert!(check_kind(&float, &Value::Float(f64::NAN)).is_err());
        assert!(check_kind(&float, &Value::Integer(1)).is_ok());
        assert!(check_kind(&Value::Integer(1), &Value::Float(1.0)).is_err());
    }

    #[test]
    fn misspelt_names_find_their_key() {
        let schema = Schema::embedded().unwrap();
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(schema.suggest(name), expected, "{name}");
        };
        check("fit.modle", Some("fit.model"));
        check("jugde", Some("judge"));
        check("model", Some("fit.model"));
        check("file.distance_unit", Some("columns.distance_unit"));
        check("wholly.different", None);
        assert_eq!(schema.place("fit"), Place::Section);
        assert_eq!(schema.place("fit.modle"), Place::Unknown);
    }
}
