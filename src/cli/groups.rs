//! The groups of a set as a table: what an operator looks at.
//!
//! On a terminal every group is one line, however narrow: columns that matter less are left out, long
//! names are cut, and what a group has to say stands below it. In a pipe nothing is cut.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::numbers::{count, figure, interval, percent};
use super::table::{self, Align, UNBROKEN};
use crate::domain::{GroupRow, ParameterRow, ParameterSet, ParameterStatus};

/// Where intervals stand: they are never left out, since values alone all look equally firm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intervals {
    /// Each beside its value.
    Beside,
    /// The same, but for that of the spread, which the number of records makes narrow.
    BesideButSpread,
    /// All on the line below.
    Below,
}

/// How much of each group is shown, the most first.
#[derive(Debug, Clone, Copy)]
struct Detail {
    intervals: Intervals,
    mae: bool,
    share: bool,
}

const DETAILS: [Detail; 7] = [
    Detail { intervals: Intervals::Beside, mae: true, share: true },
    Detail { intervals: Intervals::Beside, mae: false, share: true },
    Detail { intervals: Intervals::Beside, mae: false, share: false },
    Detail { intervals: Intervals::BesideButSpread, mae: false, share: false },
    Detail { intervals: Intervals::Below, mae: true, share: true },
    Detail { intervals: Intervals::Below, mae: false, share: true },
    Detail { intervals: Intervals::Below, mae: false, share: false },
];

/// The parameter whose interval matters least.
const SPREAD: &str = "sigma_log";

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
    let own = |group: &GroupRow| parameters.get(&group.key).map_or(&[][..], Vec::as_slice);
    let cells = |detail: Detail| -> (Detail, Vec<&str>, Vec<Vec<String>>) {
        let rows = set.groups.iter().map(|group| cells(group, own(group), &names, detail));
        (detail, headers(&names, detail), rows.collect())
    };
    let Some(width) = width else {
        let (_, mut headers, mut rows) = cells(DETAILS[0]);
        headers.push("message");
        for (row, group) in rows.iter_mut().zip(&set.groups) {
            row.push(group.message.clone());
        }
        return table::render(&headers, &rows, &alignments(headers.len(), 2), None);
    };
    let longest = set.groups.iter().map(|g| g.key.to_string().chars().count()).max();
    // The header wants its room too, else it would take two lines.
    let room = longest.unwrap_or(0).clamp("group".len(), NAME_CHARS);
    let fits = |(_, headers, rows): &(Detail, Vec<&str>, Vec<Vec<String>>)| {
        table::room_for_first(headers, rows, width) >= room
    };
    let mut shown = DETAILS.into_iter().map(cells);
    let least = DETAILS[DETAILS.len() - 1];
    let (detail, headers, rows) = shown.find(fits).unwrap_or_else(|| cells(least));
    let notes: Vec<String> = set
        .groups
        .iter()
        .map(|group| match detail.intervals {
            Intervals::Below => note(&intervals(own(group), &names), &group.message),
            Intervals::Beside | Intervals::BesideButSpread => group.message.clone(),
        })
        .collect();
    let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
    let mut text =
        table::render_with_notes(&headers, &rows, &alignments(headers.len(), 1), &notes, width);
    text.push_str(&legend(set, width));
    text
}

/// All intervals of a group by the short names of the parameters: `a 0.33–0.46, v 98–133`.
fn intervals(parameters: &[&ParameterRow], names: &[(&str, Cow<'_, str>)]) -> String {
    let told = names.iter().filter_map(|(name, header)| {
        let row = parameters.iter().find(|p| p.name == *name)?;
        let units = [" min/√km", " km/min²", " km/h", " min"];
        let short = units.into_iter().find_map(|unit| header.strip_suffix(unit));
        let text = format!("{} {}", short.unwrap_or(header), interval_of(row)?);
        Some(text.replace(' ', &UNBROKEN.to_string()))
    });
    told.collect::<Vec<_>>().join(", ")
}

fn note(intervals: &str, message: &str) -> String {
    let parts = [intervals, message].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("; ")
}

/// What the marks mean that occur, on lines of their own; empty where none does.
fn legend(set: &ParameterSet, width: u16) -> String {
    let occurs = |holds: &dyn Fn(&ParameterRow) -> bool| set.parameters.iter().any(holds);
    let marks = [
        (occurs(&|p| interval_of(p).is_some()), "± and –: interval of `fit.confidence`"),
        (occurs(&|p| p.status == ParameterStatus::NotIdentified), "(x): not identified"),
        (occurs(&|p| p.status == ParameterStatus::Imprecise), "~x: imprecise"),
    ];
    let told: Vec<&str> = marks.into_iter().filter(|(occurs, _)| *occurs).map(|m| m.1).collect();
    if told.is_empty() { String::new() } else { table::wrapped(&told.join("; "), 0, width) }
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
        let beside = match detail.intervals {
            Intervals::Beside => true,
            Intervals::BesideButSpread => *name != SPREAD,
            Intervals::Below => false,
        };
        parameter.map_or_else(String::new, |p| told(p, beside))
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

/// Value, with its interval if wanted.
fn told(parameter: &ParameterRow, with_interval: bool) -> String {
    let value = marked(figure(parameter.estimate), parameter.status);
    match interval_of(parameter).filter(|_| with_interval) {
        Some(interval) => format!("{value} {interval}"),
        None => value,
    }
}

/// In parentheses where the records do not tell the value, behind `~` where it is imprecise.
pub(super) fn marked(value: String, status: ParameterStatus) -> String {
    match status {
        ParameterStatus::NotIdentified => format!("({value})"),
        ParameterStatus::Imprecise => format!("~{value}"),
        _ => value,
    }
}

fn interval_of(row: &ParameterRow) -> Option<String> {
    interval(row.estimate, row.ci_low, row.ci_high)
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

    /// With a factor of an interval to both sides, or a width that is the same to both.
    fn parameter(region: &str, name: &str, estimate: f64, status: ParameterStatus) -> ParameterRow {
        let factor = match (name, status) {
            (_, ParameterStatus::NotIdentified) => None,
            (_, ParameterStatus::Imprecise) => Some(5_800.0),
            ("sigma_log", _) => Some(1.055),
            _ => Some(1.17),
        };
        let is_even = name == "intercept_min";
        let low = |factor: f64| if is_even { estimate - 0.35 } else { estimate / factor };
        let high = |factor: f64| if is_even { estimate + 0.35 } else { estimate * factor };
        ParameterRow {
            key: GroupKey::region(region),
            name: name.to_owned(),
            unit: String::new(),
            estimate,
            std_error: factor.map(|_| 0.5),
            ci_low: factor.map(low),
            ci_high: factor.map(high),
            raw_estimate: None,
            pool_weight: None,
            status,
        }
    }

    const LONG: &str = "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch";

    fn set(names: &[(&str, f64)]) -> ParameterSet {
        let told = "cruise_speed_kmh: no trip is long enough to reach cruise speed (longest 9.3289 km); \
                    the value is the speed reached there";
        let regions = [
            ("A", ParameterStatus::Ok, ""),
            ("Nørrebro", ParameterStatus::NotIdentified, told),
            ("Redbridge", ParameterStatus::Imprecise, "imprecise: cruise_speed_kmh"),
            (LONG, ParameterStatus::Ok, ""),
        ];
        let rows = regions.iter().flat_map(|&(region, cruise, _)| {
            names.iter().map(move |&(name, estimate)| {
                let is_speed = name == "cruise_speed_kmh";
                let status = if is_speed { cruise } else { ParameterStatus::Ok };
                parameter(region, name, estimate, status)
            })
        });
        ParameterSet {
            parameters: rows.collect(),
            groups: regions.map(|(region, _, message)| group(region, message)).to_vec(),
            ..ParameterSet::default()
        }
    }

    const KWH: [(&str, f64); 3] =
        [("acceleration_km_min2", 0.3888), ("cruise_speed_kmh", 74.66), ("sigma_log", 0.3173)];
    const KWH_INTERCEPT: [(&str, f64); 4] = [("intercept_min", 1.139), KWH[0], KWH[1], KWH[2]];

    #[test]
    fn a_wide_terminal_shows_everything() {
        insta::assert_snapshot!(table(&set(&KWH_INTERCEPT), Some(130)), @r"
        group                                     n      t0 min         a km/min²            v km/h              σ  MAE s    <p90  outcome
        A                                    12 034  1.139 ±0.3  0.3888 0.33–0.45       74.66 64–87  0.3173 ±0.017     61  90.0 %  fitted
        Nørrebro                             12 034  1.139 ±0.3  0.3888 0.33–0.45           (74.66)  0.3173 ±0.017     61  90.0 %  fitted
            cruise_speed_kmh: no trip is long enough to reach cruise speed (longest 9.3289 km); the value is the speed reached there
        Redbridge                            12 034  1.139 ±0.3  0.3888 0.33–0.45  ~74.66 0.013–4e5  0.3173 ±0.017     61  90.0 %  fitted
            imprecise: cruise_speed_kmh
        Llanfairpwllgwyngyllgogerychwyrndr…  12 034  1.139 ±0.3  0.3888 0.33–0.45       74.66 64–87  0.3173 ±0.017     61  90.0 %  fitted
            Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch
        ± and –: interval of `fit.confidence`; (x): not identified; ~x: imprecise
        ");
    }

    #[test]
    fn a_terminal_of_80_columns_keeps_the_intervals() {
        let shown = table(&set(&KWH), Some(80));
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        insta::assert_snapshot!(shown, @r"
        group                     n         a km/min²            v km/h       σ  outcome
        A                    12 034  0.3888 0.33–0.45       74.66 64–87  0.3173  fitted
        Nørrebro             12 034  0.3888 0.33–0.45           (74.66)  0.3173  fitted
            cruise_speed_kmh: no trip is long enough to reach cruise speed (longest
            9.3289 km); the value is the speed reached there
        Redbridge            12 034  0.3888 0.33–0.45  ~74.66 0.013–4e5  0.3173  fitted
            imprecise: cruise_speed_kmh
        Llanfairpwllgwyngy…  12 034  0.3888 0.33–0.45       74.66 64–87  0.3173  fitted
            Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch
        ± and –: interval of `fit.confidence`; (x): not identified; ~x: imprecise
        ");
    }

    #[test]
    fn what_does_not_fit_beside_the_values_stands_below() {
        let shown = table(&set(&KWH_INTERCEPT), Some(80));
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        insta::assert_snapshot!(shown, @r"
        group                     n  t0 min  a km/min²   v km/h       σ    <p90  outcome
        A                    12 034   1.139     0.3888    74.66  0.3173  90.0 %  fitted
            t0 ±0.3, a 0.33–0.45, v 64–87, σ ±0.017
        Nørrebro             12 034   1.139     0.3888  (74.66)  0.3173  90.0 %  fitted
            t0 ±0.3, a 0.33–0.45, σ ±0.017; cruise_speed_kmh: no trip is long enough to
            reach cruise speed (longest 9.3289 km); the value is the speed reached there
        Redbridge            12 034   1.139     0.3888   ~74.66  0.3173  90.0 %  fitted
            t0 ±0.3, a 0.33–0.45, v 0.013–4e5, σ ±0.017; imprecise: cruise_speed_kmh
        Llanfairpwllgwyngy…  12 034   1.139     0.3888    74.66  0.3173  90.0 %  fitted
            Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch
            t0 ±0.3, a 0.33–0.45, v 64–87, σ ±0.017
        ± and –: interval of `fit.confidence`; (x): not identified; ~x: imprecise
        ");
    }

    #[test]
    fn intervals_are_never_left_out() {
        for names in [&KWH[..], &KWH_INTERCEPT[..]] {
            for width in 20..200 {
                let shown = table(&set(names), Some(width));
                assert!(shown.contains("0.33–0.45") && shown.contains("64–87"), "{width}: {shown}");
            }
        }
    }

    #[test]
    fn short_names_leave_the_header_whole() {
        let mut set = set(&KWH);
        set.groups.truncate(1);
        set.parameters.truncate(3);
        for width in [75, 76, 77, 78, 79, 80] {
            let shown = table(&set, Some(width));
            assert_eq!(shown.lines().count(), 3, "{width}: {shown}");
            assert!(shown.starts_with("group "), "{width}: {shown}");
        }
    }

    #[test]
    fn a_pipe_gets_a_line_per_group_and_nothing_is_cut() {
        let shown = table(&set(&KWH_INTERCEPT), None);
        assert_eq!(shown.lines().count(), 5, "{shown}");
        assert!(shown.contains("gogogoch") && shown.contains("reached there"), "{shown}");
        assert!(shown.contains("~74.66 0.013–4e5"), "{shown}");
    }
}
