//! The groups of a set as a table: what an operator looks at.
//!
//! On a terminal every group is one line, however narrow: columns that matter less are left out, long
//! names are cut, and what a group has to say stands below it. In a pipe nothing is cut.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::numbers::{count, figure, percent};
use super::table::{self, Align};
use crate::domain::{GroupRow, ParameterRow, ParameterSet, ParameterStatus};

/// How much of each group is shown, the most first.
#[derive(Debug, Clone, Copy)]
struct Detail {
    std_errors: bool,
    mae: bool,
    share: bool,
}

const DETAILS: [Detail; 4] = [
    Detail { std_errors: true, mae: true, share: true },
    Detail { std_errors: false, mae: true, share: true },
    Detail { std_errors: false, mae: false, share: true },
    Detail { std_errors: false, mae: false, share: false },
];

/// Columns of the terminal that a name should have before anything else is given up for it.
const NAME_CHARS: usize = 18;

/// A row per group. `width` is that of the terminal; without it every group is one line with its
/// message at the end.
pub(super) fn table(set: &ParameterSet, width: Option<u16>) -> String {
    let mut parameters: BTreeMap<_, Vec<&ParameterRow>> = BTreeMap::new();
    for row in &set.parameters {
        parameters.entry(&row.key).or_default().push(row);
    }
    let names = shown_parameters(set);
    let cells = |detail: Detail| -> (Vec<&str>, Vec<Vec<String>>) {
        let rows = set.groups.iter().map(|group| {
            let own = parameters.get(&group.key).map_or(&[][..], Vec::as_slice);
            cells(group, own, &names, detail)
        });
        (headers(&names, detail), rows.collect())
    };
    let Some(width) = width else {
        let (mut headers, mut rows) = cells(DETAILS[0]);
        headers.push("message");
        for (row, group) in rows.iter_mut().zip(&set.groups) {
            row.push(group.message.clone());
        }
        return table::render(&headers, &rows, &alignments(headers.len(), 2), None);
    };
    let longest = set.groups.iter().map(|g| g.key.to_string().chars().count()).max();
    // The header wants its room too, else it would take two lines.
    let room = longest.unwrap_or(0).clamp("group".len(), NAME_CHARS);
    let fits = |(headers, rows): &(Vec<&str>, Vec<Vec<String>>)| {
        table::room_for_first(headers, rows, width) >= room
    };
    let mut shown = DETAILS.into_iter().map(cells);
    let least = DETAILS[DETAILS.len() - 1];
    let (headers, rows) = shown.find(fits).unwrap_or_else(|| cells(least));
    let notes: Vec<&str> = set.groups.iter().map(|group| group.message.as_str()).collect();
    table::render_with_notes(&headers, &rows, &alignments(headers.len(), 1), &notes, width)
}

fn headers<'a>(names: &'a [(&str, Cow<'_, str>)], detail: Detail) -> Vec<&'a str> {
    let mut headers = vec!["group", "n"];
    headers.extend(names.iter().map(|(_, header)| &**header));
    headers.extend(detail.mae.then_some("MAE s"));
    headers.extend(detail.share.then_some("<p90"));
    headers.push("outcome");
    headers
}

fn cells(
    group: &GroupRow,
    parameters: &[&ParameterRow],
    names: &[(&str, Cow<'_, str>)],
    detail: Detail,
) -> Vec<String> {
    let mut row = vec![group.key.to_string(), count(group.n_used)];
    row.extend(names.iter().map(|(name, _)| {
        let parameter = parameters.iter().find(|p| p.name == *name);
        parameter.map_or_else(String::new, |p| told(p, detail.std_errors))
    }));
    if detail.mae {
        row.push(group.mae_s.map_or_else(String::new, |mae| format!("{mae:.0}")));
    }
    if detail.share {
        row.push(group.share_under_p90.map_or_else(String::new, percent));
    }
    row.push(group.outcome.to_string());
    row
}

/// The first column to the left, numbers to the right, the last `n_texts` to the left.
fn alignments(n_columns: usize, n_texts: usize) -> Vec<Align> {
    let mut alignments = vec![Align::Left];
    alignments.resize(n_columns.saturating_sub(n_texts), Align::Right);
    alignments
}

/// Headers of the parameters that every set may have.
const HEADERS: [(&str, &str); 7] = [
    ("intercept_min", "t0 min"),
    ("acceleration_km_min2", "a km/min²"),
    ("cruise_speed_kmh", "v km/h"),
    ("power_coefficient", "k"),
    ("power_exponent", "p"),
    ("sqrt_coefficient_min", "k min/√km"),
    ("sigma_log", "σ"),
];

/// The short name of a parameter in tables; `None` where it has none.
pub(super) fn label(name: &str) -> Option<Cow<'static, str>> {
    let known = HEADERS.into_iter().find(|(known, _)| *known == name);
    known.map(|(_, header)| Cow::Borrowed(header)).or_else(|| named_header(name).map(Cow::Owned))
}

/// The parameters that occur, with the headers of their columns: those that every set may have,
/// then speeds by class of road and factors, in the order of the set.
fn shown_parameters(set: &ParameterSet) -> Vec<(&str, Cow<'_, str>)> {
    let occurs = |name: &str| set.parameters.iter().any(|p| p.name == name);
    let known = HEADERS.into_iter().filter(|(name, _)| occurs(name));
    let mut shown: Vec<(&str, Cow<'_, str>)> =
        known.map(|(name, header)| (name, Cow::Borrowed(header))).collect();
    for parameter in &set.parameters {
        let name = parameter.name.as_str();
        if shown.iter().all(|(other, _)| *other != name)
            && let Some(header) = named_header(name)
        {
            shown.push((name, Cow::Owned(header)));
        }
    }
    shown
}

/// The header of a parameter whose name comes from the records or the settings.
fn named_header(name: &str) -> Option<String> {
    let speed = name.strip_prefix("class_speed_").and_then(|rest| rest.strip_suffix("_kmh"));
    speed
        .map(|class| format!("{class} km/h"))
        .or_else(|| name.strip_prefix("factor_").map(|level| format!("× {level}")))
}

/// Value, with ± standard error if wanted; a value that the records do not tell stands in
/// parentheses.
fn told(parameter: &ParameterRow, with_error: bool) -> String {
    let value = figure(parameter.estimate);
    match (parameter.status, parameter.std_error) {
        (ParameterStatus::NotIdentified, _) => format!("({value})"),
        (_, Some(error)) if with_error => {
            let digits = decimals(&value);
            format!("{value} ±{error:.digits$}")
        }
        _ => value,
    }
}

fn decimals(figure: &str) -> usize {
    figure.split_once('.').map_or(0, |(_, decimals)| decimals.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{GroupDetail, GroupKey, GroupOutcome, SourceLevel, Verdict};

    fn group(region: &str, message: &str) -> GroupRow {
        GroupRow {
            key: GroupKey::region(region),
            model: "kwh".to_owned(),
            loss: "least_squares".to_owned(),
            outcome: GroupOutcome::Fitted,
            source_level: SourceLevel::Group,
            n_read: 12_034,
            n_refused: 0,
            n_used: 12_034,
            termination: "cost_converged".to_owned(),
            iterations: 9,
            ssr_log: None,
            rmse_log: None,
            mae_s: Some(61.0),
            median_ape: None,
            share_under_p90: Some(0.9),
            condition: None,
            verdict: Verdict::Publish,
            message: message.to_owned(),
            detail: GroupDetail::default(),
        }
    }

    fn parameter(region: &str, name: &str, estimate: f64, status: ParameterStatus) -> ParameterRow {
        ParameterRow {
            key: GroupKey::region(region),
            name: name.to_owned(),
            unit: String::new(),
            estimate,
            std_error: Some(0.5),
            ci_low: None,
            ci_high: None,
            raw_estimate: None,
            pool_weight: None,
            status,
        }
    }

    fn set() -> ParameterSet {
        let long = "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch";
        let told = "cruise_speed_kmh: no trip is long enough to reach cruise speed (longest 9.3289 km); \
                    the value is the speed reached there";
        let ok = ParameterStatus::Ok;
        let region = |region: &str, cruise| {
            [
                parameter(region, "intercept_min", 1.139, ok),
                parameter(region, "acceleration_km_min2", 0.3888, ok),
                parameter(region, "cruise_speed_kmh", 114.3, cruise),
                parameter(region, "sigma_log", 0.3173, ok),
            ]
        };
        ParameterSet {
            groups: vec![group("A", ""), group("Nørrebro", told), group(long, "")],
            parameters: [
                region("A", ok),
                region("Nørrebro", ParameterStatus::NotIdentified),
                region(long, ok),
            ]
            .concat(),
            ..ParameterSet::default()
        }
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        insta::assert_snapshot!(table(&set(), Some(120)), @r"
        group                                n        t0 min       a km/min²      v km/h               σ  MAE s    <p90  outcome
        A                               12 034  1.139 ±0.500  0.3888 ±0.5000  114.3 ±0.5  0.3173 ±0.5000     61  90.0 %  fitted
        Nørrebro                        12 034  1.139 ±0.500  0.3888 ±0.5000     (114.3)  0.3173 ±0.5000     61  90.0 %  fitted
            cruise_speed_kmh: no trip is long enough to reach cruise speed (longest 9.3289 km); the value is the speed reached
            there
        Llanfairpwllgwyngyllgogerychw…  12 034  1.139 ±0.500  0.3888 ±0.5000  114.3 ±0.5  0.3173 ±0.5000     61  90.0 %  fitted
            Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch
        ");
    }

    #[test]
    fn short_names_leave_the_header_whole() {
        let mut set = set();
        set.groups.truncate(1);
        for width in [75, 76, 77, 78, 79, 80] {
            let shown = table(&set, Some(width));
            assert_eq!(shown.lines().count(), 2, "{width}: {shown}");
            assert!(shown.starts_with("group "), "{width}: {shown}");
        }
    }

    #[test]
    fn a_terminal_of_80_columns_leaves_out_what_matters_less() {
        let shown = table(&set(), Some(80));
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        insta::assert_snapshot!(shown, @r"
        group                     n  t0 min  a km/min²   v km/h       σ    <p90  outcome
        A                    12 034   1.139     0.3888    114.3  0.3173  90.0 %  fitted
        Nørrebro             12 034   1.139     0.3888  (114.3)  0.3173  90.0 %  fitted
            cruise_speed_kmh: no trip is long enough to reach cruise speed (longest
            9.3289 km); the value is the speed reached there
        Llanfairpwllgwyngy…  12 034   1.139     0.3888    114.3  0.3173  90.0 %  fitted
            Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch
        ");
    }

    #[test]
    fn a_pipe_gets_a_line_per_group_and_nothing_is_cut() {
        let shown = table(&set(), None);
        assert_eq!(shown.lines().count(), 4, "{shown}");
        assert!(shown.contains("gogogoch") && shown.contains("reached there"), "{shown}");
    }
}
