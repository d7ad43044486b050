//! What is told of the current set and of the ledger.

use std::time::Duration;

use axum::http::StatusCode;
use speedfit::adapters::memory::{Fault, Operation};
use speedfit::domain::{
    GroupDetail, GroupKey, ParameterRow, ParameterSet, ParameterStatus, PublishedGroup,
    RefusalReason, RefusalRow, RunStatus,
};
use speedfit::ports::{Conclusion, FailureKind, RunJournal as _};
use speedfit::report::prediction::{Question, answer};

use super::desk::{MemoryDesk, SCOPE};
use super::{get, open, request, send};
use crate::support::{ending, group, parameter, publishing, running, set};

/// How long a mark is taken for the current one where the store does not count commits.
const MARK_AGE: Duration = Duration::from_millis(100);

/// A set of two groups of one region whose name needs encoding, and one of another.
fn split_set() -> ParameterSet {
    let mut split = ParameterSet::default();
    for (region, priority) in [("Nord/Süd 50%", "1"), ("Nord/Süd 50%", "2"), ("South", "")] {
        let key = GroupKey { priority: priority.to_owned(), ..GroupKey::region(region) };
        let mut row = group(region);
        row.key = key.clone();
        split.groups.push(row);
        let sigma = ParameterRow {
            unit: String::new(),
            std_error: Some(0.02),
            ci_low: None,
            ci_high: None,
            raw_estimate: None,
            ..parameter(region, "sigma_log", 0.3)
        };
        let speeds = [("cruise_speed_kmh", 40.0), ("acceleration_km_min2", 0.7)];
        let speeds = speeds.map(|(name, value)| parameter(region, name, value));
        split.parameters.extend(
            speeds.into_iter().chain([sigma]).map(|row| ParameterRow { key: key.clone(), ..row }),
        );
    }
    split
}

async fn published(desk: &MemoryDesk, set: ParameterSet) {
    crate::support::published(&desk.store, SCOPE, set).await.unwrap();
}

#[tokio::test]
async fn regions_are_those_of_the_current_set() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    insta::assert_snapshot!("no_current_set", get(&router, "/api/v1/regions").await.shown());
    published(&desk, set(&["Old"], 20.0)).await;
    assert_eq!(get(&router, "/api/v1/regions").await.header("etag"), Some("\"1\""));
    published(&desk, split_set()).await;
    desk.clock.advance(MARK_AGE);
    insta::assert_snapshot!("regions", get(&router, "/api/v1/regions").await.shown());
}

#[tokio::test]
async fn a_client_that_has_the_set_gets_nothing_new() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    published(&desk, split_set()).await;
    let check = async |known: &str, expected: StatusCode| {
        for uri in ["/api/v1/regions", "/api/v1/regions/South/parameters"] {
            let headers = [("if-none-match", known)];
            let answer = send(&router, request("GET", uri, &headers, String::new())).await;
            assert_eq!(answer.status, expected, "{known} {uri}");
            assert_eq!(answer.header("etag"), Some("\"1\""));
            assert_eq!(answer.body.is_empty(), expected == StatusCode::NOT_MODIFIED);
        }
    };
    check("\"1\"", StatusCode::NOT_MODIFIED).await;
    check("\"0\", W/\"1\"", StatusCode::NOT_MODIFIED).await;
    check("*", StatusCode::NOT_MODIFIED).await;
    check("\"2\"", StatusCode::OK).await;
    check("1", StatusCode::OK).await;
}

#[tokio::test]
async fn a_set_is_read_once_and_its_mark_when_it_is_old() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    published(&desk, split_set()).await;
    let calls = |operation| desk.store.faults().n_calls(operation);
    let uris = [
        "/api/v1/regions",
        "/api/v1/regions/South/parameters",
        "/api/v1/predict?region=South&distance_km=2",
    ];
    for nth in 1..=4 {
        let (n_marks, n_sets) = (calls(Operation::Mark), calls(Operation::ParameterSet));
        for uri in uris {
            let answer = get(&router, uri).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            let tag = format!("\"{}\"", nth.min(2));
            assert!(answer.header("etag").is_none_or(|told| told == tag), "{uri} {nth}");
        }
        // One answer of the store serves all who ask within its age.
        assert_eq!(calls(Operation::Mark), n_marks + 1);
        // The first round reads the set, the second one that was published meanwhile.
        assert_eq!(calls(Operation::ParameterSet), n_sets + u32::from(nth <= 2), "{nth}");
        if nth == 1 {
            published(&desk, split_set()).await;
            desk.clock.advance(MARK_AGE - Duration::from_millis(1));
            assert_eq!(get(&router, uris[0]).await.header("etag"), Some("\"1\""));
            desk.clock.advance(Duration::from_millis(1));
        } else {
            desk.clock.advance(MARK_AGE);
        }
    }
}

#[tokio::test]
async fn a_set_is_not_served_for_long_by_a_store_that_fails() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    published(&desk, split_set()).await;
    assert_eq!(get(&router, "/api/v1/regions").await.status, StatusCode::OK);
    let n_marks = desk.store.faults().n_calls(Operation::Mark);
    let fault = Fault::Reject(FailureKind::Unreachable);
    desk.store.faults().on(Operation::Mark, 1, fault);
    desk.clock.advance(MARK_AGE);
    let answer = get(&router, "/api/v1/predict?region=South&distance_km=2").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    // Its next answer counts, not one from before.
    assert_eq!(get(&router, "/api/v1/regions").await.status, StatusCode::OK);
    assert_eq!(desk.store.faults().n_calls(Operation::Mark), n_marks + 2);
}

#[tokio::test]
async fn what_has_one_form_only_is_sent_whatever_is_wanted() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    published(&desk, split_set()).await;
    for uri in ["/api/v1/regions", "/api/v1/predict?region=South&distance_km=2"] {
        let headers = [("accept", "image/png")];
        let answer = send(&router, request("GET", uri, &headers, String::new())).await;
        assert_eq!(answer.status, StatusCode::OK, "{uri} {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{uri}");
    }
}

#[tokio::test]
async fn parameters_that_no_endpoint_knows_are_refused() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    published(&desk, split_set()).await;
    for uri in [
        "/api/v1/regions?format=csv",
        "/api/v1/regions/South/parameters?band=peak",
        "/api/v1/predict?region=South&distance_km=2&format=csv",
        "/api/v1/runs?page=2",
        "/api/v1/runs/1?format=csv",
        "/api/v1/schedule?x",
        "/api/v1/openapi.json?x=1",
        "/metrics?x=1",
        "/livez?x=1",
        "/readyz?x=1",
    ] {
        let answer = get(&router, uri).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{uri} {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{uri}");
    }
    let told = get(&router, "/api/v1/regions?format=csv").await.json();
    assert_eq!(told["detail"], "unknown parameter `format`: this endpoint takes none");
    for uri in ["/api/v1/runs?x=1", "/api/v1/rollback?x=1", "/api/v1/runs/1/publish?x=1"] {
        assert_eq!(super::post(&router, uri, "{}").await.status, StatusCode::BAD_REQUEST, "{uri}");
    }
}

#[tokio::test]
async fn a_region_may_have_any_name() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    published(&desk, split_set()).await;
    let uri = "/api/v1/regions/Nord%2FS%C3%BCd%2050%25/parameters";
    insta::assert_snapshot!("parameters", get(&router, uri).await.shown());
    insta::assert_snapshot!(
        "no_region",
        get(&router, "/api/v1/regions/X%00y/parameters").await.shown()
    );
    let broken = get(&router, "/api/v1/regions/%FF/parameters").await;
    insta::assert_snapshot!("region_not_unicode", broken.shown());
}

#[tokio::test]
async fn predictions_are_those_of_the_command() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    published(&desk, split_set()).await;
    let uri = "/api/v1/predict?region=South&distance_km=2,5.5&target_min=8&quantile=0.5,0.9";
    let told = get(&router, uri).await;
    insta::assert_snapshot!("prediction", told.shown());
    let groups = PublishedGroup::of_set(split_set());
    let question = Question {
        region: "South".to_owned(),
        distances_km: vec![2.0, 5.5],
        quantiles: vec![0.5, 0.9],
        targets_min: vec![8.0],
        ..Question::default()
    };
    let expected =
        serde_json::to_value(answer(&groups, &question, 0.95, &(0.05..=60.0)).unwrap()).unwrap();
    assert_eq!(told.json(), expected);
}

#[tokio::test]
async fn questions_without_an_answer_are_explained() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    published(&desk, split_set()).await;
    let mut told = String::new();
    for query in [
        "",
        "region=South",
        "region=South&distance_km=",
        "region=South&distance_km=x",
        "region=South&distance_km=2&length=a%3D1",
        "region=South&distance_km=-1",
        "region=South&distance_km=2,0.04",
        "region=South&distance_km=61",
        "region=South&distance_km=1e308",
        "region=South&distance_km=nan",
        "region=South&length=street%3D40,motorway%3D40",
        "region=South&distance_km=2&target_min=0",
        "region=South&distance_km=2&quantile=1",
        "region=South&distance_km=2&factor=night",
        "region=South&length=street%3D1",
        "region=Nowhere&distance_km=2",
        "region=Nord/S%C3%BCd%2050%25&distance_km=2",
        "region=Nord/S%C3%BCd%2050%25&distance_km=2&priority=3",
        "region=South&distance_km=2&secret=1",
        "region=South&region=North&distance_km=2",
    ] {
        let answer = get(&router, &format!("/api/v1/predict?{query}")).await;
        let problem = answer.json();
        let hint = problem["hint"].as_str().map(|hint| format!(" [{hint}]")).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap();
        told.push_str(&format!("{query}\n  {} {detail}{hint}\n", answer.status.as_u16()));
    }
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn a_set_without_a_spread_predicts_nothing() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    published(&desk, set(&["North"], 40.0)).await;
    let answer = get(&router, "/api/v1/predict?region=North&distance_km=2").await;
    insta::assert_snapshot!(answer.shown());
}

async fn three_runs(desk: &MemoryDesk) {
    published(desk, split_set()).await;
    let run_id = running(&desk.store, SCOPE).await.unwrap();
    let refusal = RefusalRow {
        region: "South".to_owned(),
        reason: RefusalReason::TimeTooLong,
        count: 20,
        examples: vec!["I1".to_owned()],
    };
    let mut row = group("South");
    row.detail = GroupDetail { aic: Some(12.5), ..GroupDetail::default() };
    let kept =
        ParameterRow { status: ParameterStatus::CarriedOver, ..parameter("South", "x", 1.0) };
    let set = ParameterSet { groups: vec![row], parameters: vec![kept], ..ParameterSet::default() };
    let whole = publishing(SCOPE, run_id, set);
    let end = Conclusion {
        status: RunStatus::Refused,
        refusals: vec![refusal],
        publication: None,
        exit_code: 7,
        ..whole
    };
    desk.store.conclude(&end).await.unwrap();
    let elsewhere = running(&desk.store, "elsewhere").await.unwrap();
    desk.store.conclude(&ending(elsewhere, RunStatus::Failed)).await.unwrap();
}

#[tokio::test]
async fn runs_are_told_newest_first() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    insta::assert_snapshot!("no_runs", get(&router, "/api/v1/runs").await.shown());
    three_runs(&desk).await;
    insta::assert_snapshot!("runs", get(&router, "/api/v1/runs").await.shown());
    let ids = async |query: &str| {
        let answer = get(&router, &format!("/api/v1/runs?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let runs = answer.json()["runs"].as_array().unwrap().clone();
        runs.iter().map(|run| run["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids("limit=1").await, [2]);
    assert_eq!(ids("status=done").await, [1]);
    assert_eq!(ids("status=failed").await, [0_i64; 0]);
    for query in ["limit=0", "limit=1001", "limit=x", "status=ok", "offset=1"] {
        let answer = get(&router, &format!("/api/v1/runs?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query} {}", answer.body);
    }
}

#[tokio::test]
async fn a_run_is_told_with_all_that_it_left() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    three_runs(&desk).await;
    insta::assert_snapshot!("run", get(&router, "/api/v1/runs/2").await.shown());
    // Neither a run of another scope nor what is no number is there.
    for id in ["3", "4", "x", "-1", "99999999999999999999"] {
        let answer = get(&router, &format!("/api/v1/runs/{id}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id} {}", answer.body);
    }
}

#[tokio::test]
async fn failures_of_the_store_have_their_status() {
    for (kind, expected) in [
        (FailureKind::Unreachable, 503),
        (FailureKind::Busy, 503),
        (FailureKind::Conflict, 503),
        (FailureKind::TimedOut, 504),
        (FailureKind::Denied, 500),
        (FailureKind::Missing, 500),
        (FailureKind::Malformed, 500),
        (FailureKind::SchemaOutdated, 503),
        (FailureKind::SchemaForeign, 503),
        (FailureKind::Full, 507),
        (FailureKind::Taken, 409),
        (FailureKind::Refused, 409),
        (FailureKind::Cancelled, 503),
        (FailureKind::Internal, 500),
    ] {
        let desk = MemoryDesk::new();
        desk.store.faults().on(Operation::Runs, 1, Fault::Reject(kind));
        let answer = get(&open(&desk), "/api/v1/runs").await;
        assert_eq!(answer.status.as_u16(), expected, "{kind:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("retry-after").is_some(), expected == 503, "{kind:?}");
        assert_eq!(answer.json()["hint"], kind.remedy());
    }
}

#[tokio::test]
async fn probes_tell_whether_the_store_answers() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    assert_eq!(get(&router, "/livez").await.body, "ok\n");
    assert_eq!(get(&router, "/readyz").await.status, StatusCode::OK);
    insta::assert_snapshot!("metrics", get(&router, "/metrics").await.shown());
    desk.store.faults().on(Operation::Mark, 1, Fault::Reject(FailureKind::Denied));
    insta::assert_snapshot!("not_ready", get(&router, "/readyz").await.shown());
    assert_eq!(get(&router, "/livez").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_not_ready() {
    let desk = MemoryDesk::new();
    let hold = speedfit::adapters::memory::Hold::default();
    desk.store.faults().on(Operation::Mark, 1, Fault::HoldRequest(hold.clone()));
    let router = open(&desk);
    let probe = tokio::spawn(async move { get(&router, "/readyz").await });
    hold.reached().await;
    // The probe and the request wait for their limits.
    desk.clock.until_sleeping(2).await;
    desk.clock.advance(Duration::from_secs(2));
    insta::assert_snapshot!(probe.await.unwrap().shown());
}

#[tokio::test]
async fn a_process_without_a_schedule_says_so() {
    let answer = get(&open(&MemoryDesk::new()), "/api/v1/schedule").await;
    insta::assert_snapshot!(answer.shown());
}
