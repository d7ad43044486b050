//! Names of the metrics, and their text in Prometheus' exposition format 0.0.4.
//!
//! Pure: the same scopes give the same bytes. Knows nothing of files, pushes or servers.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::domain::{RunRow, RunStatus, ScopeMetrics};

/// What the text is, for `Content-Type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Label with the name of the job; every metric has it, so that the files of several scopes can lie
/// in one folder of the node exporter.
pub const SCOPE: &str = "scope";

/// How each metric is called, and what it says. All of them are gauges: each tells how things stand
/// after a run, and nothing counts up in a process that ends.
pub const METRICS: [(&str, &str); 12] = [
    ("speedfit_build_info", "Version and revision of the program that wrote this; always 1."),
    ("speedfit_run_last_id", "Number of the run that ended last."),
    ("speedfit_run_last_status", "1 for the status of the run that ended last, 0 for the others."),
    ("speedfit_run_last_exit_code", "Exit code of the run that ended last."),
    ("speedfit_run_last_timestamp_seconds", "When the run that ended last did so, Unix time."),
    (
        "speedfit_run_last_success_timestamp_seconds",
        "When a run last ended done or partial, Unix time.",
    ),
    ("speedfit_run_duration_seconds", "How long each phase of the run that ended last took."),
    ("speedfit_rows", "Rows that the run that ended last read, used and refused."),
    ("speedfit_rows_refused", "Rows that the run that ended last refused, by reason."),
    ("speedfit_groups", "Groups of the run that ended last, by outcome."),
    ("speedfit_current_run_id", "Number of the run whose parameters the application reads."),
    ("speedfit_current_published_timestamp_seconds", "When they became current, Unix time."),
];

/// The statuses of a run that is over.
const FINAL: [RunStatus; 6] = [
    RunStatus::Done,
    RunStatus::Partial,
    RunStatus::Refused,
    RunStatus::Cancelled,
    RunStatus::Failed,
    RunStatus::Abandoned,
];

/// One number with its labels, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Name and value of each label, `scope` first.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

/// A metric with its samples; none without a sample is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Its numbers, scope by scope.
    pub samples: Vec<Sample>,
}

/// The metrics of these scopes, in the order of [`METRICS`].
#[must_use]
pub fn families(scopes: &[ScopeMetrics]) -> Vec<Family> {
    let with_samples = METRICS.iter().map(|&(name, help)| Family {
        name,
        help,
        samples: scopes.iter().flat_map(|scope| samples(name, scope)).collect(),
    });
    with_samples.filter(|family| !family.samples.is_empty()).collect()
}

/// The text of these scopes.
#[must_use]
pub fn render(scopes: &[ScopeMetrics]) -> String {
    let mut text = String::new();
    for Family { name, help, samples } in families(scopes) {
        // A string takes whatever is written to it.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for sample in samples {
            let labels: Vec<String> = (sample.labels.iter())
                .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
                .collect();
            let _ = writeln!(text, "{name}{{{}}} {}", labels.join(","), sample.value);
        }
    }
    text
}

/// A label's value as the format asks for it.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('\n', r"\n").replace('"', "\\\"")
}

/// The scopes that a text of this form tells of, as written there.
pub fn scopes_in(text: &str) -> impl Iterator<Item = String> + '_ {
    let start = "{scope=\"";
    text.lines().filter(|line| !line.starts_with('#')).filter_map(move |line| {
        let rest = &line[line.find(start)? + start.len()..];
        let mut is_escaped = false;
        let end = rest.find(|c: char| {
            let ends = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        })?;
        Some(unescaped(&rest[..end]))
    })
}

fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            c => text.push(c),
        }
    }
    text
}

fn samples(name: &str, of: &ScopeMetrics) -> Vec<Sample> {
    let sample = |labels: &[(&'static str, &str)], value: f64| Sample {
        labels: std::iter::once((SCOPE, of.scope.clone()))
            .chain(labels.iter().map(|&(label, value)| (label, value.to_owned())))
            .collect(),
        value,
    };
    let one = |value: Option<f64>| value.map(|value| sample(&[], value)).into_iter().collect();
    let last = of.last.as_ref();
    match name {
        "speedfit_build_info" => {
            let (version, revision) = (env!("CARGO_PKG_VERSION"), option_env!("SPEEDFIT_REVISION"));
            let labels = [("version", version), ("revision", revision.unwrap_or_default())];
            vec![sample(&labels, 1.0)]
        }
        "speedfit_run_last_id" => one(last.map(|run| run.id.0 as f64)),
        "speedfit_run_last_status" => {
            let of_status = |run: &RunRow| {
                let now = run.status;
                FINAL.map(|status| sample(&[("status", status.as_str())], f64::from(status == now)))
            };
            last.map(of_status).into_iter().flatten().collect()
        }
        "speedfit_run_last_exit_code" => one(last.and_then(|run| run.exit_code).map(f64::from)),
        "speedfit_run_last_timestamp_seconds" => {
            one(last.and_then(|run| run.finished_at).map(unix_s))
        }
        "speedfit_run_last_success_timestamp_seconds" => one(of.last_success_at.map(unix_s)),
        "speedfit_run_duration_seconds" => {
            of.phases_s.iter().map(|(phase, s)| sample(&[("phase", phase)], *s)).collect()
        }
        "speedfit_rows" => {
            let of_fate = |run: &RunRow| {
                let counts = &run.counts;
                [
                    ("read", counts.rows_read),
                    ("used", counts.rows_used),
                    ("refused", counts.rows_refused),
                ]
                .map(|(fate, n)| sample(&[("fate", fate)], n as f64))
            };
            last.map(of_fate).into_iter().flatten().collect()
        }
        "speedfit_rows_refused" => (of.refused.iter())
            .map(|(reason, n)| sample(&[("reason", reason.as_str())], *n as f64))
            .collect(),
        "speedfit_groups" => {
            let groups = last.map(|run| run.counts.groups()).into_iter().flatten();
            groups.map(|(what, n)| sample(&[("outcome", what.as_str())], n as f64)).collect()
        }
        "speedfit_current_run_id" => one(of.current.as_ref().map(|mark| mark.run_id.0 as f64)),
        "speedfit_current_published_timestamp_seconds" => {
            one(of.current.as_ref().map(|mark| unix_s(mark.published_at)))
        }
        // A name of the table above without its samples, which a test rules out.
        _ => Vec::new(),
    }
}

/// Seconds since 1970-01-01 UTC, to the microsecond.
fn unix_s(moment: Timestamp) -> f64 {
    moment.as_microsecond() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::{
        Publication, RefusalReason, RequestDetail, RunCounts, RunId, RunRequest, Trigger, Window,
    };

    fn run(status: RunStatus) -> RunRow {
        let at = |second| Timestamp::from_second(second).unwrap();
        RunRow {
            id: RunId(7),
            request: RunRequest {
                scope: "city".to_owned(),
                trigger: Trigger::Timer,
                requested_by: String::new(),
                reason: String::new(),
                window: Window::ALL,
                model: String::new(),
                settings_hash: String::new(),
                code_version: String::new(),
                requested_at: at(0),
                slot: None,
                detail: RequestDetail::default(),
            },
            status,
            started_at: Some(at(1_000)),
            finished_at: Some(at(1_030)),
            counts: RunCounts {
                rows_read: 12,
                rows_refused: 2,
                rows_used: 10,
                ..Default::default()
            },
            exit_code: Some(6),
            message: String::new(),
        }
    }

    fn whole() -> ScopeMetrics {
        let mark = Publication {
            scope: "city".to_owned(),
            run_id: RunId(6),
            published_at: Timestamp::from_microsecond(999_500_000).unwrap(),
            published_by: String::new(),
            reason: "run".to_owned(),
            comment: String::new(),
        };
        let last = Some(run(RunStatus::Partial));
        let success = Timestamp::from_second(1_030).ok();
        let metrics = ScopeMetrics::new("city", last, &[], success, Some(mark));
        let refused = BTreeMap::from([(RefusalReason::TimeTooLong, 2)]);
        let phases = BTreeMap::from([("read".to_owned(), 1250.0)]);
        ScopeMetrics { refused, ..metrics }.with_phases(&phases)
    }

    #[test]
    fn every_metric_has_samples_once_a_run_published() {
        let names: Vec<_> = families(&[whole()]).iter().map(|family| family.name).collect();
        assert_eq!(names, METRICS.map(|(name, _)| name));
    }

    #[test]
    fn the_text_is_as_agreed() {
        let text = render(&[whole()]);
        let text: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).skip(1).collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        speedfit_run_last_id{scope="city"} 7
        speedfit_run_last_status{scope="city",status="done"} 0
        speedfit_run_last_status{scope="city",status="partial"} 1
        speedfit_run_last_status{scope="city",status="refused"} 0
        speedfit_run_last_status{scope="city",status="cancelled"} 0
        speedfit_run_last_status{scope="city",status="failed"} 0
        speedfit_run_last_status{scope="city",status="abandoned"} 0
        speedfit_run_last_exit_code{scope="city"} 6
        speedfit_run_last_timestamp_seconds{scope="city"} 1030
        speedfit_run_last_success_timestamp_seconds{scope="city"} 1030
        speedfit_run_duration_seconds{scope="city",phase="read"} 1.25
        speedfit_run_duration_seconds{scope="city",phase="total"} 30
        speedfit_rows{scope="city",fate="read"} 12
        speedfit_rows{scope="city",fate="used"} 10
        speedfit_rows{scope="city",fate="refused"} 2
        speedfit_rows_refused{scope="city",reason="time_too_long"} 2
        speedfit_groups{scope="city",outcome="fitted"} 0
        speedfit_groups{scope="city",outcome="pooled"} 0
        speedfit_groups{scope="city",outcome="fallback"} 0
        speedfit_groups{scope="city",outcome="carried_over"} 0
        speedfit_groups{scope="city",outcome="failed"} 0
        speedfit_groups{scope="city",outcome="cancelled"} 0
        speedfit_current_run_id{scope="city"} 6
        speedfit_current_published_timestamp_seconds{scope="city"} 999.5
        "#);
    }

    #[test]
    fn a_metric_stands_once_whatever_the_number_of_scopes() {
        let empty = ScopeMetrics { scope: "a".to_owned(), ..ScopeMetrics::default() };
        let text = render(&[empty, whole()]);
        for (name, _) in METRICS {
            assert_eq!(text.matches(&format!("# TYPE {name} gauge\n")).count(), 1, "{name}");
        }
        assert_eq!(text.matches("speedfit_build_info{").count(), 2);
        assert_eq!(render(&[]), "");
    }

    #[test]
    fn any_name_of_a_scope_comes_back() {
        for scope in ["city", "a\\b", "a\\\\b", "a\"b", "a\\\"", "ü {x=\"y\"}", "a\\nb", "a,b"] {
            let metrics = ScopeMetrics { scope: scope.to_owned(), ..ScopeMetrics::default() };
            let text = render(&[metrics]);
            assert_eq!(scopes_in(&text).collect::<Vec<_>>(), [scope], "{text}");
        }
    }
}
