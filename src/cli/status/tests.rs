//! What an operator reads on a terminal of 80 columns, in each situation.

use super::*;
use crate::cli::show::tests::run;
use crate::domain::RunId;
use crate::job::history::{PUBLISH, ROLLBACK, RUN};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn publication(id: i64, reason: &str, comment: &str) -> Publication {
    Publication {
        scope: "london".to_owned(),
        run_id: RunId(id),
        published_at: at("2026-02-27T03:00:09Z"),
        published_by: "kim".to_owned(),
        reason: reason.to_owned(),
        comment: comment.to_owned(),
    }
}

fn shown(
    current: Option<Publication>,
    last_run: Option<RunRow>,
    running: Option<(RunRow, Option<bool>)>,
    waiting: Vec<RunRow>,
) -> String {
    let (running, running_is_alive) = running.unzip();
    let running_is_alive = running_is_alive.flatten();
    let document = Document {
        scope: "london",
        store: "SQL Server sql01.example.org:1433, database `planning`, schema `speedfit`".into(),
        next_step: match &running {
            Some(run) => step_beside(run, running_is_alive),
            None => next_step(current.as_ref(), last_run.as_ref(), None),
        },
        rules: Vec::new(),
        last_published: Some(publication(14, RUN, "")).filter(|_| current.is_some()),
        unsure: Vec::new(),
        current,
        last_run,
        running,
        running_is_alive,
        waiting,
    };
    let shown = text(&document, at("2026-03-01T09:00:00Z"), Some(80));
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    shown
}

#[test]
fn after_a_night_without_a_fault() {
    let done = run(14, RunStatus::Done, "33 of 33 groups published");
    insta::assert_snapshot!(shown(Some(publication(14, RUN, "")), Some(done), None, vec![]));
}

#[test]
fn after_a_rollback() {
    let done = run(14, RunStatus::Done, "33 of 33 groups published");
    let comment = "the feed of the night counted minutes as seconds in three boroughs";
    insta::assert_snapshot!(shown(
        Some(publication(12, ROLLBACK, comment)),
        Some(done),
        None,
        vec![]
    ));
}

#[test]
fn after_a_failure_before_anything_was_published() {
    let why = "cannot read the records from SQL Server sql01.example.org:1433: the login failed for \
               user `speedfit_reader`";
    insta::assert_snapshot!(shown(None, Some(run(1, RunStatus::Failed, why)), None, vec![]));
}

#[test]
fn while_a_run_works() {
    let works = run(15, RunStatus::Running, "");
    let current = publication(14, PUBLISH, "checked by hand");
    let running = Some((works.clone(), Some(true)));
    insta::assert_snapshot!(shown(Some(current), Some(works), running, vec![]));
}

#[test]
fn after_deaths() {
    let died = run(15, RunStatus::Running, "");
    let never_begun = run(13, RunStatus::Requested, "");
    let running = Some((died.clone(), Some(false)));
    let current = publication(14, RUN, "");
    insta::assert_snapshot!(shown(Some(current), Some(died), running, vec![never_begun]));
}

#[test]
fn every_end_has_its_next_step() {
    let steps = RunStatus::ALL.iter().map(|&status| {
        let (current, run) = (publication(14, RUN, ""), run(15, status, ""));
        format!("{status}: {}", next_step(Some(&current), Some(&run), None))
    });
    let steps: Vec<String> = steps.collect();
    insta::assert_snapshot!(steps.join("\n"));
    assert_eq!(next_step(None, None, None), "`speedfit run` makes the first set");
    let mut without_records = run(15, RunStatus::Refused, "");
    without_records.counts.rows_used = 0;
    let step = next_step(None, Some(&without_records), None);
    // The judge had nothing to say, so that there is nothing to overrule.
    assert!(step.contains("`speedfit doctor` looks at the source"), "{step}");
    assert!(!step.contains("--force"), "{step}");
    let step = next_step(None, Some(&without_records), Some("widen the window"));
    assert!(step.starts_with("widen the window; "), "{step}");
}

#[test]
fn a_refused_run_has_the_remedy_that_it_gave_until_it_is_published() {
    let message = "nothing published: [refused_values] 5,999 of 6,000 rows …; to mend it: set \
                   `columns.distance_unit` to \"m\"";
    let mut refused = run(15, RunStatus::Refused, message);
    let before = publication(14, RUN, "");
    refused.counts.groups_carried_over = 0;
    assert_eq!(
        next_step(Some(&before), Some(&refused), None),
        "set `columns.distance_unit` to \"m\"; then `speedfit run`; where the records are right, \
         `speedfit publish 15 --reason …` publishes this set"
    );
    let by_hand = publication(15, PUBLISH, "so it is");
    let step = next_step(Some(&by_hand), Some(&refused), None);
    assert_eq!(step, "nothing needs to be done: run 15 was published by hand");
    refused.counts.rows_used = 0;
    assert_eq!(
        next_step(Some(&before), Some(&refused), None),
        "set `columns.distance_unit` to \"m\"; then `speedfit run`"
    );
}
