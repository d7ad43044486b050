//! The ladder: which level serves a group whose own records are too few.
//!
//! Group → region → parent → all → the RAND/ISO standard line (`simulate::published::RAND_ISO`),
//! which needs no records. A pure function of counts; knows no estimates.

use std::fmt;

/// A rung of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceLevel {
    /// The group itself.
    Group,
    /// All groups of its region.
    Region,
    /// All regions of its parent region.
    Parent,
    /// Everything.
    All,
    /// The RAND/ISO line.
    Standard,
}

impl SourceLevel {
    /// The name in tables and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Region => "region",
            Self::Parent => "parent",
            Self::All => "all",
            Self::Standard => "standard",
        }
    }

    /// The level in words.
    fn phrase(self) -> &'static str {
        match self {
            Self::Group => "the group",
            Self::Region => "its region",
            Self::Parent => "its parent region",
            Self::All => "everything together",
            Self::Standard => "the RAND/ISO standard line",
        }
    }
}

impl fmt::Display for SourceLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What stands on a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// Which one.
    pub level: SourceLevel,
    /// Records that it stands on.
    pub n_records: u64,
    /// Whether its fit tells every parameter.
    pub is_told: bool,
}

/// The rung that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Which one.
    pub level: SourceLevel,
    /// Records that it stands on.
    pub n_records: u64,
    /// Why not a nearer one; empty where the group serves itself.
    pub reason: String,
}

/// The nearest rung with at least `min_records` records and a fit that tells every parameter; the
/// standard line where there is none. Rungs that do not exist (no parent region) are left out; the
/// order given does not matter.
#[must_use]
pub fn serve(rungs: &[Rung], min_records: u64) -> Served {
    let mut climbed = rungs.to_vec();
    climbed.sort_unstable_by_key(|rung| rung.level);
    let mut reasons = Vec::new();
    for rung in climbed {
        let lack = lack(&rung, min_records);
        if rung.level == SourceLevel::Standard || lack.is_empty() {
            return Served {
                level: rung.level,
                n_records: rung.n_records,
                reason: in_words(&reasons, rung.level),
            };
        }
        reasons.push(format!("{} {lack}", rung.level.phrase()));
    }
    let level = SourceLevel::Standard;
    Served { level, n_records: 0, reason: in_words(&reasons, level) }
}

fn lack(rung: &Rung, min_records: u64) -> String {
    if rung.n_records == 0 {
        "has no records".to_owned()
    } else if rung.n_records < min_records {
        let noun = if rung.n_records == 1 { "record" } else { "records" };
        format!("has {} {noun}, fewer than {min_records}", rung.n_records)
    } else if rung.is_told {
        String::new()
    } else {
        "leaves a parameter open".to_owned()
    }
}

fn in_words(reasons: &[String], level: SourceLevel) -> String {
    if reasons.is_empty() {
        return String::new();
    }
    format!("{}: {} serves", reasons.join(", "), level.phrase())
}

#[cfg(test)]
mod tests {
    use super::SourceLevel::{All, Group, Parent, Region, Standard};
    use super::*;

    fn check(rungs: &[(SourceLevel, u64, bool)], expected: (SourceLevel, u64, &str)) {
        let rungs: Vec<Rung> = (rungs.iter())
            .map(|&(level, n_records, is_told)| Rung { level, n_records, is_told })
            .collect();
        let served = serve(&rungs, 40);
        assert_eq!((served.level, served.n_records, served.reason.as_str()), expected);
    }

    #[test]
    fn the_nearest_rung_that_holds_serves() {
        check(&[(Group, 40, true), (All, 900, true)], (Group, 40, ""));
        check(
            &[(Group, 39, true), (Region, 41, true), (All, 900, true)],
            (Region, 41, "the group has 39 records, fewer than 40: its region serves"),
        );
        check(
            &[(All, 900, true), (Parent, 300, false), (Region, 1, true), (Group, 0, false)],
            (
                All,
                900,
                "the group has no records, its region has 1 record, fewer than 40, its parent \
                 region leaves a parameter open: everything together serves",
            ),
        );
    }

    #[test]
    fn the_standard_line_is_the_last() {
        check(&[], (Standard, 0, ""));
        check(
            &[(Group, 0, false), (All, 0, false)],
            (
                Standard,
                0,
                "the group has no records, everything together has no records: the RAND/ISO \
                 standard line serves",
            ),
        );
    }
}
