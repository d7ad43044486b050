//! Layers, blame, the hash and the completeness of the settings files.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as they do")]

use std::path::{Path, PathBuf};

use speedfit::config::{ConfigError, Environment, Loaded, Override, Schema, Settings, Sources};
use tempfile::TempDir;

/// A folder with settings files and the sources that read it.
struct Layers {
    dir: TempDir,
    sources: Sources,
}

impl Layers {
    fn new(variables: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sources = Sources {
            environment: variables.iter().copied().collect(),
            config_dir: Some(dir.path().to_owned()),
            ..Sources::default()
        };
        Self { dir, sources }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        Settings::load(&self.sources)
    }

    /// The error's text, the folder's own name taken out.
    fn error(&self) -> String {
        let error = self.load().unwrap_err();
        let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        format!("{error}{hint}").replace(&format!("{}/", self.dir.path().display()), "")
    }
}

fn defaults() -> Loaded {
    Settings::load(&Sources::default()).unwrap()
}

fn with(variable: &str, value: &str) -> Result<Loaded, ConfigError> {
    Layers::new(&[(variable, value)]).load()
}

#[test]
fn every_key_stands_in_the_default_file_with_a_comment() {
    let typed: Vec<_> = defaults().settings.to_flat_json().unwrap().into_keys().collect();
    let schema = Schema::embedded().unwrap();
    assert_eq!(schema.keys().collect::<Vec<_>>(), typed);

    let lines: Vec<_> = Schema::TEXT.lines().collect();
    let is_key = |line: &&str| !line.starts_with(['#', '[']) && line.contains(" = ");
    let keys = lines.iter().enumerate().filter(|(_, line)| is_key(line));
    let mut n_keys = 0;
    for (nth, line) in keys {
        n_keys += 1;
        assert!(nth > 0 && lines[nth - 1].starts_with("# "), "no comment above `{line}`");
    }
    assert_eq!(n_keys, typed.len());
}

#[test]
fn the_other_settings_files_are_valid() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for env in ["development", "production", "default"] {
        let sources = Sources {
            environment: Environment::from_iter([("SPEEDFIT_ENV", env)]),
            config_dir: Some(dir.clone()),
            ..Sources::default()
        };
        let loaded = Settings::load(&sources).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        assert!(loaded.origins.values().any(|o| o.to_string().contains(env)), "{env}");
    }
}

#[test]
fn later_layers_win() {
    let mut layers = Layers::new(&[
        ("SPEEDFIT_ENV", "city"),
        ("SPEEDFIT__FIT__WORKERS", "3"),
        ("SPEEDFIT__FIT__MAX_ITERATIONS", "3"),
    ]);
    layers.file(
        "city.toml",
        "scope = \"1\"\n[fit]\nmodel = \"linear\"\nworkers = 1\nmax_iterations = 1\n\
         confidence = 0.9\n",
    );
    let extra = layers.file("x.toml", "[fit]\nworkers = 2\nmax_iterations = 2\nmodel = \"sqrt\"\n");
    layers.sources.file = Some(extra);
    layers.sources.overrides = vec![
        Override::new("--set", "fit.max_iterations", "4"),
        Override::new("--set", "fit.max_iterations", "5"),
    ];
    let loaded = layers.load().unwrap();
    let check = |key: &str, value: &str, origin: &str| {
        assert_eq!(loaded.settings.to_flat_json().unwrap()[key].to_string(), value, "{key}");
        let shown = loaded.origins[key].to_string();
        assert!(shown.ends_with(origin), "{key}: {shown}");
    };
    check("accept.min_time_s", "10.0", "default");
    check("scope", "\"1\"", "city.toml:1");
    check("fit.confidence", "0.9", "city.toml:6");
    check("fit.model", "\"sqrt\"", "x.toml:4");
    check("fit.workers", "3", "SPEEDFIT__FIT__WORKERS");
    check("fit.max_iterations", "5", "--set");
}

#[test]
fn texts_stay_texts() {
    let scope = |text: &str| with("SPEEDFIT__SCOPE", text).unwrap().settings.scope;
    assert_eq!(scope("0123"), "0123");
    assert_eq!(scope("1e3"), "1e3");
    assert_eq!(scope("true"), "true");
}

#[test]
fn mistakes_are_blamed_on_their_place() {
    let check = |variables: &[(&str, &str)], file: &str, expected: &str| {
        let layers = Layers::new(variables);
        layers.file("city.toml", file);
        assert_eq!(layers.error(), expected);
    };
    let city = ("SPEEDFIT_ENV", "city");
    check(
        &[city],
        "[fit]\n\nmodel = \"kw\"",
        "`fit.model` in `city.toml:3`: `kw` is not one of `constant`, `linear`, `power`, `sqrt`, \
         `kwh`, `kwh_intercept`, `road_class`, `auto`",
    );
    check(
        &[city],
        "[fit]\nworkers = -1",
        "`fit.workers` in `city.toml:2`: must not be negative, as -1 is",
    );
    check(
        &[city],
        "[groups]\nbands = [{ name = \"peak\", days = \"mon-fry\", hours = \"7-9\" }]",
        "`groups.bands` in `city.toml:2`: band `peak`: `mon-fry` is not a day such as `mon` or a \
         span such as `mon-fri`",
    );
    check(
        &[city],
        "[groups]\nbands = [{ name = \"peak\", day = \"mon\", hours = \"7-9\" }]",
        "`groups.bands` in `city.toml:2`: unknown field `day`, expected one of `name`, `days`, \
         `hours`",
    );
    check(&[city], "scope = \"a", "city.toml:1: invalid basic string, expected `\"`");
    check(
        &[("SPEEDFIT__FIT__MODLE", "kwh")],
        "",
        "unknown key `fit.modle` in `SPEEDFIT__FIT__MODLE`\nhint: did you mean \
         `SPEEDFIT__FIT__MODEL`?",
    );
    check(
        &[("SPEEDFIT__TIME_ZONE", "Mars/Olympus")],
        "",
        "`time_zone` in `SPEEDFIT__TIME_ZONE`: `Mars/Olympus` is not in the IANA database of zones",
    );
    check(
        &[("SPEEDFIT__STORE__PASSWORD", "hunter2")],
        "",
        "`store.password` in `SPEEDFIT__STORE__PASSWORD` looks like a secret, and secrets are no \
         settings\nhint: remove it and set the variable `SPEEDFIT_STORE_PASSWORD`, or the same \
         with `_FILE`",
    );
}

#[test]
fn values_must_go_together() {
    let check = |variables: &[(&str, &str)], expected: &str| {
        assert_eq!(Layers::new(variables).error(), expected);
    };
    check(
        &[("SPEEDFIT__ACCEPT__MIN_TIME_S", "8000")],
        "`accept.min_time_s` (8000) must be below `accept.max_time_s` (7200) \
         (accept.min_time_s: SPEEDFIT__ACCEPT__MIN_TIME_S)",
    );
    check(
        &[("SPEEDFIT__SOURCE__KIND", "file")],
        "`file.path` is empty, while `source.kind` is `file` (source.kind: SPEEDFIT__SOURCE__KIND)",
    );
    check(
        &[("SPEEDFIT__WINDOW__DAYS", "30"), ("SPEEDFIT__WINDOW__TO", "2026-01-01")],
        "`window.days` and `window.from` or `window.to` exclude each other (window.days: \
         SPEEDFIT__WINDOW__DAYS, window.to: SPEEDFIT__WINDOW__TO)",
    );
    check(
        &[("SPEEDFIT__WINDOW__FROM", "2026-01-02"), ("SPEEDFIT__WINDOW__TO", "2026-01-02")],
        "`window.to` (2026-01-02) must be later than `window.from` (2026-01-02) (window.from: \
         SPEEDFIT__WINDOW__FROM, window.to: SPEEDFIT__WINDOW__TO)",
    );
    for (key, value) in [
        ("SCOPE", ""),
        ("SCOPE", " a"),
        ("OUTPUT__DIR", ""),
        ("COLUMNS__WEIGHT", "region"),
        ("WINDOW__DAYS", "40000"),
        ("WINDOW__FROM", "9999-12-31T23:59:59.999999999"),
        ("ACCEPT__MIN_SPEED_KMH", "-1"),
        ("ACCEPT__KNOWN_REGIONS", "[\" a\"]"),
        ("GROUPS__BANDS", "[{ name = \"other\", days = \"mon\", hours = \"0-24\" }]"),
        ("FIT__MAX_ITERATIONS", "0"),
        ("FIT__WORKERS", "5000"),
        ("FIT__CONFIDENCE", "1"),
        ("JUDGE__MAX_TIME_CHANGE", "0"),
        ("JUDGE__REFERENCE_DISTANCES_KM", ""),
        ("JUDGE__MIN_SHARE_PUBLISHED", "1.1"),
    ] {
        let error = with(&format!("SPEEDFIT__{key}"), value).unwrap_err();
        assert!(matches!(error, ConfigError::Invalid { .. }), "{key}: {error:?}");
        assert!(error.to_string().contains(key), "{error}");
    }
}

const SERVER: [(&str, &str); 5] = [
    ("SPEEDFIT_ENV", "city"),
    ("SPEEDFIT__SOURCE__KIND", "sqlserver"),
    ("SPEEDFIT__SOURCE__HOST", "db.example"),
    ("SPEEDFIT__SOURCE__DATABASE", "dispatch"),
    ("SPEEDFIT__SOURCE__USER", "reader"),
];

#[test]
fn a_server_needs_an_address_and_a_login() {
    let check = |nth: usize, expected: &str| {
        let some: Vec<_> = SERVER.iter().take(nth).copied().collect();
        let layers = Layers::new(&some);
        layers.file("city.toml", "");
        assert_eq!(layers.error(), expected);
    };
    let empty = |key: &str| {
        format!(
            "`source.{key}` is empty, while `source.kind` is `sqlserver` (source.kind: \
             SPEEDFIT__SOURCE__KIND)"
        )
    };
    check(2, &empty("host"));
    check(3, &empty("database"));
    check(4, &empty("user"));
    let layers = Layers::new(&SERVER);
    layers.file("city.toml", "[source]\nlogin = \"token\"\nuser = \"\"\n");
    let loaded = layers.load().unwrap();
    let needed = loaded.settings.needed_secrets();
    assert_eq!(needed, [(speedfit::config::Secret::SourceToken, "source.login")]);
    let error = loaded.secrets.require(needed[0].0, needed[0].1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`SPEEDFIT_SOURCE_TOKEN` is not set, which `source.login` asks for"
    );
}

#[test]
fn mistakes_about_a_server_are_blamed_on_their_place() {
    let check = |file: &str, expected: &str| {
        let layers = Layers::new(&[("SPEEDFIT_ENV", "city")]);
        layers.file("city.toml", file);
        assert_eq!(layers.error(), expected);
    };
    check("[store]\nport = 70000", "`store.port` in `city.toml:2`: must be 1 to 65535, not 70000");
    check(
        "[source]\npacket_size = 511",
        "`source.packet_size` in `city.toml:2`: must be 512 to 32767, not 511",
    );
    check(
        "[source]\n\ncommand_timeout_s = 0",
        "`source.command_timeout_s` in `city.toml:3`: must be 1 to 86400, not 0",
    );
    check(
        "[source]\nencryption = \"yes\"",
        "`source.encryption` in `city.toml:2`: `yes` is not one of `strict`, `required`, \
         `login_only`, `off`",
    );
    check(
        "[store]\nschema = \"a b\"",
        "`store.schema` in `city.toml:2`: `a b` is not a name of letters, digits and `_`",
    );
    check(
        "[store]\nread_only_intent = true",
        "unknown key `store.read_only_intent` in `city.toml:2`\nhint: did you mean \
         `source.read_only_intent`?",
    );
    check(
        "[source]\nhots = \"a\"",
        "unknown key `source.hots` in `city.toml:2`\nhint: did you mean `source.host`?",
    );
    check(
        "[source]\nhost = \"tcp:a,1433\"",
        "`source.host` (`tcp:a,1433`) must be a name or address alone; `source.port` and \
         `source.instance` are keys of their own (source.host: city.toml:2)",
    );
    check(
        "[source]\ninstance = \"X\"\nport = 1500",
        "`source.port` and `source.instance` exclude each other: an instance's port is asked for \
         (source.port: city.toml:3, source.instance: city.toml:2)",
    );
    check(
        "[store]\nca_file = \"a\"\ntrust_any_certificate = true",
        "`store.ca_file` and `store.trust_any_certificate` exclude each other (store.ca_file: \
         city.toml:2, store.trust_any_certificate: city.toml:3)",
    );
    check(
        "[store]\nlogin = \"token\"\nencryption = \"off\"",
        "`store.encryption` is `off`, which would send the token of `store.login` in the clear \
         (store.login: city.toml:2, store.encryption: city.toml:3)",
    );
    check(
        "[sqlserver]\ntable = \"dbo.a\"\nquery = \"SELECT 1\"",
        "`sqlserver.table` and `sqlserver.query` exclude each other (sqlserver.table: \
         city.toml:2, sqlserver.query: city.toml:3)",
    );
    check(
        "[sqlserver]\npartition = \"region\"\npartition_column = \"id\"",
        "`sqlserver.partition_column` is of no use while `sqlserver.partition` is `region` \
         (sqlserver.partition: city.toml:2, sqlserver.partition_column: city.toml:3)",
    );
    check(
        "[source]\nlogin = \"password\"\npassword = \"hunter2\"",
        "`source.password` in `city.toml:3` looks like a secret, and secrets are no settings\n\
         hint: remove it and set the variable `SPEEDFIT_SOURCE_PASSWORD`, or the same with `_FILE`",
    );
}

#[test]
fn a_named_settings_file_must_be_there() {
    let check = |layers: &Layers, expected: &str| assert_eq!(layers.error(), expected);
    check(
        &Layers::new(&[("SPEEDFIT_ENV", "prod")]),
        "`SPEEDFIT_ENV` is `prod`, but there is no file `prod.toml`\nhint: set \
         `SPEEDFIT_CONFIG_DIR` to the folder with the settings files",
    );
    check(
        &Layers::new(&[("SPEEDFIT_ENV", "../prod")]),
        "`SPEEDFIT_ENV` is `../prod`, which is not a plain name\nhint: use letters, digits, `-` \
         and `_`, without folder and `.toml`",
    );
    let mut layers = Layers::new(&[]);
    layers.sources.file = Some("no-such.toml".into());
    check(
        &layers,
        "cannot read the settings file `no-such.toml`\nhint: check the file's name and its permissions",
    );
}

#[test]
fn a_scope_has_its_own_layer() {
    let layers = Layers::new(&[("SPEEDFIT_ENV", "there")]);
    std::fs::create_dir(layers.dir.path().join("scopes")).unwrap();
    layers.file("there.toml", "[fit]\nmodel = \"power\"\nworkers = 2\n");
    let path = layers.file("scopes/city.toml", "[fit]\nmodel = \"linear\"\n");
    layers.file("scopes/.hidden.toml", "");
    layers.file("scopes/notes.txt", "");
    layers.file("scopes/other.toml", "scope = \"city\"\n");
    let named = |scope: &str| {
        let overrides = vec![Override::new("--scope", "scope", scope)];
        Layers {
            dir: tempfile::tempdir().unwrap(),
            sources: Sources { overrides, ..layers.sources.clone() },
        }
    };
    let check = |loaded: &Loaded, model: &str, workers: usize| {
        let fit = &loaded.settings.fit;
        assert_eq!((fit.model.as_str(), fit.workers), (model, workers));
    };
    assert_eq!(layers.sources.scopes().unwrap(), ["city", "other"]);
    check(&layers.load().unwrap(), "power", 2);
    let city = named("city").load().unwrap();
    check(&city, "linear", 2);
    assert_eq!(city.settings.scope, "city");
    assert_eq!(city.files.last(), Some(&path));
    assert_eq!(city.origins["fit.model"].to_string(), format!("{}:2", path.display()));
    let error = named("elsewhere").load().unwrap_err();
    assert_eq!(error.hint().unwrap(), "there are `city`, `other`");
    let error = named("other").load().unwrap_err().to_string();
    assert!(
        error.ends_with("other.toml:1`: must be `other`, as the file's name says, or be left out"),
        "{error}"
    );
    let error = named("../there").load().unwrap_err().to_string();
    assert!(error.starts_with("there is no scope `../there` in "), "{error}");

    // A variable names it too, and where no scope has a file, any name will do.
    let by_variable = Layers::new(&[("SPEEDFIT__SCOPE", "city")]);
    assert_eq!(by_variable.load().unwrap().settings.scope, "city");
    std::fs::create_dir(by_variable.dir.path().join("scopes")).unwrap();
    by_variable.file("scopes/city.toml", "[fit]\nmodel = \"linear\"\n");
    check(&by_variable.load().unwrap(), "linear", 0);
}

#[test]
fn the_folder_comes_from_its_variable() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.toml"), "scope = \"from a\"").unwrap();
    let path = dir.path().to_str().unwrap();
    let variables = [("SPEEDFIT_ENV", "a"), ("SPEEDFIT_CONFIG_DIR", path)];
    let environment = Environment::from_iter(variables);
    let loaded = Settings::load(&Sources { environment, ..Sources::default() }).unwrap();
    assert_eq!(loaded.settings.scope, "from a");
}

#[test]
fn the_hash_tells_what_influences_results() {
    let hash = |variable: &str, value: &str| with(variable, value).unwrap().hash;
    let base = defaults().hash;
    assert_eq!(base.len(), 64);
    assert_eq!(hash("SPEEDFIT__ACCEPT__MIN_TIME_S", "10"), base, "the value is the default");
    for (variable, value) in [
        ("SPEEDFIT__LOG__LEVEL", "debug"),
        ("SPEEDFIT__OUTPUT__DIR", "elsewhere"),
        ("SPEEDFIT__FIT__WORKERS", "7"),
        ("SPEEDFIT__SOURCE__ATTEMPTS", "7"),
        ("SPEEDFIT__SQLSERVER__CONNECTIONS", "7"),
        ("SPEEDFIT_STORE_PASSWORD", "x"),
    ] {
        assert_eq!(hash(variable, value), base, "{variable}");
    }
    for (variable, value) in [
        ("SPEEDFIT__FIT__MODEL", "power"),
        ("SPEEDFIT__SOURCE__DATABASE", "elsewhere"),
        ("SPEEDFIT__SQLSERVER__TABLE", "elsewhere"),
        ("SPEEDFIT__ACCEPT__MIN_TIME_S", "10.5"),
        ("SPEEDFIT__GROUPS__BANDS", "[{ name = \"a\", days = \"mon\", hours = \"0-24\" }]"),
    ] {
        assert_ne!(hash(variable, value), base, "{variable}");
    }
}

#[test]
fn unread_variables_are_mentioned() {
    let layers = Layers::new(&[
        ("SPEEDFIT_SORCE_PASSWORD", "hunter2"),
        ("SPEEDFIT_FIT__MODEL", "kwh"),
        ("SPEEDFIT_WHATEVER", "1"),
        ("SPEEDFIT_CONFIG_DIR", "x"),
        ("SPEEDFIT_TEST_SQLSERVER", "1"),
        ("SPEEDFIT_PORT_8765_TCP_ADDR", "10.0.0.1"),
        ("SPEEDFIT_SERVICE_HOST", "10.0.0.1"),
        ("SPEEDFIT_STORE_TOKEN", "x"),
    ]);
    assert_eq!(
        layers.load().unwrap().warnings,
        [
            "the variable `SPEEDFIT_FIT__MODEL` is not read; did you mean `SPEEDFIT__FIT__MODEL`?",
            "the variable `SPEEDFIT_SORCE_PASSWORD` is not read; did you mean \
             `SPEEDFIT_SOURCE_PASSWORD`?",
            "the variable `SPEEDFIT_WHATEVER` is not read",
            "`SPEEDFIT_CONFIG_DIR` is set but `SPEEDFIT_ENV` is not, so no file is read there",
        ]
    );
}

#[test]
fn an_empty_folder_of_settings_is_not_mentioned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    let layers = Layers::new(&[("SPEEDFIT_CONFIG_DIR", path.as_str())]);
    assert_eq!(layers.load().unwrap().warnings, [""; 0]);
    std::fs::write(folder.path().join("city.toml"), "").unwrap();
    let warnings = layers.load().unwrap().warnings;
    assert!(
        warnings.iter().any(|warning| warning.contains("no file is read there")),
        "{warnings:?}"
    );
}

#[test]
fn the_window_follows_the_calendar_of_the_zone() {
    let window = |variables: &[(&str, &str)]| {
        let settings = Layers::new(variables).load().unwrap().settings;
        settings.window("2026-04-01T03:00:00Z".parse().unwrap()).unwrap().to_string()
    };
    let london = ("SPEEDFIT__TIME_ZONE", "Europe/London");
    assert_eq!(window(&[]), "all time");
    // Clocks went forward on 29 March: seven calendar days are 167 hours.
    assert_eq!(
        window(&[london, ("SPEEDFIT__WINDOW__DAYS", "7")]),
        "2026-03-25T04:00:00Z .. 2026-04-01T03:00:00Z"
    );
    assert_eq!(
        window(&[london, ("SPEEDFIT__WINDOW__FROM", "2026-07-01")]),
        "from 2026-06-30T23:00:00Z"
    );
}

#[test]
fn columns_that_the_user_named_are_known() {
    let loaded = with("SPEEDFIT__COLUMNS__DISTANCE", "metres").unwrap();
    let named: Vec<_> = loaded.settings.columns.user_set().collect();
    assert_eq!(named, [("columns.distance", "metres")]);
    assert_eq!(defaults().settings.columns.user_set().count(), 0);
}

#[test]
fn settings_become_domain_rules() {
    let settings = defaults().settings;
    let limits = settings.limits(speedfit::domain::Window::ALL);
    assert_eq!(limits, speedfit::domain::Limits::default());
    assert!(settings.splits().bands.is_none());
    let bands = "[{ name = \"night\", days = \"mon-sun\", hours = \"22-6\" }]";
    let settings = with("SPEEDFIT__GROUPS__BANDS", bands).unwrap().settings;
    assert!(settings.limits(speedfit::domain::Window::ALL).needs_time);
    assert_eq!(settings.splits().bands.unwrap().band_at(0), "night");
}
