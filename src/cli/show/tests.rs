//! What an operator reads of a run on a terminal of 80 columns.

use super::*;
use crate::domain::{
    GroupDetail, GroupKey, GroupOutcome, ParameterStatus, RequestDetail, RunCounts, RunId,
    RunRequest, RunStatus, SourceLevel, Trigger, Verdict, Window,
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A run of the timer, as the ledger tells it.
pub(in crate::cli) fn run(id: i64, status: RunStatus, message: &str) -> RunRow {
    RunRow {
        id: RunId(id),
        request: RunRequest {
            scope: "london".to_owned(),
            trigger: Trigger::Timer,
            requested_by: "schedule".to_owned(),
            reason: String::new(),
            window: Window { from: Some(at("2026-01-01T00:00:00Z")), to: None },
            model: "kwh".to_owned(),
            settings_hash: String::new(),
            code_version: "0.1.0".to_owned(),
            requested_at: at("2026-02-27T03:00:00.25Z"),
            slot: None,
            detail: RequestDetail::default(),
        },
        status,
        started_at: Some(at("2026-02-27T03:00:01Z")),
        finished_at: status.is_final().then(|| at("2026-02-27T03:00:09Z")),
        counts: RunCounts {
            rows_read: 205_064,
            rows_used: 192_588,
            rows_refused: 12_476,
            groups_fitted: 31,
            groups_carried_over: 2,
            ..RunCounts::default()
        },
        exit_code: None,
        message: message.to_owned(),
    }
}

fn span(until: Option<&str>, reason: &str, comment: &str) -> Span {
    let publication = Publication {
        scope: "london".to_owned(),
        run_id: RunId(14),
        published_at: at("2026-02-27T03:00:09Z"),
        published_by: "kim".to_owned(),
        reason: reason.to_owned(),
        comment: comment.to_owned(),
    };
    Span { publication, until: until.map(at) }
}

fn set() -> ParameterSet {
    let key = GroupKey::region("Barking And Dagenham");
    let parameter = |name: &str, estimate| ParameterRow {
        key: key.clone(),
        name: name.to_owned(),
        unit: String::new(),
        estimate,
        std_error: Some(0.01 * estimate),
        ci_low: None,
        ci_high: None,
        raw_estimate: None,
        pool_weight: None,
        status: ParameterStatus::CarriedOver,
    };
    let parameters = vec![
        parameter("acceleration_km_min2", 0.2308),
        parameter("cruise_speed_kmh", 88.05),
        parameter("sigma_log", 0.3285),
    ];
    let group = GroupRow {
        key: key.clone(),
        model: "kwh".to_owned(),
        loss: "least_squares".to_owned(),
        outcome: GroupOutcome::CarriedOver,
        source_level: SourceLevel::Previous,
        n_read: 519,
        n_refused: 0,
        n_used: 519,
        termination: String::new(),
        iterations: 0,
        ssr_log: None,
        rmse_log: None,
        mae_s: None,
        median_ape: None,
        share_under_p90: None,
        condition: None,
        verdict: Verdict::Keep,
        message: "cruise_speed_kmh moves from 88.05 to 31.20, by 12.3 standard errors, more than 5"
            .to_owned(),
        detail: GroupDetail::default(),
    };
    ParameterSet { groups: vec![group], parameters, ..ParameterSet::default() }
}

fn shown(run: &RunRow, set: &ParameterSet, spans: &[Span]) -> String {
    let refusal = RefusalRow {
        region: "Barnet".to_owned(),
        reason: RefusalReason::TimeTooLong,
        count: 12_476,
        examples: Vec::new(),
    };
    let shown = text(run, set, &[refusal], spans, Some(80));
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    shown
}

#[test]
fn a_run_that_was_current_twice() {
    let comment = "the feed of the night counted minutes as seconds in three boroughs";
    let spans = [span(None, "rollback", comment), span(Some("2026-02-28T03:00:09Z"), "run", "")];
    let run = run(14, RunStatus::Partial, "32 of 33 groups published");
    insta::assert_snapshot!(shown(&run, &set(), &spans));
}

#[test]
fn a_run_that_published_nothing() {
    let why =
        "nothing published: only 12 of 33 groups passed, with 31 % of the records; 50 % needed";
    insta::assert_snapshot!(shown(&run(15, RunStatus::Refused, why), &set(), &[]));
}

#[test]
fn of_a_run_that_works_nothing_is_said_to_be_current() {
    let shown = shown(&run(16, RunStatus::Running, ""), &ParameterSet::default(), &[]);
    assert!(!shown.contains("current"), "{shown}");
}
