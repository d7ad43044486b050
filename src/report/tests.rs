//! The report as a whole: what it says, what it escapes, how large it grows.

use std::collections::BTreeMap;

use crate::domain::results::{GroupResult, RowCounts, SCHEMA_VERSION};
use crate::domain::{
    GroupDetail, GroupOutcome, GroupRow, ParameterRow, ParameterStatus, RefusalReason, RefusalRow,
    RequestDetail, RunCounts, RunId, RunRequest, RunRow, RunStatus, SourceLevel, Trigger, Verdict,
    Window,
};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn parameter(key: &GroupKey, name: &str, unit: &str, estimate: f64) -> ParameterRow {
    ParameterRow {
        key: key.clone(),
        name: name.to_owned(),
        unit: unit.to_owned(),
        estimate,
        std_error: Some(estimate * 0.03),
        ci_low: Some(estimate * 0.94),
        ci_high: Some(estimate * 1.06),
        raw_estimate: Some(estimate),
        pool_weight: None,
        status: ParameterStatus::Ok,
    }
}

fn group(name: &str) -> GroupResult {
    let key = GroupKey::region(name);
    let parameters = vec![
        parameter(&key, "acceleration_km_min2", "km/min²", 0.682),
        parameter(&key, "cruise_speed_kmh", "km/h", 50.2),
        parameter(&key, "sigma_log", "", 0.31),
    ];
    let group = GroupRow {
        key,
        model: "kwh".to_owned(),
        loss: "least_squares".to_owned(),
        outcome: GroupOutcome::Fitted,
        source_level: SourceLevel::Group,
        n_read: 1000,
        n_refused: 12,
        n_used: 988,
        termination: "cost_converged".to_owned(),
        iterations: 7,
        ssr_log: Some(95.0),
        rmse_log: Some(0.31),
        mae_s: Some(71.42),
        median_ape: Some(0.183),
        share_under_p90: Some(0.897),
        condition: Some(4.2),
        verdict: Verdict::Publish,
        message: String::new(),
        detail: GroupDetail::default(),
    };
    GroupResult { group, parameters }
}

fn failed(name: &str) -> GroupResult {
    let mut result = group(name);
    result.parameters.clear();
    result.group = GroupRow {
        outcome: GroupOutcome::Failed,
        source_level: SourceLevel::None,
        mae_s: None,
        median_ape: None,
        share_under_p90: None,
        n_used: 3,
        verdict: Verdict::None,
        message: "3 records are fewer than the 40 that the settings ask for".to_owned(),
        ..result.group
    };
    result
}

fn run(status: RunStatus) -> RunRow {
    let window =
        Window { from: Some(at("2026-01-01T00:00:00Z")), to: Some(at("2026-02-01T00:00:00Z")) };
    RunRow {
        id: RunId(42),
        request: RunRequest {
            scope: "london".to_owned(),
            trigger: Trigger::Timer,
            requested_by: "schedule".to_owned(),
            reason: String::new(),
            window,
            model: "kwh".to_owned(),
            settings_hash: "0123456789abcdef0123".to_owned(),
            code_version: "0.1.0".to_owned(),
            requested_at: at("2026-02-01T02:00:00Z"),
            slot: None,
            detail: RequestDetail::default(),
        },
        status,
        started_at: Some(at("2026-02-01T02:00:01Z")),
        finished_at: Some(at("2026-02-01T02:00:13Z")),
        counts: RunCounts::default(),
        exit_code: Some(6),
        message: "2 of 3 groups published".to_owned(),
    }
}

fn results(status: RunStatus, results: Vec<GroupResult>) -> RunResults {
    let mut groups = BTreeMap::new();
    for result in &results {
        *groups.entry(result.group.outcome).or_insert(0) += 1;
    }
    RunResults {
        schema_version: SCHEMA_VERSION,
        run: Some(run(status)),
        settings_hash: "0123456789abcdef0123".to_owned(),
        timing_ms: BTreeMap::from([
            ("read".to_owned(), 812.0),
            ("fit".to_owned(), 96.4),
            ("total".to_owned(), 12_030.0),
        ]),
        rows: RowCounts { read: 3000, used: 2988, refused: BTreeMap::new() },
        groups,
        findings: Vec::new(),
        refusals: Vec::new(),
        model_preference: None,
        results,
    }
}

fn plot(key: &GroupKey) -> GroupPlot {
    let bins = (1..=20).map(|i| DistanceBin {
        distance_km: f64::from(i) * 0.25,
        n: 50,
        p10_s: 90.0 + 25.0 * f64::from(i),
        p50_s: 130.0 + 33.0 * f64::from(i),
        p90_s: 190.0 + 50.0 * f64::from(i),
    });
    let curve = |factor: f64| {
        (0..=60).map(|i| f64::from(i) * 0.085).map(|km| (km, factor * km.sqrt())).collect()
    };
    let previous = Some(curve(290.0));
    GroupPlot { key: key.clone(), bins: bins.collect(), curve: curve(305.0), previous }
}

fn report(results: &RunResults, plots: &[GroupPlot]) -> String {
    let input = ReportInput {
        title: "London, January 2026",
        results,
        plots,
        generated_at: at("2026-02-01T02:00:14Z"),
        code_version: "0.1.0",
    };
    html(&input).unwrap()
}

/// The document without the style sheet, which has its own file to be read in.
fn without_style(html: &str) -> String {
    let (head, rest) = html.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    format!("{head}<style>…</style>{body}")
}

#[test]
fn small_report_reads_as_agreed() {
    let mut shy = group("Barnet");
    shy.parameters[1].status = ParameterStatus::NotIdentified;
    (shy.parameters[1].ci_low, shy.parameters[1].ci_high) = (None, None);
    shy.group.key.band = "peak".to_owned();
    let mut results =
        results(RunStatus::Partial, vec![group("Barking"), shy, failed("City of London")]);
    results.rows.read = 3012;
    results.rows.refused =
        BTreeMap::from([(RefusalReason::NullField, 22), (RefusalReason::SpeedImplausible, 2)]);
    results.refusals = vec![RefusalRow {
        region: String::new(),
        reason: RefusalReason::NullField,
        count: 22,
        examples: vec!["000123-05012026".to_owned(), "000124-05012026".to_owned()],
    }];
    let plots = [plot(&results.results[0].group.key)];
    insta::assert_snapshot!(without_style(&report(&results, &plots)));
}

#[test]
fn nothing_from_data_becomes_markup() {
    const EVIL: &str = "<script>alert('x')</script>\" onload=\"y & Zoë?";
    let mut result = group(EVIL);
    result.group.key.band = EVIL.to_owned();
    result.group.message = EVIL.to_owned();
    result.parameters[0].name = EVIL.to_owned();
    result.parameters[0].unit = EVIL.to_owned();
    let key = result.group.key.clone();
    let mut results = results(RunStatus::Done, vec![result]);
    results.settings_hash = EVIL.to_owned();
    results.rows.refused = BTreeMap::from([(RefusalReason::UnknownRegion, 1)]);
    results.refusals = vec![RefusalRow {
        region: EVIL.to_owned(),
        reason: RefusalReason::UnknownRegion,
        count: 1,
        examples: vec![EVIL.to_owned()],
    }];
    if let Some(run) = &mut results.run {
        run.message = EVIL.to_owned();
        run.request.scope = EVIL.to_owned();
        run.request.requested_by = EVIL.to_owned();
        run.request.reason = EVIL.to_owned();
    }
    let plots = vec![plot(&key); 30];
    let html = report(&results, &plots);
    assert!(!html.contains("<script") && !html.contains("\" onload"));
    assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
    assert!(html.contains("Zoë?"));
}

#[test]
fn a_run_without_groups_says_so() {
    let html = report(&results(RunStatus::Failed, Vec::new()), &[]);
    assert!(html.contains("There is no group"));
    assert!(html.contains("Ended by an error; nothing was published."));
    assert!(!html.contains("<table class=\"groups\">") && !html.contains("id=\"plots\""));
    let mut dry = results(RunStatus::Done, Vec::new());
    dry.run = None;
    assert!(report(&dry, &[]).contains("Not recorded in a ledger"));
}

#[test]
fn failed_groups_are_named_first() {
    let html = report(&results(RunStatus::Refused, vec![failed("A"), failed("B")]), &[]);
    let finding = "<strong>2</strong> groups without parameters: <a href=\"#g0\"><bdi>A</bdi></a>";
    assert!(html.contains(finding));
    assert!(html.contains("3 records are fewer than the 40"));
    assert!(!html.contains("NaN"));
}

#[test]
fn three_hundred_groups_stay_readable() {
    let groups: Vec<GroupResult> = (0..300).map(|i| group(&format!("Region {i:03}"))).collect();
    let plots: Vec<GroupPlot> = groups.iter().map(|result| plot(&result.group.key)).collect();
    let results = results(RunStatus::Done, groups);
    let html = report(&results, &plots);
    assert!(html.len() < 2_000_000, "{} bytes", html.len());
    assert_eq!(html.matches("<figure").count(), 300);
    assert_eq!(html.matches("<summary>Plot ").count(), 12);
    assert_eq!(html, report(&results, &plots));
}

#[test]
fn every_element_is_closed() {
    let results = results(RunStatus::Partial, vec![group("A"), failed("B")]);
    let html = report(&results, &vec![plot(&GroupKey::region("A")); 30]);
    for tag in ["section", "details", "div", "table", "tr", "td", "th", "p", "dl", "figure", "svg"]
    {
        let open = [" ", ">"].map(|end| html.matches(&format!("<{tag}{end}")).count());
        let closed = html.matches(&format!("</{tag}>")).count();
        assert_eq!(open.iter().sum::<usize>(), closed, "{tag}");
    }
}

#[test]
fn the_style_sheet_knows_every_colour_of_a_plot() {
    let css = include_str!("style.css");
    for colour in [plot::GRID, plot::AXIS, plot::OBSERVED, plot::CURVE, plot::PREVIOUS] {
        let name = format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2);
        assert!(css.contains(&format!("[stroke=\"{name}\"]")), "{name}");
    }
    assert!(!css.contains("url(") && !css.contains("@import"));
}
