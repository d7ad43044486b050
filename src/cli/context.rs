//! What every command gets: the global flags, the environment, stdout and the terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use indicatif::MultiProgress;
use serde::Serialize;

use super::account;
use super::printable::printable_lines;
use super::progress::{BesideBar, Progress, ProgressMode};
use super::table::paragraph;
use crate::config::{ConfigError, Environment, Kept, Loaded, Override, Settings, Sources};
use crate::domain::text::json_readable;
use crate::telemetry;

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalOptions {
    /// Settings file, above the one that SPEEDFIT_ENV names.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// One setting, above everything else; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", global = true, value_parser = key_and_value)]
    set: Vec<(String, String)>,

    /// Name of the job: the setting `scope`.
    #[arg(long, value_name = "NAME", global = true)]
    scope: Option<String>,

    /// Print one JSON document instead of a table.
    #[arg(long, global = true)]
    json: bool,

    /// How progress is told on stderr.
    #[arg(long, value_name = "MODE", global = true, value_enum, default_value_t)]
    progress: ProgressMode,

    /// What is logged: the setting `log.level`.
    #[arg(long, value_name = "LEVEL", global = true)]
    log_level: Option<String>,

    /// Log errors only and tell no progress.
    #[arg(short, long, global = true)]
    quiet: bool,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("there is no `=` between key and value")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl GlobalOptions {
    /// The settings that these flags give, the more general flag first.
    fn overrides(&self) -> Vec<Override> {
        let mut overrides = Vec::new();
        if self.quiet {
            overrides.push(Override::new("--quiet", "log.level", "error"));
        }
        overrides.extend(self.set.iter().map(|(key, value)| Override::new("--set", key, value)));
        if let Some(scope) = &self.scope {
            overrides.push(Override::new("--scope", "scope", scope));
        }
        if let Some(level) = &self.log_level {
            overrides.push(Override::new("--log-level", "log.level", level));
        }
        overrides
    }
}

/// What every command gets.
#[derive(Debug)]
pub struct Context {
    globals: GlobalOptions,
    environment: Environment,
    bars: MultiProgress,
}

impl Context {
    pub(super) fn new(globals: GlobalOptions, environment: Environment) -> Self {
        Self { globals, environment, bars: MultiProgress::new() }
    }

    /// Reads the settings, `flags` of the command above everything else, and sets the log up.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(&self, flags: Vec<Override>) -> Result<Loaded, ConfigError> {
        let loaded = Settings::load(&self.sources(flags))?;
        self.start_log(&loaded)?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        Ok(loaded)
    }

    /// What the settings are read from, for whoever reads them again; `flags` as in
    /// [`load`](Self::load).
    #[must_use]
    pub fn sources(&self, flags: Vec<Override>) -> Sources {
        let mut overrides = self.globals.overrides();
        overrides.extend(flags);
        Sources {
            environment: self.environment.clone(),
            config_dir: None,
            file: self.globals.config.clone(),
            overrides,
        }
    }

    /// Reads the settings once more, those that an earlier run was made with above all others.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load_over(&self, kept: &Kept) -> Result<Loaded, ConfigError> {
        Settings::load_over(&self.sources(Vec::new()), kept)
    }

    fn start_log(&self, loaded: &Loaded) -> Result<(), ConfigError> {
        let log = &loaded.settings.log;
        let is_terminal = io::stderr().is_terminal();
        let bars = self.bars.clone();
        let writer = move || BesideBar(bars.clone());
        let level = log.level.as_str();
        let started = telemetry::init(level, log.format, is_terminal, writer);
        started.map_err(|error| {
            let key = "log.level";
            let origin = loaded.origins.get(key).cloned();
            let origin = origin.unwrap_or(crate::config::Origin::Default);
            ConfigError::Value { key: key.to_owned(), origin, message: error.to_string() }
        })
    }

    /// The environment, for who asks for a run and the like.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Who runs the command, for the ledger.
    #[must_use]
    pub fn user(&self) -> String {
        let named = ["USER", "LOGNAME", "USERNAME"].into_iter();
        let mut named = named.filter_map(|name| self.environment.get(name).ok().flatten());
        named.next().map_or_else(account::name, str::to_owned)
    }

    /// Whether stdout is to be one JSON document.
    #[must_use]
    pub fn json(&self) -> bool {
        self.globals.json
    }

    /// Columns of the terminal; `None` where stdout is none.
    #[must_use]
    pub fn width(&self) -> Option<u16> {
        // The table library asks the terminal, and knows when stdout is none.
        comfy_table::Table::new().width()
    }

    /// Columns of the terminal that errors go to; `None` where stderr is none.
    #[must_use]
    pub fn error_width() -> Option<u16> {
        comfy_table::Table::new().use_stderr().width()
    }

    /// A teller of progress on stderr.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let mode = if self.globals.quiet { ProgressMode::None } else { self.globals.progress };
        Progress::new(mode, io::stderr().is_terminal(), &self.bars)
    }

    /// Prints text for people to stdout, without what would steer their terminal. A reader that has
    /// gone away is no error: the command goes on.
    ///
    /// # Errors
    /// stdout cannot be written, for example to a full disk.
    pub fn print(&self, text: &str) -> anyhow::Result<()> {
        self.write(&printable_lines(text))
    }

    /// Prints sentences for people, broken between words to fit their terminal.
    ///
    /// # Errors
    /// As [`print`](Self::print).
    pub fn print_sentences(&self, text: &str) -> anyhow::Result<()> {
        self.print(&paragraph(text, self.width()))
    }

    fn write(&self, text: &str) -> anyhow::Result<()> {
        let written = self.bars.suspend(|| {
            let mut stdout = io::stdout().lock();
            stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
        });
        ignore_broken_pipe(written).context("cannot write to stdout")
    }

    /// Prints one JSON document to stdout, ending in a newline.
    ///
    /// # Errors
    /// As [`print`](Self::print); or the value has no JSON form.
    pub fn print_json<T: Serialize>(&self, value: &T) -> anyhow::Result<()> {
        let mut text = json_readable(serde_json::to_string_pretty(value)?);
        text.push('\n');
        self.write(&text)
    }
}

pub(super) fn ignore_broken_pipe(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
