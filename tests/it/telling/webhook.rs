//! The webhook by itself: what arrives, what is tried again, what ends it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use speedfit::adapters::web::{Address, Courier, Patience, Webhook};
use speedfit::domain::{NoticeKind, RunNotice, RunStatus, Trigger};
use speedfit::ports::{Clock as _, FailureKind, Herald as _, PortError, PortResult};
use tokio_util::sync::CancellationToken;

use super::receiver::{Answer, Receiver};
use crate::support::at;
use crate::support::clock::HastyClock;

/// A limit that passes only when a test says so.
const TIMEOUT: Duration = Duration::from_secs(100);
const START: &str = "2026-02-01T03:00:00Z";

fn notice() -> RunNotice {
    RunNotice {
        kind: NoticeKind::Failed,
        scope: "city".to_owned(),
        trigger: Trigger::Timer,
        requested_by: "schedule".to_owned(),
        window: None,
        status: RunStatus::Failed,
        exit_code: Some(5),
        message: "cannot open the store".to_owned(),
        hint: "check that it is up".to_owned(),
        at: at(START),
        run: None,
        previous: None,
    }
}

struct Desk {
    receiver: Receiver,
    clock: Arc<HastyClock>,
    webhook: Webhook,
}

async fn desk(script: &[Answer], attempts: u32) -> Desk {
    let receiver = Receiver::new(script).await;
    let clock = Arc::new(HastyClock::new(at(START)));
    let webhook = webhook(&receiver.url("/hooks/T0pSecret"), &clock, attempts);
    Desk { receiver, clock, webhook }
}

fn webhook(url: &str, clock: &Arc<HastyClock>, attempts: u32) -> Webhook {
    let courier = Courier::new(clock.clone(), Patience { attempts, timeout: TIMEOUT }).unwrap();
    Webhook::new(courier, Address::private(url).unwrap(), Some(SecretString::from("k3y")))
}

async fn told(desk: &Desk) -> PortResult<()> {
    desk.webhook.tell(&notice(), &CancellationToken::new()).await
}

/// The error with its causes; nothing of it may hold the secret part of the address.
fn text(error: &PortError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    assert!(
        !text.contains("T0pSecret") && !format!("{error:?}").contains("T0pSecret"),
        "{error:?}"
    );
    text
}

#[tokio::test]
async fn a_notice_arrives_once_whole_and_signed() {
    let desk = desk(&[], 4).await;
    told(&desk).await.unwrap();
    let got = desk.receiver.got();
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].method.as_str(), got[0].path.as_str()), ("POST", "/hooks/T0pSecret"));
    assert_eq!(got[0].header("content-type"), "application/json");
    assert_eq!(got[0].header("x-speedfit-event"), "failed");
    assert_eq!(got[0].header("x-speedfit-timestamp"), at(START).as_second().to_string());
    assert!(got[0].is_signed_by("k3y") && !got[0].is_signed_by("key"));
    insta::assert_snapshot!(serde_json::to_string_pretty(&got[0].json()).unwrap(), @r#"
    {
      "at": "2026-02-01T03:00:00Z",
      "delivery": "29d849cea4bd403ee7a53501b798bb65",
      "event": "failed",
      "exit_code": 5,
      "hint": "check that it is up",
      "message": "cannot open the store",
      "previous": null,
      "requested_by": "schedule",
      "run": null,
      "schema_version": 1,
      "scope": "city",
      "status": "failed",
      "trigger": "timer",
      "window": null
    }
    "#);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_the_same_number() {
    let script = [
        Answer::Status(500),
        Answer::With(429, "retry-after", "7".to_owned()),
        Answer::With(503, "retry-after", "86400".to_owned()),
        Answer::Status(200),
    ];
    let desk = desk(&script, 4).await;
    told(&desk).await.unwrap();
    let got = desk.receiver.got();
    assert_eq!(got.len(), 4);
    let ids: Vec<_> = got.iter().map(|got| got.header("x-speedfit-delivery")).collect();
    assert!(ids.iter().all(|id| *id == ids[0] && id.len() == 32), "{ids:?}");
    assert!(got.iter().all(|one| one.body == got[0].body && one.is_signed_by("k3y")));
    // Half a second to a second; what was asked for; what was asked for, within reason.
    let at = |nth: usize| -> i64 { got[nth].header("x-speedfit-timestamp").parse().unwrap() };
    assert!((0..=1).contains(&(at(1) - at(0))));
    assert!((7..=8).contains(&(at(2) - at(1))));
    assert!((30..=31).contains(&(at(3) - at(2))));
}

async fn check_answer(script: &[Answer], n_tries: usize, expected: (FailureKind, &str)) {
    let desk = desk(script, 3).await;
    let error = told(&desk).await.unwrap_err();
    assert_eq!((error.kind, text(&error).as_str()), expected);
    assert!(!error.remedy().is_empty());
    assert_eq!(desk.receiver.got().len(), n_tries);
}

#[tokio::test]
async fn what_will_not_pass_is_told_at_once_and_what_does_not_at_the_end() {
    use FailureKind::{Busy, Denied, Malformed, Missing};
    let status = Answer::Status;
    check_answer(&[status(400)], 1, (Malformed, "`127.0.0.1` answered 400 (1 try)")).await;
    check_answer(&[status(403)], 1, (Denied, "`127.0.0.1` answered 403 (1 try)")).await;
    check_answer(&[status(404)], 1, (Missing, "`127.0.0.1` answered 404 (1 try)")).await;
    let always = [status(500), status(502), status(503), status(200)];
    check_answer(&always, 3, (Busy, "`127.0.0.1` answered 503 (3 tries)")).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::new(&[]).await;
    let away = Answer::With(307, "location", elsewhere.url("/x"));
    check_answer(&[away], 1, (FailureKind::Malformed, "`127.0.0.1` answered 307 (1 try)")).await;
    assert!(elsewhere.got().is_empty());
}

#[tokio::test]
async fn silence_has_a_limit_and_is_tried_again() {
    let desk = desk(&[Answer::Hang, Answer::Hang, Answer::Status(200)], 3).await;
    let patient = async {
        for n in 1..=2 {
            desk.receiver.until(n).await;
            desk.clock.expire();
        }
    };
    let (told, ()) = tokio::join!(told(&desk), patient);
    told.unwrap();
    assert_eq!(desk.receiver.got().len(), 3);
}

#[tokio::test]
async fn silence_to_the_end_is_told_as_such() {
    let desk = desk(&[Answer::Hang], 1).await;
    let patient = async {
        desk.receiver.until(1).await;
        desk.clock.expire();
    };
    let (told, ()) = tokio::join!(told(&desk), patient);
    let error = told.unwrap_err();
    assert_eq!(error.kind, FailureKind::TimedOut);
    assert_eq!(text(&error), "`127.0.0.1` gave no answer within 100 s (1 try)");
}

#[tokio::test]
async fn the_stop_signal_ends_it() {
    let desk = desk(&[Answer::Hang], 5).await;
    let cancel = CancellationToken::new();
    let stop = async {
        desk.receiver.until(1).await;
        cancel.cancel();
    };
    let notice = notice();
    let (told, ()) = tokio::join!(desk.webhook.tell(&notice, &cancel), stop);
    assert_eq!(told.unwrap_err().kind, FailureKind::Cancelled);
    assert_eq!(desk.receiver.got().len(), 1);
}

#[tokio::test]
async fn nobody_at_home_is_told_without_the_address() {
    let gone = Receiver::new(&[]).await.url("/hooks/T0pSecret");
    let clock = Arc::new(HastyClock::new(at(START)));
    let begun: Timestamp = clock.now();
    let error = webhook(&gone, &clock, 4).tell(&notice(), &CancellationToken::new()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind, FailureKind::Unreachable);
    assert!(text(&error).starts_with("cannot reach `127.0.0.1` (4 tries): "), "{}", text(&error));
    // Waits of one, two and four seconds, each between half and all of it.
    let waited_s = clock.now().duration_since(begun).as_secs_f64();
    assert!((3.5..=7.0).contains(&waited_s), "{waited_s}");
}
