//! Which model serves: a pure choice over the scores of every candidate in every group.
//!
//! Scores are sums over records (information criteria, or minus a log score times its records), so
//! that those of several groups add up. The lower one is better; the simpler model wins a tie.

/// For whom one choice is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChoicePer {
    /// All groups together, so that the application meets one model.
    Scope,
    /// Each group for itself.
    Group,
}

/// What decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// Bayesian information criterion.
    Bic,
    /// Akaike's information criterion.
    Aic,
    /// Log score on the records held out.
    Holdout,
}

impl Criterion {
    /// The name in settings and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bic => "bic",
            Self::Aic => "aic",
            Self::Holdout => "holdout",
        }
    }
}

/// What was chosen, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// For each group the index of its candidate.
    pub chosen: Vec<usize>,
    /// For the whole scope, in words; empty where each group has its own choice.
    pub reason: String,
}

/// Chooses among `names`; `scores[group][candidate]` is missing where that fit gave none. A group
/// without any score takes what serves most of the others.
#[must_use]
pub fn choose(
    criterion: Criterion,
    per: ChoicePer,
    names: &[&str],
    scores: &[Vec<Option<f64>>],
) -> Choice {
    let totals = totals(names.len(), scores);
    let common = least(&totals).unwrap_or(0);
    match per {
        ChoicePer::Scope => Choice {
            chosen: vec![common; scores.len()],
            reason: told(criterion, names, &totals, common, n_comparable(scores)),
        },
        ChoicePer::Group => Choice {
            chosen: scores.iter().map(|of| least(of).unwrap_or(common)).collect(),
            reason: String::new(),
        },
    }
}

/// Sums over the groups in which every candidate has a score: others would favour who failed.
fn totals(n_candidates: usize, scores: &[Vec<Option<f64>>]) -> Vec<Option<f64>> {
    let whole = || scores.iter().filter(|of| is_whole(of));
    if whole().next().is_none() {
        // No group can compare all: the candidate that most groups could fit, the simplest first.
        let n_fits =
            |j: usize| scores.iter().filter(move |of| of.get(j).is_some_and(Option::is_some));
        return (0..n_candidates).map(|j| Some(-(n_fits(j).count() as f64))).collect();
    }
    (0..n_candidates)
        .map(|j| Some(whole().filter_map(|of| of[j]).sum::<f64>()).filter(|sum| sum.is_finite()))
        .collect()
}

fn is_whole(of: &[Option<f64>]) -> bool {
    of.iter().all(|score| score.is_some_and(f64::is_finite))
}

fn n_comparable(scores: &[Vec<Option<f64>>]) -> usize {
    scores.iter().filter(|of| is_whole(of)).count()
}

/// The candidate of the least score; the first of equals.
fn least(scores: &[Option<f64>]) -> Option<usize> {
    let known = scores.iter().enumerate().filter_map(|(j, score)| Some((j, (*score)?)));
    let known = known.filter(|(_, score)| score.is_finite());
    known.reduce(|best, next| if next.1 < best.1 { next } else { best }).map(|(j, _)| j)
}

fn told(
    criterion: Criterion,
    names: &[&str],
    totals: &[Option<f64>],
    chosen: usize,
    n_groups: usize,
) -> String {
    let name = names.get(chosen).copied().unwrap_or_default();
    if n_groups == 0 {
        return format!("`{name}` was chosen: no group has enough records to compare the models");
    }
    let best = totals.get(chosen).copied().flatten().unwrap_or_default();
    let mut others: Vec<(f64, &str)> = (totals.iter().zip(names).enumerate())
        .filter(|(j, _)| *j != chosen)
        .filter_map(|(_, (total, name))| Some(((*total)? - best, *name)))
        .collect();
    others.sort_by(|a, b| a.0.total_cmp(&b.0));
    let others: Vec<String> =
        others.iter().map(|(more, name)| format!("`{name}` {more:+.1}")).collect();
    let criterion = criterion.as_str();
    format!(
        "`{name}` was chosen by {criterion} over {n_groups} groups; the others: {}",
        if others.is_empty() { "none".to_owned() } else { others.join(", ") }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["sqrt", "kwh", "kwh_intercept"];

    fn check(per: ChoicePer, scores: &[[Option<f64>; 3]], chosen: &[usize], reason: &str) {
        let scores: Vec<Vec<Option<f64>>> = scores.iter().map(|of| of.to_vec()).collect();
        let expected = Choice { chosen: chosen.to_vec(), reason: reason.to_owned() };
        assert_eq!(choose(Criterion::Bic, per, &NAMES, &scores), expected);
    }

    #[test]
    fn the_scope_takes_the_least_sum() {
        check(
            ChoicePer::Scope,
            &[[Some(10.0), Some(4.0), Some(5.0)], [Some(10.0), Some(9.0), Some(1.0)]],
            &[2, 2],
            "`kwh_intercept` was chosen by bic over 2 groups; the others: `kwh` +7.0, `sqrt` +14.0",
        );
    }

    #[test]
    fn the_simpler_model_wins_a_tie() {
        let reason = "`sqrt` was chosen by bic over 1 groups; the others: `kwh` +0.0, \
                      `kwh_intercept` +0.0";
        check(ChoicePer::Scope, &[[Some(1.0); 3]], &[0], reason);
    }

    #[test]
    fn a_group_in_which_a_model_failed_does_not_count_for_the_scope() {
        check(
            ChoicePer::Scope,
            &[[Some(1.0), Some(2.0), Some(3.0)], [Some(9.0), Some(-90.0), None]],
            &[0, 0],
            "`sqrt` was chosen by bic over 1 groups; the others: `kwh` +1.0, `kwh_intercept` +2.0",
        );
        check(
            ChoicePer::Scope,
            &[[Some(1.0), Some(2.0), None]],
            &[0],
            "`sqrt` was chosen: no group has enough records to compare the models",
        );
    }

    #[test]
    fn groups_may_choose_for_themselves() {
        check(
            ChoicePer::Group,
            &[
                [Some(1.0), Some(2.0), Some(3.0)],
                [Some(3.0), Some(2.0), None],
                [None, None, None],
                [Some(f64::INFINITY), Some(5.0), Some(4.0)],
            ],
            &[0, 1, 0, 2],
            "",
        );
    }
}
