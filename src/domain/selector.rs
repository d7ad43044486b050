//! How an operator writes which groups are meant: `B0*`, `band:peak`, `state:failed`.
//!
//! Pure: text in, a [`Selector`] or a reason out. What `state:` stands for is told by the groups of
//! an earlier run, which the caller brings; then it is a [`Selection`].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::group::Splits;
use super::parameters::{GroupOutcome, GroupRow, Verdict, named_enum};
use super::selection::{Criterion, Selection};

named_enum! {
    /// By what a term selects.
    Method {
        /// The region's name.
        Region = "region",
        /// The name of the region's parent.
        Parent = "parent",
        /// The band of the week.
        Band = "band",
        /// The priority class.
        Priority = "priority",
        /// What became of the group in the last run.
        State = "state",
    }
}

named_enum! {
    /// What became of a group.
    GroupState {
        /// It has no parameters.
        Failed = "failed",
        /// It keeps what was current.
        CarriedOver = "carried_over",
        /// A level above it serves.
        Fallback = "fallback",
        /// It was drawn toward others.
        Pooled = "pooled",
        /// Its own records were fitted.
        Fitted = "fitted",
        /// The stop signal met it.
        Cancelled = "cancelled",
        /// What the run had for it was not published: no fit, or the judge objected.
        Refused = "refused",
    }
}

impl GroupState {
    /// Whether the group is in this state.
    #[must_use]
    pub fn is_of(self, group: &GroupRow) -> bool {
        match self {
            Self::Failed => group.outcome == GroupOutcome::Failed,
            Self::CarriedOver => group.outcome == GroupOutcome::CarriedOver,
            Self::Fallback => group.outcome == GroupOutcome::Fallback,
            Self::Pooled => group.outcome == GroupOutcome::Pooled,
            Self::Fitted => group.outcome == GroupOutcome::Fitted,
            Self::Cancelled => group.outcome == GroupOutcome::Cancelled,
            Self::Refused => group.verdict == Verdict::Keep,
        }
    }
}

/// What is wrong with a selection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The word before the colon is no method.
    #[error("there is no method `{method}`, which `{term}` selects by")]
    Method {
        /// The word.
        method: String,
        /// The whole term.
        term: String,
    },
    /// `state:` with something else than a state.
    #[error("there is no state `{state}`, which `state:{state}` selects by")]
    State {
        /// The word.
        state: String,
    },
    /// A method, and nothing to select by.
    #[error("`{term}` does not say what to select")]
    Empty {
        /// The whole term.
        term: String,
    },
    /// Groups are not told apart by this.
    #[error("`{method}:` selects nothing, since groups are not split by it: set `{key}`")]
    NotSplit {
        /// The method.
        method: Method,
        /// The setting that splits by it.
        key: &'static str,
    },
    /// There is no ledger that could tell.
    #[error("`state:` needs a ledger that knows an earlier run")]
    NoLedger,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Told(Criterion),
    State(GroupState),
}

/// A selection as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    select: Vec<Term>,
    exclude: Vec<Term>,
}

impl Selector {
    /// Reads what is selected and what is excluded; a term without a method is a region's.
    ///
    /// # Errors
    /// [`SelectorError`] names the term.
    pub fn parse(select: &[String], exclude: &[String]) -> Result<Self, SelectorError> {
        let terms = |texts: &[String]| -> Result<Vec<Term>, SelectorError> {
            texts.iter().map(|text| term(text)).collect()
        };
        Ok(Self { select: terms(select)?, exclude: terms(exclude)? })
    }

    /// Whether an earlier run is needed to tell what is meant.
    #[must_use]
    pub fn needs_states(&self) -> bool {
        self.select.iter().chain(&self.exclude).any(|term| matches!(term, Term::State(_)))
    }

    /// The selection, where `groups` are those of the run that states are taken from.
    #[must_use]
    pub fn resolve(self, groups: &[GroupRow]) -> Selection {
        let told =
            |terms: Vec<Term>| terms.into_iter().map(|term| resolved(term, groups)).collect();
        Selection::of(told(self.select), told(self.exclude))
    }

    /// Checks that groups are told apart by what is selected by: else a group would be fitted from
    /// some of its records.
    ///
    /// # Errors
    /// [`SelectorError::NotSplit`].
    pub fn check_splits(&self, splits: &Splits) -> Result<(), SelectorError> {
        let not_split = |method, key| Err(SelectorError::NotSplit { method, key });
        for term in self.select.iter().chain(&self.exclude) {
            match term {
                Term::Told(Criterion::Band(_)) if splits.bands.is_none() => {
                    return not_split(Method::Band, "groups.bands");
                }
                Term::Told(Criterion::Priority(_)) if !splits.by_priority => {
                    return not_split(Method::Priority, "groups.by_priority");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn resolved(term: Term, groups: &[GroupRow]) -> Criterion {
    match term {
        Term::Told(criterion) => criterion,
        Term::State(state) => {
            let found = groups.iter().filter(|group| state.is_of(group));
            Criterion::Groups(found.map(|group| group.key.clone()).collect())
        }
    }
}

fn term(text: &str) -> Result<Term, SelectorError> {
    let text = text.trim();
    let empty = || SelectorError::Empty { term: text.to_owned() };
    let Some((method, value)) = text.split_once(':') else {
        return if text.is_empty() { Err(empty()) } else { Ok(Term::Told(region(text))) };
    };
    let (method, value) = (method.trim(), value.trim());
    let method = Method::from_name(method).ok_or_else(|| SelectorError::Method {
        method: method.to_owned(),
        term: text.to_owned(),
    })?;
    if value.is_empty() {
        return Err(empty());
    }
    Ok(match method {
        Method::Region => Term::Told(region(value)),
        Method::Parent => Term::Told(Criterion::Parent(value.to_owned())),
        Method::Band => Term::Told(Criterion::Band(value.to_owned())),
        Method::Priority => Term::Told(Criterion::Priority(value.to_owned())),
        Method::State => Term::State(
            GroupState::from_name(value)
                .ok_or_else(|| SelectorError::State { state: value.to_owned() })?,
        ),
    })
}

fn region(pattern: &str) -> Criterion {
    Criterion::Region(pattern.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{GroupDetail, GroupKey, SourceLevel};

    fn parse(text: &str) -> Result<Selector, SelectorError> {
        Selector::parse(&[text.to_owned()], &[])
    }

    #[test]
    fn terms_are_read_by_method() {
        let check = |text: &str, expected: &str| {
            assert_eq!(parse(text).unwrap().resolve(&[]).to_string(), expected, "{text}");
        };
        check("B0*", "`B0*`");
        check("region: B0* ", "`B0*`");
        check("region:a:b", "`a:b`");
        check("parent:Manhattan", "`parent:Manhattan`");
        check("band:peak", "`band:peak`");
        check("priority:1", "`priority:1`");
        check("state:failed", "0 groups");
    }

    #[test]
    fn mistakes_name_the_term() {
        let check = |text: &str, expected: &str| {
            assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
        };
        check("regoin:B0*", "there is no method `regoin`, which `regoin:B0*` selects by");
        check("state:faild", "there is no state `faild`, which `state:faild` selects by");
        check("band:", "`band:` does not say what to select");
        check(" ", "`` does not say what to select");
    }

    #[test]
    fn only_what_groups_are_split_by_selects() {
        let check = |text: &str, expected: Option<&str>| {
            let told = parse(text).unwrap().check_splits(&Splits::default());
            assert_eq!(told.err().map(|e| e.to_string()).as_deref(), expected, "{text}");
        };
        check(
            "band:x",
            Some("`band:` selects nothing, since groups are not split by it: set `groups.bands`"),
        );
        check(
            "priority:1",
            Some(
                "`priority:` selects nothing, since groups are not split by it: set `groups.by_priority`",
            ),
        );
        check("parent:x", None);
    }

    #[test]
    fn states_become_names() {
        let group = |region: &str, outcome, verdict| GroupRow {
            key: GroupKey::region(region),
            model: String::new(),
            loss: String::new(),
            outcome,
            source_level: SourceLevel::Group,
            n_read: 0,
            n_refused: 0,
            n_used: 0,
            termination: String::new(),
            iterations: 0,
            ssr_log: None,
            rmse_log: None,
            mae_s: None,
            median_ape: None,
            share_under_p90: None,
            condition: None,
            verdict,
            message: String::new(),
            detail: GroupDetail::default(),
        };
        let groups = [
            group("a", GroupOutcome::Failed, Verdict::Keep),
            group("b", GroupOutcome::CarriedOver, Verdict::Keep),
            group("c", GroupOutcome::CarriedOver, Verdict::None),
            group("d*", GroupOutcome::Fitted, Verdict::Publish),
        ];
        let check = |state: &str, expected: &[&str]| {
            let selector = parse(&format!("state:{state}")).unwrap();
            assert!(selector.needs_states());
            let selection = selector.resolve(&groups);
            let met = |g: &&GroupRow| selection.takes(&g.key, None);
            let told: Vec<&str> =
                groups.iter().filter(met).map(|g| g.key.region.as_str()).collect();
            assert_eq!(told, expected, "{state}");
        };
        check("failed", &["a"]);
        check("carried_over", &["b", "c"]);
        check("refused", &["a", "b"]);
        check("fitted", &["d*"]);
        check("pooled", &[]);
    }
}
