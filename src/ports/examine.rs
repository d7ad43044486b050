//! Looking at the world without changing it: what `speedfit doctor` asks of an adapter.

use std::error::Error as _;

use async_trait::async_trait;

use super::PortError;

/// How good or bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// As it should be.
    Good,
    /// Worth knowing; nothing needs to be done.
    Note,
    /// Runs work, but something should be changed.
    Warning,
    /// Runs fail until something is changed.
    Failure,
}

/// What an examination found of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in a word or two: `login`, `schema version`.
    pub check: String,
    /// How good it is.
    pub grade: Grade,
    /// What was found; never a credential.
    pub text: String,
    /// What to do about it; there for warnings and failures.
    pub remedy: Option<String>,
}

impl Finding {
    /// A finding that needs no remedy.
    pub fn new(check: &str, grade: Grade, text: impl Into<String>) -> Self {
        Self { check: check.to_owned(), grade, text: text.into(), remedy: None }
    }

    /// Adds a remedy.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// A call through a port that failed.
    #[must_use]
    pub fn failed(check: &str, error: &PortError) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        Self::new(check, Grade::Failure, text).with_remedy(error.remedy())
    }
}

/// Looks at one half of the world and says what is wrong with it; `speedfit doctor` shows it.
#[async_trait]
pub trait Examine: Send + Sync {
    /// Every finding, in the order in which they were made. What cannot be looked at since
    /// something before it failed is left out. Changes nothing.
    async fn examine(&self) -> Vec<Finding>;
}
