//! What `speedfit doctor` makes of the settings and of a sample of records.

use std::collections::BTreeMap;
use std::error::Error;

use super::empty;
use super::numbers::{count, percent};
use crate::config::{ConfigError, Loaded, Origin, Secret};
use crate::domain::{ModelPreference, RefusalReason, RefusalRow};
use crate::job::Sampled;
use crate::ports::{Finding, Grade};

/// Settings that could not be read.
pub(super) fn of_mistake(error: &ConfigError) -> Vec<Finding> {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    let remedy = error.hint().unwrap_or_else(|| "correct it there".to_owned());
    vec![Finding::new("settings", Grade::Failure, text).with_remedy(remedy)]
}

/// Which files, variables and flags apply, and which secrets are set.
pub(super) fn of_settings(loaded: &Loaded) -> Vec<Finding> {
    let files = loaded.files.iter().map(|path| format!("`{}`", path.display()));
    let places = by_place(loaded);
    let variables = places.into_iter().map(|(name, keys)| match keys.as_slice() {
        [] => format!("`{name}`"),
        keys => format!("`{name}` ({})", keys.join(", ")),
    });
    let mut findings = vec![
        Finding::new("files", Grade::Good, listed(files, "only the built-in one")),
        Finding::new("variables", Grade::Good, listed(variables, "none")),
    ];
    findings.extend(loaded.warnings.iter().map(|warning| {
        Finding::new("variables", Grade::Warning, warning.clone())
            .with_remedy("correct the name, or take the variable away")
    }));
    findings.extend(Secret::ALL.into_iter().filter_map(|secret| of_secret(loaded, secret)));
    findings
}

/// Variables, and flags with the keys that they give.
fn by_place(loaded: &Loaded) -> BTreeMap<&str, Vec<&str>> {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, origin) in &loaded.origins {
        match origin {
            Origin::Variable(name) => _ = places.entry(name).or_default(),
            Origin::Flag(name) => places.entry(name).or_default().push(key),
            Origin::Default | Origin::File { .. } | Origin::Run(_) => {}
        }
    }
    places
}

fn listed(names: impl Iterator<Item = String>, none: &str) -> String {
    let names: Vec<String> = names.collect();
    if names.is_empty() { none.to_owned() } else { names.join(", ") }
}

/// A secret that is set or needed; never its value.
fn of_secret(loaded: &Loaded, secret: Secret) -> Option<Finding> {
    let needed = loaded.settings.needed_secrets().into_iter().find(|(needed, _)| *needed == secret);
    let Some((_, key)) = needed else {
        if matches!(secret, Secret::WebhookUrl | Secret::WebhookSecret) {
            // The finding of the webhook tells.
            return None;
        }
        let origin = loaded.secrets.origin(secret)?;
        let text = format!("`{}` is set; no setting needs it", origin.variable());
        return Some(Finding::new("secrets", Grade::Note, text));
    };
    Some(match loaded.secrets.require(secret, key) {
        Ok(_) => {
            let by = loaded.secrets.origin(secret).map_or("", |origin| origin.variable());
            Finding::new("secrets", Grade::Good, format!("`{by}` is set"))
        }
        Err(error) => {
            let finding = Finding::new("secrets", Grade::Failure, error.to_string());
            finding.with_remedy(error.hint().unwrap_or_default())
        }
    })
}

/// From this share of refused rows on something is probably wrong with the mapping.
const MANY_REFUSED: f64 = 0.2;

/// How many records a run would take, and why it would refuse the others.
pub(super) fn of_sample(sampled: &Sampled) -> Vec<Finding> {
    let Sampled { n_read, n_used, n_groups, is_all, .. } = *sampled;
    if n_read == 0 {
        let nothing = Finding::new("records", Grade::Warning, "no record in the window");
        return vec![nothing.with_remedy(
            "check that the source is filled, and the window: `window.from`, `window.to`, \
             `window.days`",
        )];
    }
    let which = if is_all { "all" } else { "the first" };
    let n_refused = n_read - n_used;
    let text = format!(
        "{which} {}: {} taken, {} refused; groups: {}",
        count(n_read),
        count(n_used),
        count(n_refused),
        count(n_groups as u64)
    );
    let mut by_reason: BTreeMap<RefusalReason, Vec<&RefusalRow>> = BTreeMap::new();
    for row in &sampled.refusals {
        by_reason.entry(row.reason).or_default().push(row);
    }
    let grade = if n_used == 0 { Grade::Failure } else { Grade::Good };
    let mut records = Finding::new("records", grade, text);
    if n_used == 0 {
        records = records.with_remedy("see why they are refused, below");
    }
    let refused = by_reason.iter().map(|(reason, rows)| of_refused(*reason, rows, n_read));
    let preference = sampled.model_preference.as_ref().map(of_preference);
    std::iter::once(records).chain(refused).chain(preference).collect()
}

/// No failure: the model that is set may be wanted for reasons that records do not know.
fn of_preference(preference: &ModelPreference) -> Finding {
    let remedy = format!(
        "`fit.model = \"{}\"`, or \"auto\", which chooses the model by the records of each run",
        preference.preferred
    );
    Finding::new("model", Grade::Note, preference.to_string()).with_remedy(remedy)
}

fn of_refused(reason: RefusalReason, rows: &[&RefusalRow], n_read: u64) -> Finding {
    let n: u64 = rows.iter().map(|row| row.count).sum();
    let share = n as f64 / n_read as f64;
    let examples = rows.iter().flat_map(|row| &row.examples).take(MAX_EXAMPLES);
    let example = rows.iter().flat_map(|row| &row.examples).next().map_or("", String::as_str);
    let examples: Vec<String> = examples.map(|example| format!("`{example}`")).collect();
    let examples = match examples.as_slice() {
        [] => String::new(),
        some => format!(", such as {}", some.join(", ")),
    };
    let part = if share < 0.001 { "under 0.1 %".to_owned() } else { percent(share) };
    let text = format!("{} refused ({part}){examples}", count(n));
    if share < MANY_REFUSED {
        return Finding::new(reason.as_str(), Grade::Note, text);
    }
    Finding::new(reason.as_str(), Grade::Warning, text).with_remedy(empty::remedy(reason, example))
}

/// Enough to look some up.
const MAX_EXAMPLES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(sampled: &Sampled) -> Vec<(Grade, String)> {
        of_sample(sampled).into_iter().map(|finding| (finding.grade, finding.text)).collect()
    }

    fn refused(region: &str, reason: RefusalReason, count: u64) -> RefusalRow {
        RefusalRow { region: region.to_owned(), reason, count, examples: vec![format!("{count}")] }
    }

    #[test]
    fn a_sample_is_graded_by_what_a_run_would_take() {
        assert_eq!(
            told(&Sampled::default()),
            [(Grade::Warning, "no record in the window".to_owned())]
        );
        let refusals = vec![
            refused("A", RefusalReason::NullField, 3),
            refused("A", RefusalReason::TimeTooLong, 30),
            refused("B", RefusalReason::NullField, 2),
        ];
        let some = Sampled {
            n_read: 100,
            n_used: 65,
            n_groups: 2,
            is_all: false,
            refusals,
            ..Sampled::default()
        };
        assert_eq!(
            told(&some),
            [
                (Grade::Good, "the first 100: 65 taken, 35 refused; groups: 2".to_owned()),
                (Grade::Note, "5 refused (5.0 %), such as `3`, `2`".to_owned()),
                (Grade::Warning, "30 refused (30.0 %), such as `30`".to_owned()),
            ]
        );
        let preference = ModelPreference {
            model: "kwh".to_owned(),
            preferred: "kwh_intercept".to_owned(),
            bic_difference: 1_234.5,
            others: vec![("power".to_owned(), 1_100.0), ("linear".to_owned(), 12.0)],
            n_groups: 33,
            n_records: 9_800,
        };
        let other = Sampled { model_preference: Some(preference), ..some };
        let last = of_sample(&other).pop().unwrap();
        assert_eq!(
            (last.grade, last.text.as_str()),
            (
                Grade::Note,
                "the records prefer `kwh_intercept` to `kwh`: BIC lower by 1234 (`power` by 1100, \
                 `linear` by 12) on 9800 records of 33 groups"
            )
        );
        assert!(last.remedy.unwrap().starts_with("`fit.model = \"kwh_intercept\"`"));
        let none = Sampled { n_read: 10, is_all: true, ..Sampled::default() };
        assert_eq!(told(&none)[0].0, Grade::Failure);
    }
}
