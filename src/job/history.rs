//! What the moves of a mark tell: which set was current when, and which one a rollback goes back to.
//!
//! Pure; takes a scope's publications newest first, as the store gives them.

use jiff::Timestamp;

use crate::domain::{Publication, RunId};

/// A time during which a set was current.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Span {
    /// The move that began it.
    #[serde(flatten)]
    pub publication: Publication,
    /// The move that ended it; `None` while it lasts.
    pub until: Option<Timestamp>,
}

/// Each move with its end, newest first.
#[must_use]
pub fn spans(publications: &[Publication]) -> Vec<Span> {
    let mut until = None;
    let mut spans = Vec::with_capacity(publications.len());
    for publication in publications {
        spans.push(Span { publication: publication.clone(), until });
        until = Some(publication.published_at);
    }
    spans
}

/// The run that a rollback goes back to: of the sets that are `kept`, the one that was current before
/// the current one.
///
/// A rollback takes back what was published since, so that the next one goes further back and never
/// forward to the set that was left; `None` where nothing is left to go back to.
#[must_use]
pub fn previous(publications: &[Publication], kept: &[RunId]) -> Option<RunId> {
    let mut stack: Vec<RunId> = Vec::new();
    for publication in publications.iter().rev() {
        let to = publication.run_id;
        let taken_back = publication.reason == ROLLBACK;
        match stack.iter().rposition(|run_id| *run_id == to).filter(|_| taken_back) {
            Some(at) => stack.truncate(at + 1),
            None if stack.last() != Some(&to) => stack.push(to),
            None => {}
        }
    }
    let current = stack.pop()?;
    stack.into_iter().rev().find(|run_id| *run_id != current && kept.contains(run_id))
}

/// Why the mark was moved, in the history: a run published its set.
pub const RUN: &str = "run";
/// An operator published a run's set.
pub const PUBLISH: &str = "publish";
/// An operator went back to a set.
pub const ROLLBACK: &str = "rollback";

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves, oldest first: `3` is published by its run, `p3` by hand, `r3` is gone back to.
    fn history(moves: &str) -> Vec<Publication> {
        let mut publications: Vec<Publication> = (moves.split_whitespace().zip(1..))
            .map(|(text, second)| {
                let reason = match text.as_bytes()[0] {
                    b'r' => ROLLBACK,
                    b'p' => PUBLISH,
                    _ => RUN,
                };
                Publication {
                    scope: "a".to_owned(),
                    run_id: RunId(text.trim_start_matches(['p', 'r']).parse().unwrap()),
                    published_at: Timestamp::from_second(second).unwrap(),
                    published_by: "kim".to_owned(),
                    reason: reason.to_owned(),
                    comment: String::new(),
                }
            })
            .collect();
        publications.reverse();
        publications
    }

    fn check(moves: &str, kept: &[i64], expected: Option<i64>) {
        let kept: Vec<RunId> = kept.iter().copied().map(RunId).collect();
        assert_eq!(previous(&history(moves), &kept), expected.map(RunId), "{moves}");
    }

    #[test]
    fn a_rollback_goes_back_and_never_forward() {
        check("", &[1, 2, 3], None);
        check("1", &[1, 2, 3], None);
        check("1 2", &[1, 2, 3], Some(1));
        check("1 2 2 2", &[1, 2, 3], Some(1));
        check("1 2 3", &[1, 2, 3], Some(2));
        check("1 2 3 r2", &[1, 2, 3], Some(1));
        check("1 2 3 r2 r1", &[1, 2, 3], None);
        check("1 2 3 r1", &[1, 2, 3], None);
        check("1 2 3 r2 4", &[1, 2, 3, 4], Some(2));
        // What was published by hand is gone back from like anything else.
        check("1 2 3 p1", &[1, 2, 3], Some(3));
        check("1 2 3 p1 r3", &[1, 2, 3], Some(2));
        // To a set that was never current.
        check("1 2 r7", &[1, 2, 7], Some(2));
        // What was pruned is passed over.
        check("1 2 3", &[1, 3], Some(1));
        check("1 2 3", &[3], None);
    }

    #[test]
    fn a_set_is_current_until_the_next_move() {
        let spans = spans(&history("1 2 r1"));
        let told: Vec<(i64, i64, Option<i64>)> = spans
            .iter()
            .map(|span| {
                let second = |at: Timestamp| at.as_second();
                let from = second(span.publication.published_at);
                (span.publication.run_id.0, from, span.until.map(second))
            })
            .collect();
        assert_eq!(told, [(1, 3, None), (2, 2, Some(3)), (1, 1, Some(2))]);
    }
}
