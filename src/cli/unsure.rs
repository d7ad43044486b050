//! What of a set is worth a look: parameters that stand less firm than the others.

use std::collections::BTreeMap;

use serde::Serialize;

use super::table::field;
use crate::domain::{ParameterSet, ParameterStatus};

/// Groups that are named; `speedfit show current` has them all.
const MAX_NAMES: usize = 3;

/// The groups in which a parameter has a status.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Unsure {
    parameter: String,
    status: ParameterStatus,
    n_groups: usize,
    /// Some of the groups.
    groups: Vec<String>,
}

/// What a set holds of each status that says not to rely on the value, by parameter.
pub(super) fn unsure(set: &ParameterSet) -> Vec<Unsure> {
    let mut found: BTreeMap<(ParameterStatus, &str), Vec<String>> = BTreeMap::new();
    let statuses =
        [ParameterStatus::NotIdentified, ParameterStatus::Imprecise, ParameterStatus::AtBound];
    for row in set.parameters.iter().filter(|row| statuses.contains(&row.status)) {
        found.entry((row.status, &row.name)).or_default().push(row.key.to_string());
    }
    let found = found.into_iter().map(|((status, parameter), mut groups)| {
        let n_groups = groups.len();
        groups.truncate(MAX_NAMES);
        Unsure { parameter: parameter.to_owned(), status, n_groups, groups }
    });
    found.collect()
}

/// A line for each.
pub(super) fn lines(all: &[Unsure], width: Option<u16>) -> String {
    let line = |Unsure { parameter, status, n_groups, groups }: &Unsure| {
        let plural = if *n_groups == 1 { "group" } else { "groups" };
        let more = if *n_groups > groups.len() { ", …" } else { "" };
        let names = groups.join(", ");
        field("look", &format!("{parameter} {status} in {n_groups} {plural}: {names}{more}"), width)
    };
    all.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{GroupKey, ParameterRow};

    #[test]
    fn what_is_not_firm_is_counted_and_named() {
        let row = |region: &str, name: &str, status| ParameterRow {
            key: GroupKey::region(region),
            name: name.to_owned(),
            unit: String::new(),
            estimate: 1.0,
            std_error: None,
            ci_low: None,
            ci_high: None,
            raw_estimate: None,
            pool_weight: None,
            status,
        };
        let speed = "cruise_speed_kmh";
        let mut rows: Vec<ParameterRow> = ["Barnet", "Bexley", "Brent", "Bromley"]
            .map(|region| row(region, speed, ParameterStatus::Imprecise))
            .to_vec();
        rows.push(row("Ealing", speed, ParameterStatus::NotIdentified));
        rows.push(row("Ealing", "acceleration_km_min2", ParameterStatus::Ok));
        rows.push(row("Enfield", speed, ParameterStatus::Pooled));
        let set = ParameterSet { parameters: rows, ..ParameterSet::default() };
        insta::assert_snapshot!(lines(&unsure(&set), Some(80)), @r"
        look      cruise_speed_kmh not_identified in 1 group: Ealing
        look      cruise_speed_kmh imprecise in 4 groups: Barnet, Bexley, Brent, …
        ");
        assert!(unsure(&ParameterSet::default()).is_empty());
    }
}
