//! What can go wrong with object storage, without what signs a request.

use std::error::Error;

use crate::ports::{FailureKind, PortError};

/// A failure of object storage. The library's own words are kept as text: its errors may show the
/// address of a request, and with it a signature.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// Not an address of object storage.
    #[error(
        "is no address such as `s3://bucket/folder`, `gs://bucket/folder` or `az://container/folder`"
    )]
    Address,
    /// The settings of the vendor do not do.
    #[error("cannot be opened: {why}")]
    Open {
        /// Why.
        why: String,
    },
    /// A file was not written there.
    #[error("cannot write `{to}`: {why}")]
    Put {
        /// Where to.
        to: String,
        /// What kind of failure.
        kind: FailureKind,
        /// Why.
        why: String,
    },
}

impl ObjectsError {
    pub(super) fn open(error: &object_store::Error) -> Self {
        Self::Open { why: told(error) }
    }

    pub(super) fn put(to: String, error: &object_store::Error) -> Self {
        use object_store::Error as E;
        let kind = match error {
            E::NotFound { .. } => FailureKind::Missing,
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => FailureKind::Denied,
            E::AlreadyExists { .. } | E::Precondition { .. } => FailureKind::Conflict,
            E::NotSupported { .. } | E::NotImplemented { .. } => FailureKind::Refused,
            _ => FailureKind::Unreachable,
        };
        Self::Put { to, kind, why: told(error) }
    }
}

impl From<ObjectsError> for PortError {
    fn from(error: ObjectsError) -> Self {
        let kind = match &error {
            ObjectsError::Address | ObjectsError::Open { .. } => FailureKind::Malformed,
            ObjectsError::Put { kind, .. } => *kind,
        };
        Self::new(kind, error)
    }
}

/// The error and its causes in one line, each once, without what follows a `?`.
fn told(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    without_queries(&text)
}

/// The text without the part of an address in which signatures stand, in one line.
fn without_queries(text: &str) -> String {
    let words = text.split_whitespace().map(|word| match word.split_once('?') {
        Some((address, _)) if address.contains("://") => format!("{address}?…"),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_left_out() {
        let check = |text: &str, expected: &str| assert_eq!(without_queries(text), expected);
        check("PUT https://a.b/c?sig=x&y=z failed", "PUT https://a.b/c?… failed");
        check("why?\n really?", "why? really?");
    }
}
