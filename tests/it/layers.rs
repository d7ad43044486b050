//! Holds the layers: who may use whom, where a library may be named, how long a file may be.
//!
//! The table is the one in `ARCHITECTURE.md`; a new module needs a row in both. Tests inside
//! `src/` are held to it too.

mod source;

use std::fs;
use std::io;
use std::path::Path;

use source::SourcePath;

/// Module, and the modules of ours that it may use beside itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("lib", &[]),
    ("domain", &[]),
    ("fit", &[]),
    ("ports", &["domain"]),
    ("job", &["domain", "fit", "ports"]),
    ("schedule", &["domain", "job", "ports"]),
    ("adapters", &["domain", "ports"]),
    ("config", &["domain"]),
    ("report", &["domain", "fit"]),
    ("http", &["domain", "job", "ports", "report", "schedule"]),
    ("telemetry", &["config", "domain"]),
    (
        "bootstrap",
        &[
            "domain",
            "fit",
            "ports",
            "job",
            "schedule",
            "adapters",
            "config",
            "report",
            "http",
            "telemetry",
        ],
    ),
    (
        "cli",
        &[
            "domain",
            "fit",
            "ports",
            "job",
            "schedule",
            "config",
            "report",
            "http",
            "bootstrap",
            "telemetry",
        ],
    ),
    ("main", &["cli", "config"]),
];

/// Names from outside, and the only folders or files in which they may stand.
const ONLY_IN: &[(&[&str], &[&str])] = &[
    (&["rusqlite"], &["src/adapters/embedded"]),
    (&["tiberius"], &["src/adapters/sqlserver"]),
    (&["reqwest"], &["src/adapters/web"]),
    (&["object_store"], &["src/adapters/objects"]),
    (&["parquet"], &["src/adapters/columnar"]),
    (&["anyhow"], &["src/cli", "src/main.rs"]),
    (&["axum"], &["src/http"]),
    (&["hyper"], &["src/http"]),
    (&["utoipa"], &["src/http"]),
    (&["std", "env"], &["src/config", "src/main.rs"]),
];

/// Names from outside that a module must do without.
const NEVER_IN: &[(&str, &[&str])] =
    &[("fit", &["serde", "serde_json", "tokio", "tokio_util", "async_trait"])];

/// A hard look is due long before.
const MAX_LINES: usize = 500;

/// What breaks the layers, one line per finding; files are (path from the project's root, text).
fn violations(files: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in files {
        for path in source::paths(text) {
            let fault = fault(file, &path);
            found.extend(fault.map(|fault| format!("{file}:{}: {fault}", path.line)));
        }
    }
    found
}

fn fault(file: &str, path: &SourcePath) -> Option<String> {
    let own_modules = modules(file);
    let own = own_modules.first().map_or("lib", String::as_str);
    let Some(inside) = from_root(&own_modules, path) else {
        return foreign_fault(file, own, path);
    };
    let Some((_, allowed)) = MAY_USE.iter().find(|(module, _)| *module == own) else {
        return Some(format!("module `{own}` has no row in the table of layers"));
    };
    let target = inside.first().map_or("self", String::as_str);
    if ["self", "*"].contains(&target) {
        return Some("names the crate's root, which hides what is used of it".to_owned());
    }
    let permitted = target == own || allowed.contains(&target);
    (!permitted).then(|| format!("`{own}` may not use `{target}` (`{}`)", path.names.join("::")))
}

fn foreign_fault(file: &str, own: &str, path: &SourcePath) -> Option<String> {
    let first = path.names.first()?;
    let names = |wanted: &[&str]| path.names.iter().zip(wanted).filter(|(a, b)| a == *b).count();
    let misplaced = ONLY_IN.iter().find(|(wanted, places)| {
        names(wanted) == wanted.len()
            && !places.iter().any(|place| {
                file == *place || file.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
            })
    });
    if let Some((wanted, places)) = misplaced {
        return Some(format!("`{}` belongs in {} only", wanted.join("::"), places.join(", ")));
    }
    let banned =
        NEVER_IN.iter().any(|(module, names)| own == *module && names.contains(&first.as_str()));
    banned.then(|| format!("`{own}` does without `{first}`"))
}

/// The modules that a file is, outermost first: `src/job/plan.rs` is `job`, `plan`.
fn modules(file: &str) -> Vec<String> {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs");
    let names = inner.split('/').filter(|name| !["mod", "lib"].contains(name));
    names.map(str::to_owned).collect()
}

/// The path from the crate's root, or `None` where it leads out of the crate or stays in the
/// file's own module.
fn from_root(own_modules: &[String], path: &SourcePath) -> Option<Vec<String>> {
    let names = &path.names;
    if ["crate", "speedfit"].contains(&names.first()?.as_str()) {
        return Some(names[1..].to_vec());
    }
    let after_self = names.strip_prefix(&["self".to_owned()]).unwrap_or(names);
    let n_up = after_self.iter().take_while(|name| *name == "super").count();
    let depth = own_modules.len() + path.n_inline_mods;
    (n_up > 0 && n_up >= depth).then(|| after_self[n_up..].to_vec())
}

/// Every source file, in order.
fn sources() -> io::Result<Vec<(String, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inner = path.strip_prefix(root).unwrap_or(&path);
                let name = inner.to_string_lossy().replace('\\', "/");
                files.push((name, fs::read_to_string(&path)?));
            }
        }
    }
    files.sort();
    Ok(files)
}

#[test]
fn layers_hold() {
    let sources = sources().unwrap();
    assert!(sources.iter().any(|(file, _)| file == "src/lib.rs"), "the sources are not there");
    assert_eq!(violations(&sources), Vec::<String>::new());
}

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    for (file, text) in sources().unwrap() {
        assert!(text.starts_with("//!"), "{file} does not open with `//!`");
        let n_lines = text.lines().count();
        assert!(n_lines <= MAX_LINES, "{file} has {n_lines} lines, more than {MAX_LINES}");
    }
}

/// Expects these findings in a file of that text, each without the file's name.
#[track_caller]
fn check(file: &str, text: &str, expected: &[&str]) {
    let found = violations(&[(file.to_owned(), text.to_owned())]);
    let expected: Vec<String> = expected.iter().map(|line| format!("{file}:{line}")).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn a_forbidden_use_is_found() {
    check("src/job/plan.rs", "use crate::{domain::Window, fit, ports::Clock};", &[]);
    check(
        "src/job/plan.rs",
        "use crate::domain;\nuse crate::{domain::Window, adapters::{file, memory}};",
        &[
            "2: `job` may not use `adapters` (`crate::adapters::file`)",
            "2: `job` may not use `adapters` (`crate::adapters::memory`)",
        ],
    );
    check(
        "src/cli/run.rs",
        "fn f() { crate::adapters::file::open() }",
        &["1: `cli` may not use `adapters` (`crate::adapters::file::open`)"],
    );
    check(
        "src/domain/run.rs",
        "#[cfg(test)]\nmod tests {\n    use crate::fit::Sample;\n}",
        &["3: `domain` may not use `fit` (`crate::fit::Sample`)"],
    );
    check(
        "src/fit/kwh.rs",
        "use super::super::domain::Window;",
        &["1: `fit` may not use `domain` (`super::super::domain::Window`)"],
    );
    check(
        "src/ports.rs",
        "mod tests { use super::super::{job::plan, domain}; use super::*; }",
        &["1: `ports` may not use `job` (`super::super::job::plan`)"],
    );
    check("src/fit/kwh.rs", "use super::report; use self::inner::X; mod t { use super::*; }", &[]);
    check(
        "src/main.rs",
        "use speedfit::bootstrap;",
        &["1: `main` may not use `bootstrap` (`speedfit::bootstrap`)"],
    );
    check(
        "src/adapters/file/mod.rs",
        "use crate::config::Settings;",
        &["1: `adapters` may not use `config` (`crate::config::Settings`)"],
    );
    check(
        "src/job/mod.rs",
        "fn f() { crate::telemetry::init() }",
        &["1: `job` may not use `telemetry` (`crate::telemetry::init`)"],
    );
    check(
        "src/report/mod.rs",
        "use crate::*;",
        &["1: names the crate's root, which hides what is used of it"],
    );
    check(
        "src/newcomer.rs",
        "use crate::domain;",
        &["1: module `newcomer` has no row in the table of layers"],
    );
}

#[test]
fn a_misplaced_library_is_found() {
    check("src/adapters/embedded/mod.rs", "use rusqlite::Connection;", &[]);
    check(
        "src/adapters/embedded_too.rs",
        "use rusqlite::Connection;",
        &["1: `rusqlite` belongs in src/adapters/embedded only"],
    );
    check(
        "src/job/mod.rs",
        "fn f() -> anyhow::Result<()> { tiberius::Client::new() }",
        &[
            "1: `anyhow` belongs in src/cli, src/main.rs only",
            "1: `tiberius` belongs in src/adapters/sqlserver only",
        ],
    );
    check(
        "src/cli/mod.rs",
        "use std::{fs, env::{self, var}};",
        &[
            "1: `std::env` belongs in src/config, src/main.rs only",
            "1: `std::env` belongs in src/config, src/main.rs only",
        ],
    );
    check("src/config/layers.rs", "let home = std::env::var_os(\"HOME\");", &[]);
    check("src/main.rs", "fn main() { std::env::args(); anyhow::bail!(\"x\") }", &[]);
    check(
        "src/fit/kwh.rs",
        "#[derive(serde::Serialize)]\nstruct S;\nuse tokio;",
        &["1: `fit` does without `serde`", "3: `fit` does without `tokio`"],
    );
}
