//! Finds what a misspelt name was meant to be.

/// The candidate nearest to `name`, where one is near enough to be meant: at most a third of its
/// characters differ, as in clap's and cargo's suggestions.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (n_edits(name, candidate), candidate))
        .filter(|(n_edits, _)| *n_edits <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal
/// string alignment distance).
fn n_edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                table[i][j] = i + j;
                continue;
            }
            let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(table[i - 2][j - 2] + 1);
            }
            table[i][j] = best;
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        let check = |a: &str, b: &str, expected: usize| assert_eq!(n_edits(a, b), expected);
        check("", "", 0);
        check("", "abc", 3);
        check("kitten", "sitting", 3);
        check("modle", "model", 1);
        check("fit.model", "fit.model", 0);
    }

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["fit.model", "fit.workers", "log.level"];
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(nearest(name, names.into_iter()), expected, "{name}");
        };
        check("fit.modle", Some("fit.model"));
        check("fit.worker", Some("fit.workers"));
        check("something.else", None);
        check("", None);
    }
}
