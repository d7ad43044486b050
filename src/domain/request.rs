//! What a run was asked for beyond its window and model: kept with the request, so that whoever finds
//! it later can do exactly that.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::group::GroupKey;
use super::run::RunId;

/// The particulars of a request; what is empty was not asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestDetail {
    /// What is selected, as the operator wrote it; empty selects everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub select: Vec<String>,
    /// What is left out, likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// These groups and no others, where there are any: those that a retry does again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupKey>,
    /// The run whose failures are done again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<RunId>,
    /// The set is kept, and the mark stays where it is.
    #[serde(skip_serializing_if = "is_false")]
    pub keep_unpublished: bool,
    /// The judge is overruled; the request's reason says why.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
    /// The run stops at the first group that fails.
    #[serde(skip_serializing_if = "is_false")]
    pub fail_fast: bool,
    /// Nothing is published where more groups fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<u64>,
}

impl RequestDetail {
    /// Whether nothing particular was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// For people: what is not empty, in a line.
impl fmt::Display for RequestDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.retry_of.map(|of| format!("retry of run {of}")));
        match self.groups.len() {
            0 => {}
            1 => parts.push("1 group".to_owned()),
            n => parts.push(format!("{n} groups")),
        }
        let terms = |name: &str, terms: &[String]| {
            (!terms.is_empty()).then(|| format!("{name} {}", terms.join(" ")))
        };
        parts.extend(terms("select", &self.select));
        parts.extend(terms("exclude", &self.exclude));
        let flags = [
            (self.force, "force"),
            (self.fail_fast, "fail fast"),
            (self.keep_unpublished, "kept unpublished"),
        ];
        parts
            .extend(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| (*name).to_owned()));
        parts.extend(self.max_failures.map(|n| format!("at most {n} failures")));
        f.write_str(&parts.join(", "))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}
