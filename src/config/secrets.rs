//! Passwords and tokens: from variables or from the files that variables name, never from settings.
//!
//! No value enters a message, a log or `show-config`; `SecretString` keeps it out of `Debug`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::environment::Environment;
use super::error::ConfigError;

/// The secrets that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secret {
    /// Password of the source's user.
    SourcePassword,
    /// Password of the store's user.
    StorePassword,
    /// Access token for the source.
    SourceToken,
    /// Access token for the store.
    StoreToken,
    /// Bearer tokens of the HTTP API.
    ApiTokens,
    /// Address that is told of runs; whoever has it can write there.
    WebhookUrl,
    /// Key by which what is told there is signed.
    WebhookSecret,
}

impl Secret {
    /// Every secret.
    pub const ALL: [Self; 7] = [
        Self::SourcePassword,
        Self::StorePassword,
        Self::SourceToken,
        Self::StoreToken,
        Self::ApiTokens,
        Self::WebhookUrl,
        Self::WebhookSecret,
    ];

    /// The variable that holds it.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::SourcePassword => "SPEEDFIT_SOURCE_PASSWORD",
            Self::StorePassword => "SPEEDFIT_STORE_PASSWORD",
            Self::SourceToken => "SPEEDFIT_SOURCE_TOKEN",
            Self::StoreToken => "SPEEDFIT_STORE_TOKEN",
            Self::ApiTokens => "SPEEDFIT_API_TOKENS",
            Self::WebhookUrl => "SPEEDFIT_WEBHOOK_URL",
            Self::WebhookSecret => "SPEEDFIT_WEBHOOK_SECRET",
        }
    }

    /// The variable that names a file with it.
    #[must_use]
    pub fn file_variable(self) -> String {
        format!("{}_FILE", self.variable())
    }

    /// The variable that holds it for one scope only: the name in capitals, what is neither letter nor
    /// digit as `_`.
    #[must_use]
    pub fn variable_of_scope(self, scope: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let scope: String = scope.chars().map(plain).collect();
        format!("{}__{scope}", self.variable())
    }

    /// Whether a variable is some scope's.
    pub(super) fn is_of_a_scope(variable: &str) -> bool {
        let rest = |secret: &Self| variable.strip_prefix(secret.variable());
        Self::ALL.iter().filter_map(rest).any(|rest| rest.starts_with("__"))
    }
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretOrigin {
    /// Its variable.
    Variable(String),
    /// The file that this variable names.
    File(String),
}

impl SecretOrigin {
    /// The variable.
    #[must_use]
    pub fn variable(&self) -> &str {
        match self {
            Self::Variable(name) | Self::File(name) => name,
        }
    }
}

/// The secrets that are set.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    values: BTreeMap<Secret, (SecretString, SecretOrigin)>,
    /// The files of those that come from one.
    files: BTreeMap<Secret, PathBuf>,
    /// Variables of the vendors of object storage, by name.
    vendors: BTreeMap<String, SecretString>,
}

/// What the variables start with by which vendors of object storage are logged in to.
const VENDORS: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// Those of them that may be given as a file too; the vendors know no such form for them.
const VENDOR_SECRETS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
];

impl Secrets {
    /// Reads every secret that the environment sets, that of the scope rather than that of all. An
    /// empty variable counts as absent; a trailing newline of a file is not part of the secret.
    ///
    /// # Errors
    /// [`ConfigError::SecretTwice`], [`ConfigError::SecretFile`], [`ConfigError::NotUnicode`].
    pub fn load(environment: &Environment, scope: &str) -> Result<Self, ConfigError> {
        let (mut values, mut files) = (BTreeMap::new(), BTreeMap::new());
        for secret in Secret::ALL {
            let found = match from_variables(environment, &secret.variable_of_scope(scope))? {
                None => from_variables(environment, secret.variable())?,
                own => own,
            };
            if let Some((_, SecretOrigin::File(variable))) = &found {
                let path = environment.get(variable)?;
                files.extend(path.map(|path| (secret, PathBuf::from(path))));
            }
            values.extend(found.map(|found| (secret, found)));
        }
        Ok(Self { values, files, vendors: vendors(environment)? })
    }

    /// The secret as it is now: its file, where it comes from one, is read again. What it was, where
    /// the file cannot be read or is empty.
    #[must_use]
    pub fn now(&self, secret: Secret) -> Option<SecretString> {
        let path = self.files.get(&secret);
        let anew = path.and_then(|path| read(secret.variable(), path).ok());
        let anew = anew.filter(|value| !value.expose_secret().is_empty());
        anew.or_else(|| self.get(secret).cloned())
    }

    /// The secret, where it is set.
    #[must_use]
    pub fn get(&self, secret: Secret) -> Option<&SecretString> {
        self.values.get(&secret).map(|(value, _)| value)
    }

    /// The secret, which the value of `key` makes needed; an empty file is none.
    ///
    /// # Errors
    /// [`ConfigError::SecretMissing`] names its variable.
    pub fn require(&self, secret: Secret, key: &'static str) -> Result<&SecretString, ConfigError> {
        let value = self.get(secret).filter(|value| !value.expose_secret().is_empty());
        value.ok_or(ConfigError::SecretMissing { variable: secret.variable(), key })
    }

    /// The variables by which a vendor of object storage is logged in to: those whose names start with
    /// `prefix`, such as `AWS_`.
    pub fn of_vendor<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a SecretString)> {
        let named = self.vendors.iter().filter(move |(name, _)| name.starts_with(prefix));
        named.map(|(name, value)| (name.as_str(), value))
    }

    /// Where the secret comes from, where it is set.
    #[must_use]
    pub fn origin(&self, secret: Secret) -> Option<&SecretOrigin> {
        self.values.get(&secret).map(|(_, origin)| origin)
    }
}

/// Every one is taken for a secret: some of them are.
fn vendors(environment: &Environment) -> Result<BTreeMap<String, SecretString>, ConfigError> {
    let mut values: BTreeMap<_, _> = (environment.starting_with(&VENDORS))
        .map(|(name, value)| (name.to_owned(), SecretString::from(value)))
        .collect();
    for variable in VENDOR_SECRETS {
        let Some(path) = environment.get(&format!("{variable}_FILE"))? else { continue };
        if values.contains_key(variable) {
            return Err(ConfigError::SecretTwice { variable: variable.to_owned() });
        }
        values.insert(variable.to_owned(), read(variable, Path::new(path))?);
    }
    Ok(values)
}

fn from_variables(
    environment: &Environment,
    variable: &str,
) -> Result<Option<(SecretString, SecretOrigin)>, ConfigError> {
    let file_variable = format!("{variable}_FILE");
    Ok(match (environment.get(variable)?, environment.get(&file_variable)?) {
        (Some(_), Some(_)) => {
            return Err(ConfigError::SecretTwice { variable: variable.to_owned() });
        }
        (Some(value), None) => {
            Some((SecretString::from(value), SecretOrigin::Variable(variable.to_owned())))
        }
        (None, Some(path)) => {
            Some((read(variable, Path::new(path))?, SecretOrigin::File(file_variable)))
        }
        (None, None) => None,
    })
}

fn read(variable: &str, path: &Path) -> Result<SecretString, ConfigError> {
    let fail = |source| ConfigError::SecretFile {
        variable: variable.to_owned(),
        path: path.to_owned(),
        source,
    };
    let mut text = std::fs::read_to_string(path).map_err(fail)?;
    let end = text.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t).len());
    text.truncate(end.unwrap_or(text.len()));
    Ok(SecretString::from(text))
}

/// What in the name of a key tells a secret.
const SECRET_WORDS: [&str; 9] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "credential",
    "api_key",
    "apikey",
    "private_key",
];

/// Whether a key's name looks like a secret's.
pub(super) fn looks_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

/// The variables that a secret-looking key probably stands for, for a hint.
pub(super) fn variables_for(key: &str) -> String {
    let key = key.to_ascii_lowercase();
    let is_token = key.contains("token") || key.contains("key");
    let fits = |secret: &Secret| match secret {
        Secret::WebhookUrl | Secret::WebhookSecret => {
            key.contains("webhook") || key.contains("notify")
        }
        _ if ["webhook", "notify", "metrics"].iter().any(|word| key.contains(word)) => false,
        Secret::SourcePassword => !is_token && !key.contains("store"),
        Secret::StorePassword => !is_token && !key.contains("source"),
        Secret::SourceToken => is_token && key.contains("source"),
        Secret::StoreToken => is_token && key.contains("store"),
        Secret::ApiTokens => is_token && !key.contains("source") && !key.contains("store"),
    };
    let names: Vec<_> =
        Secret::ALL.iter().filter(|s| fits(s)).map(|s| format!("`{}`", s.variable())).collect();
    names.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Secrets, ConfigError> {
        Secrets::load(&variables.iter().copied().collect(), "city-2")
    }

    #[test]
    fn a_secret_comes_from_its_variable_or_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let check = |content: &str, expected: &str| {
            let path = dir.path().join("secret");
            std::fs::write(&path, content).unwrap();
            let secrets =
                load(&[("SPEEDFIT_STORE_PASSWORD_FILE", path.to_str().unwrap())]).unwrap();
            let value = secrets.get(Secret::StorePassword).unwrap();
            assert_eq!(value.expose_secret(), expected);
            let origin = secrets.origin(Secret::StorePassword).unwrap();
            assert_eq!(origin.variable(), "SPEEDFIT_STORE_PASSWORD_FILE");
        };
        check("0123\n", "0123");
        check(" a b \r\n", " a b ");
        check("a\n\n", "a\n");
        let secrets = load(&[("SPEEDFIT_STORE_TOKEN", "x"), ("SPEEDFIT_API_TOKENS", "")]).unwrap();
        assert_eq!(secrets.get(Secret::StoreToken).unwrap().expose_secret(), "x");
        assert!(secrets.get(Secret::ApiTokens).is_none());
        assert!(!format!("{secrets:?}").contains("\"x\""));
    }

    #[test]
    fn a_secret_is_read_again_from_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "old\n").unwrap();
        let file = ("SPEEDFIT_STORE_PASSWORD_FILE", path.to_str().unwrap());
        let secrets = load(&[file, ("SPEEDFIT_STORE_TOKEN", "x")]).unwrap();
        let check = |secret, expected: Option<&str>| {
            let now = secrets.now(secret);
            assert_eq!(now.as_ref().map(|value| value.expose_secret()), expected);
        };
        check(Secret::StorePassword, Some("old"));
        check(Secret::StoreToken, Some("x"));
        check(Secret::SourceToken, None);
        std::fs::write(&path, "new\n").unwrap();
        check(Secret::StorePassword, Some("new"));
        // While the file is being replaced.
        std::fs::write(&path, "").unwrap();
        check(Secret::StorePassword, Some("old"));
        std::fs::remove_file(&path).unwrap();
        check(Secret::StorePassword, Some("old"));
    }

    #[test]
    fn vendors_of_storage_have_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "k\n").unwrap();
        let file = ("AWS_SECRET_ACCESS_KEY_FILE", path.to_str().unwrap());
        let secrets =
            load(&[("AWS_REGION", "eu-1"), ("AZURE_X", "y"), ("PATH", "/"), file]).unwrap();
        let told: Vec<_> = (secrets.of_vendor("AWS_"))
            .filter(|(name, _)| !name.ends_with("_FILE"))
            .map(|(name, value)| (name, value.expose_secret()))
            .collect();
        assert_eq!(told, [("AWS_REGION", "eu-1"), ("AWS_SECRET_ACCESS_KEY", "k")]);
        assert!(!format!("{secrets:?}").contains("eu-1"));
        let both = load(&[("AWS_SECRET_ACCESS_KEY", "x"), file]).unwrap_err();
        assert!(matches!(both, ConfigError::SecretTwice { .. }));
    }

    #[test]
    fn a_scope_may_have_its_own() {
        let variables = [
            ("SPEEDFIT_STORE_TOKEN", "of all"),
            ("SPEEDFIT_STORE_TOKEN__CITY_2", "of the scope"),
            ("SPEEDFIT_SOURCE_TOKEN", "of all"),
            ("SPEEDFIT_SOURCE_TOKEN__ELSEWHERE", "of another"),
        ];
        let secrets = load(&variables).unwrap();
        let value = |secret| secrets.get(secret).map(|value| value.expose_secret().to_owned());
        assert_eq!(value(Secret::StoreToken).as_deref(), Some("of the scope"));
        assert_eq!(value(Secret::SourceToken).as_deref(), Some("of all"));
        let origin = secrets.origin(Secret::StoreToken).unwrap();
        assert_eq!(origin.variable(), "SPEEDFIT_STORE_TOKEN__CITY_2");
        assert!(Secret::is_of_a_scope("SPEEDFIT_SOURCE_TOKEN__ELSEWHERE"));
        assert!(!Secret::is_of_a_scope("SPEEDFIT_SOURCE_TOKEN_ELSEWHERE"));
    }

    #[test]
    fn mistakes_name_the_variable() {
        let both = [("SPEEDFIT_STORE_TOKEN", "x"), ("SPEEDFIT_STORE_TOKEN_FILE", "y")];
        assert_eq!(
            load(&both).unwrap_err().to_string(),
            "both `SPEEDFIT_STORE_TOKEN` and `SPEEDFIT_STORE_TOKEN_FILE` are set"
        );
        let missing = [("SPEEDFIT_SOURCE_PASSWORD_FILE", "no/such/file")];
        assert_eq!(
            load(&missing).unwrap_err().to_string(),
            "cannot read the file `no/such/file` that `SPEEDFIT_SOURCE_PASSWORD_FILE` names"
        );
    }

    #[test]
    fn secret_names_find_their_variable() {
        let check = |key: &str, expected: &str| {
            assert!(looks_secret(key), "{key}");
            assert_eq!(variables_for(key), expected, "{key}");
        };
        check("store.password", "`SPEEDFIT_STORE_PASSWORD`");
        check("password", "`SPEEDFIT_SOURCE_PASSWORD` or `SPEEDFIT_STORE_PASSWORD`");
        check("source.access_token", "`SPEEDFIT_SOURCE_TOKEN`");
        check("http.Api-Key", "`SPEEDFIT_API_TOKENS`");
    }

    #[test]
    fn no_setting_looks_like_a_secret() {
        for key in super::super::Schema::embedded().unwrap().keys() {
            assert!(!looks_secret(key), "{key}");
        }
    }
}
