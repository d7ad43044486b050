//! Traces and metrics for a collector, in builds with that feature; what a build without it says.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::program::Night;
#[cfg(feature = "otlp")]
use super::receiver::{Answer, Got};
use crate::support::program::Ended;

fn run(night: &Night, url: &str, flags: &[&str]) -> Ended {
    let url = format!("metrics.otlp_url={url}");
    let mut command = night.desk.command(&["run", "--scope", "city", "--set", &url]);
    command.args(flags).env("SPEEDFIT_OTLP_HEADERS", "x-key=s3cret, x-tenant = a=b");
    tokio::task::block_in_place(|| Ended::of(command.output().unwrap()))
}

#[cfg(not(feature = "otlp"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_build_without_it_says_so() {
    let night = Night::new(&[]).await;
    let ended = run(&night, "https://collector.example.org", &[]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("needs a build of speedfit with the feature `otlp`"));
    assert!(night.receiver.got().is_empty());
}

#[cfg(feature = "otlp")]
fn holds(got: &Got, text: &str) -> bool {
    got.body.windows(text.len()).any(|part| part == text.as_bytes())
}

#[cfg(feature = "otlp")]
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_the_spans_and_the_metrics_of_a_run() {
    let night = Night::new(&[]).await;
    let ended = run(&night, &night.receiver.url("/otel/"), &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let got = night.receiver.got();
    let of = |path: &str| got.iter().filter(|got| got.path == path).collect::<Vec<_>>();
    let (traces, metrics) = (of("/otel/v1/traces"), of("/otel/v1/metrics"));
    assert!(!traces.is_empty() && metrics.len() == 1, "{} {}", traces.len(), metrics.len());
    for got in &got {
        assert_eq!(
            (got.method.as_str(), got.header("content-type")),
            ("POST", "application/x-protobuf")
        );
        assert_eq!((got.header("x-key"), got.header("x-tenant")), ("s3cret", "a=b"));
        assert!(holds(got, "service.name") && holds(got, "speedfit"));
    }
    for part in ["run", "read", "fit", "judge", "publish", "tell", "scope", "city"] {
        assert!(traces.iter().any(|got| holds(got, part)), "no {part}");
    }
    for (name, _) in speedfit::telemetry::metrics::METRICS {
        assert!(holds(metrics[0], name), "no {name}");
    }
    assert!(!ended.stderr.contains("s3cret"));
}

#[cfg(feature = "otlp")]
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_fails_or_is_silent_changes_nothing_but_the_log() {
    let night = Night::new(&[Answer::Status(400), Answer::Status(400)]).await;
    let ended = run(&night, &night.receiver.url(""), &["--log-level", "trace"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("the metrics could not be exported"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("s3cret"));
    let silent = Night::new(&[Answer::Hang, Answer::Hang, Answer::Hang, Answer::Hang]).await;
    let flags = ["--set", "metrics.timeout_s=1"];
    let ended = run(&silent, &silent.receiver.url(""), &flags);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[cfg(feature = "otlp")]
#[tokio::test(flavor = "multi_thread")]
async fn headers_do_not_travel_in_the_clear() {
    let night = Night::new(&[]).await;
    let ended = run(&night, "http://collector.example.org", &[]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("headers are sent by `https://…`"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("s3cret"));
}
