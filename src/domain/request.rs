//! What a run was asked for beyond its window and model: kept with the request, so that whoever finds
//! it later can do exactly that.

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
    /// Into how many shards the regions are split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_shards: Option<u32>,
}

impl RequestDetail {
    /// Whether nothing particular was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}
