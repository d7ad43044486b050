//! `diff`, `show`, `status` and `report` on sets that a run made.

use super::{night, three_nights};
use crate::support::program::Desk;

#[test]
fn diff_takes_the_sets_that_are_meant() {
    let (desk, [first, second, third]) = three_nights();
    let check = |runs: &[&str], before: i64, after: i64| {
        let diff = desk.expect(0, &[&["diff", "--json"], runs].concat()).json();
        assert_eq!((&diff["before"], &diff["after"]), (&before.into(), &after.into()), "{runs:?}");
        diff
    };
    let name = |run: i64| run.to_string();
    check(&[], second, third);
    check(&[&name(first)], third, first);
    check(&[&name(first), &name(second)], first, second);
    let diff = check(&[&name(first), "current"], first, third);
    // Every trip takes 1.2 times as long as in the first night, at any distance.
    for group in diff["groups"].as_array().unwrap() {
        assert_eq!(group["change"], "values");
        for effect in group["p90"].as_array().unwrap() {
            let change = effect["change"].as_f64().unwrap();
            assert!((change - 0.2).abs() < 5e-3, "{effect}");
        }
    }
    assert_eq!(check(&["last", "current"], third, third)["n_same"], 2);
    let two = desk.expect(0, &["diff", "--limit", "1"]).stdout;
    assert!(two.contains("… and 1 more: `speedfit diff"), "{two}");
    let ended = desk.expect(8, &["diff", "99"]);
    assert!(ended.stderr.contains("there is no run 99"), "{}", ended.stderr);
}

#[test]
fn new_groups_are_told_apart_from_changed_ones() {
    let desk = Desk::new();
    night(&desk, &[("North", 1.0)]);
    night(&desk, &[("North", 1.0), ("South", 1.0)]);
    let shown = desk.expect(0, &["diff"]).stdout;
    let head = "changes   from run 1 to run 2: 0 groups changed, 1 new, 1 the same\n";
    assert!(shown.starts_with(head), "{shown}");
    assert!(shown.contains("South") && !shown.contains("North"), "{shown}");
}

#[test]
fn show_says_when_a_set_was_current() {
    let (desk, [first, second, _]) = three_nights();
    let lines = |run: i64| -> Vec<String> {
        let shown = desk.expect(0, &["show", &run.to_string()]).stdout;
        shown.lines().filter(|l| l.starts_with("current ")).map(str::to_owned).collect()
    };
    let once = lines(first);
    // No variable names the user here, so the account does.
    assert!(once.len() == 1 && once[0].ends_with(" (run)"), "{once:?}");
    assert!(once[0].contains(", by ") && !once[0].contains("unknown"), "{once:?}");
    desk.expect(0, &["rollback", &first.to_string(), "--reason", "bad feed"]);
    let twice = lines(first);
    assert_eq!(twice.len(), 2, "{twice:?}");
    assert!(twice[0].contains(" to now, by "), "{twice:?}");
    assert!(twice[0].ends_with(" (rollback), “bad feed”"), "{twice:?}");
    assert_eq!(lines(second).len(), 1);
}

#[test]
fn a_report_is_made_from_the_store() {
    let (desk, [first, second, _]) = three_nights();
    let told = desk.expect(0, &["report", &second.to_string()]).stdout;
    assert_eq!(told, format!("report    speedfit-output/report-{second}.html\n"));
    let html = std::fs::read_to_string(desk.path(&format!("speedfit-output/report-{second}.html")));
    let html = html.unwrap();
    for part in ["North", "South", "no observed times stand beside them", "<svg", "2 of 2 groups"] {
        assert!(html.contains(part), "{part}");
    }
    // That of the run itself drew what was observed, this one cannot; the set before is in both.
    let live = std::fs::read_to_string(desk.path("speedfit-output/report.html")).unwrap();
    assert!(live.contains("key observed") && !html.contains("key observed"));
    assert!(html.contains("key previous"));
    let told = desk.expect(0, &["report", &first.to_string(), "--output", "r.html", "--json"]);
    assert_eq!(told.json(), serde_json::json!({ "run_id": first, "report": "r.html" }));
    let html = std::fs::read_to_string(desk.path("r.html")).unwrap();
    assert!(!html.contains("key previous"));

    let ended = desk.expect(8, &["report", "99"]);
    assert!(ended.stderr.contains("there is no run 99"), "{}", ended.stderr);
    desk.expect(1, &["report", "last", "--output", "no/such/folder/r.html"]);
}
