//! `speedfit diff`: two sets side by side, what matters most first.

use anyhow::anyhow;
use clap::Args;

use super::context::Context;
use super::error::{Failure, Hinted};
use super::exit::Exit;
use super::groups;
use super::numbers::figure;
use super::pick::{RunChoice, open_store, pick_run, store_failure};
use super::table::{self, Align, UNBROKEN, field};
use crate::domain::{ParameterSet, RunId};
use crate::job::diff::{Change, Effect, GroupDiff, ParameterDiff, SetDiff, Value, compare};
use crate::job::history::previous;
use crate::ports::Store;

/// Show what changed between two sets: by how many standard errors, and what it does to the times
/// that 9 of 10 trips take at 2 and 5 km.
///
/// Without a run: the current set against the one before. With one: what would change if its set
/// became current. SE are standard errors of the change; a value in parentheses is one that the
/// records do not tell, one after `~` is imprecise. Where a model tells classes of road apart, a trip is in equal parts on each;
/// where there are factors, it is at their reference level.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Number of the run, `current` or `last`; of two, the first is the earlier one.
    #[arg(value_name = "RUN", num_args = 0..=2)]
    runs: Vec<RunChoice>,

    /// Groups that are shown at the most; 0 shows all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    let (store, scope) = (open_store(&loaded).await?, loaded.settings.scope.as_str());
    let pick = async |choice| Ok::<_, anyhow::Error>(pick_run(&*store, scope, choice).await?.id);
    let (before, after) = match options.runs[..] {
        [] => {
            let current = pick(RunChoice::Current).await?;
            (before_current(&*store, scope).await?, current)
        }
        [run] => (pick(RunChoice::Current).await?, pick(run).await?),
        [first, second, ..] => (pick(first).await?, pick(second).await?),
    };
    let diff = compare(&set(&*store, before).await?, &set(&*store, after).await?);
    if context.json() {
        context.print_json(&diff)?;
    } else {
        let limit = if options.limit == 0 { usize::MAX } else { options.limit };
        context.print(&text(&diff, limit, context.width()))?;
    }
    Ok(Exit::Done)
}

/// The run that a rollback would go back to.
async fn before_current(store: &dyn Store, scope: &str) -> anyhow::Result<RunId> {
    let publications = store.publications(scope, 0).await.map_err(store_failure)?;
    let kept = store.sets(scope).await.map_err(store_failure)?;
    previous(&publications, &kept).ok_or_else(|| {
        let what = anyhow!("of the sets that were current before, none is kept");
        let hint = "`speedfit diff RUN RUN` compares any two; `speedfit runs` lists them";
        Hinted::new(hint, Failure::new(Exit::Refused, what)).into()
    })
}

/// A set that is there.
async fn set(store: &dyn Store, run_id: RunId) -> anyhow::Result<ParameterSet> {
    let set = store.parameter_set(run_id).await.map_err(store_failure)?;
    set.filter(|set| !set.parameters.is_empty()).ok_or_else(|| {
        let what = anyhow!("run {run_id} has no parameters: it ended early, or they were pruned");
        let failure = Failure::new(Exit::Refused, what);
        Hinted::new("`speedfit runs` lists the runs", failure).into()
    })
}

/// The head, and a row per group with what changed below it.
pub(super) fn text(diff: &SetDiff, limit: usize, width: Option<u16>) -> String {
    let number = |run: Option<RunId>| run.map_or_else(|| "–".to_owned(), |run| run.to_string());
    let (before, after) = (number(diff.before), number(diff.after));
    let mut text =
        field("changes", &format!("from run {before} to run {after}: {}", counts(diff)), width);
    if diff.groups.is_empty() {
        return text;
    }
    text.push('\n');
    text.push_str(&table(&diff.groups[..limit.min(diff.groups.len())], width));
    let n_more = diff.groups.len().saturating_sub(limit);
    if n_more > 0 {
        text.push_str(&format!(
            "… and {n_more} more: `speedfit diff {before} {after} --limit 0`\n"
        ));
    }
    text
}

/// `31 groups changed, 1 new, 1 gone, 2 the same`.
fn counts(diff: &SetDiff) -> String {
    let n_changed = diff.count(Change::Values) + diff.count(Change::Model);
    let groups = if n_changed == 1 { "group" } else { "groups" };
    let mut parts = vec![format!("{n_changed} {groups} changed")];
    let others = [
        (diff.count(Change::Model), "of them to another model"),
        (diff.count(Change::New), "new"),
        (diff.count(Change::Gone), "gone"),
        (diff.n_same, "the same"),
    ];
    let others = others.into_iter().filter(|(n, _)| *n > 0);
    parts.extend(others.map(|(n, what)| format!("{n} {what}")));
    parts.join(", ")
}

const HEADERS: [&str; 6] = ["group", "p90 2 km, s", "", "p90 5 km, s", "", "max SE"];
const ALIGNMENTS: [Align; 6] =
    [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right, Align::Right];

fn table(groups: &[GroupDiff], width: Option<u16>) -> String {
    let mut rows: Vec<Vec<String>> = groups.iter().map(cells).collect();
    let notes: Vec<String> = groups.iter().map(note).collect();
    let Some(width) = width else {
        let mut headers = HEADERS.to_vec();
        headers.push("what");
        for (row, note) in rows.iter_mut().zip(notes) {
            row.push(note.replace(UNBROKEN, " "));
        }
        return table::render(&headers, &rows, &ALIGNMENTS, None);
    };
    let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
    table::render_with_notes(&HEADERS, &rows, &ALIGNMENTS, &notes, width)
}

fn cells(group: &GroupDiff) -> Vec<String> {
    let mut row = vec![group.key.to_string()];
    for effect in &group.p90 {
        let Effect { before_s, after_s, change, .. } = *effect;
        row.push(arrow(before_s.map(|s| format!("{s:.0}")), after_s.map(|s| format!("{s:.0}"))));
        row.push(change.map_or_else(String::new, |share| format!("{:+.1} %", 100.0 * share)));
    }
    row.push(group.max_std_errors.map_or_else(String::new, |n| format!("{n:.1}")));
    row
}

fn arrow(before: Option<String>, after: Option<String>) -> String {
    let told = |side: Option<String>| side.unwrap_or_else(|| "–".to_owned());
    format!("{} → {}", told(before), told(after))
}

/// What changed, in words: each parameter before and after, and by how many standard errors.
fn note(group: &GroupDiff) -> String {
    let head = match group.change {
        Change::Gone => "gone: no parameters any more",
        Change::New => "new",
        Change::Model | Change::Values => "",
    };
    let mut parts: Vec<String> = Vec::new();
    parts.extend(Some(head.to_owned()).filter(|head| !head.is_empty()));
    if group.change == Change::Model {
        let model = arrow(group.model_before.clone(), group.model_after.clone());
        parts.push(format!("model {model}"));
    }
    if group.change != Change::Gone {
        parts.extend(group.parameters.iter().filter(|p| p.differs()).map(parameter));
    }
    parts.join("; ")
}

fn parameter(parameter: &ParameterDiff) -> String {
    let name = groups::label(&parameter.name);
    let name = name.as_deref().unwrap_or(&parameter.name);
    let values = match (parameter.before, parameter.after) {
        (None, Some(after)) => value(after),
        (before, after) => arrow(before.map(value), after.map(value)),
    };
    let errors = parameter.std_errors.map(|n| format!(", {n:+.1} SE"));
    let text = format!("{name} {values}{}", errors.unwrap_or_default());
    text.replace(' ', &UNBROKEN.to_string())
}

/// Marked as in every table.
fn value(value: Value) -> String {
    groups::marked(figure(value.estimate), value.status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{GroupKey, ParameterStatus};
    use crate::job::diff::DISTANCES_KM;

    fn told(estimate: f64) -> Value {
        Value { estimate, std_error: Some(0.1), status: ParameterStatus::Ok }
    }

    fn changed(name: &str, before: f64, after: f64, std_errors: f64) -> ParameterDiff {
        ParameterDiff {
            name: name.to_owned(),
            unit: String::new(),
            before: Some(told(before)),
            after: Some(told(after)),
            std_errors: Some(std_errors),
        }
    }

    fn group(region: &str, change: Change, times: [(Option<f64>, Option<f64>); 2]) -> GroupDiff {
        let effect = |(km, (before_s, after_s)): (f64, (Option<f64>, Option<f64>))| {
            let change_s = before_s.zip(after_s).map(|(before, after)| after - before);
            let change = before_s.zip(change_s).map(|(before, change)| change / before);
            Effect { distance_km: km, before_s, after_s, change_s, change }
        };
        GroupDiff {
            key: GroupKey::region(region),
            change,
            model_before: Some("kwh".to_owned()),
            model_after: Some("kwh".to_owned()),
            outcome_before: None,
            outcome_after: None,
            p90: DISTANCES_KM.into_iter().zip(times).map(effect).collect(),
            max_std_errors: None,
            parameters: Vec::new(),
        }
    }

    fn diff() -> SetDiff {
        let mut fresh = group("Hounslow", Change::New, [(None, Some(402.4)), (None, Some(701.0))]);
        fresh.parameters = vec![ParameterDiff {
            before: None,
            std_errors: None,
            ..changed("cruise_speed_kmh", 0.0, 51.2, 0.0)
        }];
        let gone = group("Old Town", Change::Gone, [(Some(411.0), None), (Some(690.0), None)]);
        let mut slower = group(
            "Kensington and Chelsea / night / 1",
            Change::Values,
            [(Some(411.0), Some(455.2)), (Some(690.1), Some(770.6))],
        );
        slower.parameters = vec![
            changed("acceleration_km_min2", 0.4121, 0.3803, -2.13),
            changed("cruise_speed_kmh", 50.21, 44.12, -3.41),
            changed("factor_band_night", 0.9123, 0.9544, 1.24),
            changed("sigma_log", 0.3173, 0.3312, 1.02),
        ];
        slower.max_std_errors = Some(3.41);
        let mut other = group(
            "Barnet",
            Change::Model,
            [(Some(400.0), Some(401.0)), (Some(690.0), Some(688.0))],
        );
        other.model_after = Some("kwh_intercept".to_owned());
        other.parameters = vec![ParameterDiff {
            after: Some(Value { status: ParameterStatus::NotIdentified, ..told(120.3) }),
            std_errors: None,
            ..changed("cruise_speed_kmh", 50.0, 0.0, 0.0)
        }];
        SetDiff {
            scope: "london".to_owned(),
            before: Some(RunId(12)),
            after: Some(RunId(14)),
            n_same: 29,
            groups: vec![gone, fresh, slower, other],
        }
    }

    #[test]
    fn a_terminal_of_80_columns_shows_a_group_per_row() {
        let shown = text(&diff(), 20, Some(80));
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let shown = text(&diff(), 1, Some(80));
        assert!(shown.ends_with("… and 3 more: `speedfit diff 12 14 --limit 0`\n"), "{shown}");
        assert!(!shown.contains("Barnet"), "{shown}");
    }

    #[test]
    fn a_pipe_gets_a_line_per_group() {
        let shown = text(&diff(), 20, None);
        assert_eq!(shown.lines().count(), 7, "{shown}");
        assert!(shown.contains("σ 0.3173 → 0.3312, +1.0 SE\n"), "{shown}");
    }

    #[test]
    fn equal_sets_are_the_same() {
        let same = SetDiff { groups: Vec::new(), ..diff() };
        assert_eq!(
            text(&same, 20, Some(80)),
            "changes   from run 12 to run 14: 0 groups changed, 29 the same\n"
        );
    }
}
