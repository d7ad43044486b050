//! Rows that cannot be right are counted under their reason, and names stay as they are.

use serde_json::{Value, json};

use super::{Desk, HEADER, rows};

/// Every kind of dirt, the reason under which it is counted beside it.
const DIRT: &[(&str, &str)] = &[
    ("d1,A,2026-03-01T10:00:00Z,1,,300", "null_field"),
    ("d2,A,2026-03-01T10:00:00Z,1,3,", "null_field"),
    ("d3,,2026-03-01T10:00:00Z,1,3,300", "null_field"),
    ("d4,   ,2026-03-01T10:00:00Z,1,3,300", "null_field"),
    ("d5,A,,1,3,300", "null_field"),
    ("d6,A,2026-03-01T10:00:00Z,1,0,300", "distance_too_short"),
    ("d7,A,2026-03-01T10:00:00Z,1,-3,300", "distance_too_short"),
    ("d8,A,2026-03-01T10:00:00Z,1,3,0", "time_not_positive"),
    ("d9,A,2026-03-01T10:00:00Z,1,3,-300", "time_not_positive"),
    ("d10,A,2026-03-01T10:00:00Z,1,0.3,3", "time_too_short"),
    ("d11,A,2026-03-01T10:00:00Z,1,1e300,300", "distance_too_long"),
    ("d12,A,2026-03-01T10:00:00Z,1,3,1e300", "time_too_long"),
    ("d13,A,2026-03-01T10:00:00Z,1,1e999,300", "non_finite"),
    ("d14,A,2026-03-01T10:00:00Z,1,NaN,300", "non_finite"),
    ("d15,A,2026-03-01T10:00:00Z,1,3,-inf", "non_finite"),
    ("d16,A,2026-03-01T10:00:00Z,1,40,60", "speed_implausible"),
    ("d17,A,2026-03-01T10:00:00Z,1,0.5,7000", "speed_implausible"),
    ("d18,A,1066-10-14T10:00:00Z,1,3,300", "outside_window"),
    ("d19,A,2999-03-01T10:00:00Z,1,3,300", "outside_window"),
    ("d20,A,2026-03-01T10:00:00Z,1,three,300", "unreadable_distance"),
    ("d21,A,yesterday,1,3,300", "unreadable"),
    ("d22,A,2026-03-01T10:00:00Z,1,3", "unreadable"),
    ("d23,A,2026-03-01T10:00:00Z,1,3,300,more", "unreadable"),
    ("d24,A\u{1b}[31m,2026-03-01T10:00:00Z,1,3,300", "unknown_region"),
    ("0,A,2026-03-01T10:00:00Z,1,3,300", "repeated_id"),
];

const FLAGS: &str = "--from 2026-01-01 --to 2027-01-01 --set accept.repeated_ids=refuse --json";

fn dirty() -> (String, Value) {
    let long = "L".repeat(300);
    let mut csv = format!("{HEADER}{}", rows("A", 60));
    let mut expected = serde_json::Map::new();
    for (row, reason) in DIRT {
        csv.push_str(&format!("{row}\n"));
        let count = expected.get(*reason).and_then(Value::as_u64).unwrap_or(0);
        expected.insert((*reason).to_owned(), json!(count + 1));
    }
    csv.push_str(&format!("long,{long},2026-03-01T10:00:00Z,1,3,300\n"));
    expected.insert("unknown_region".to_owned(), json!(2));
    let refused = DIRT.len() + 1;
    (csv, json!({ "read": 60 + refused, "used": 60, "refused": expected }))
}

#[test]
fn dirt_is_counted_under_its_reason() {
    let desk = Desk::new();
    let (csv, expected) = dirty();
    desk.write("dirty.csv", csv);
    assert_eq!(desk.done(&format!("fit dirty.csv {FLAGS}")).json()["rows"], expected);

    desk.done("import dirty.csv");
    // The database leaves out what lies outside the window; what has no time it cannot.
    let (mut counted, outside) = (expected.clone(), 2);
    counted["refused"].as_object_mut().unwrap().remove("outside_window").unwrap();
    counted["read"] = json!(expected["read"].as_u64().unwrap() - outside);
    assert_eq!(desk.done(&format!("run {FLAGS}")).json()["rows"], counted);
    let results: Value =
        serde_json::from_str(&desk.read("speedfit-output/run_results.json")).unwrap();
    assert_eq!(results["rows"], counted);

    let shown = desk.done("show last --json").json();
    let mut by_reason = serde_json::Map::new();
    for row in shown["refusals"].as_array().unwrap() {
        let sum = by_reason.entry(row["reason"].as_str().unwrap()).or_insert(json!(0));
        *sum = json!(sum.as_u64().unwrap() + row["count"].as_u64().unwrap());
    }
    assert_eq!(Value::Object(by_reason), counted["refused"]);
    assert_eq!(shown["run"]["rows_read"], counted["read"]);
    assert_eq!(shown["run"]["rows_used"], 60);
    // What steers a terminal stays out of it.
    let text = desk.done("show").stdout;
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn without_a_window_no_time_is_needed_and_repeats_are_kept() {
    let desk = Desk::new();
    desk.write("dirty.csv", dirty().0);
    let document = desk.done("fit dirty.csv --json").json();
    assert_eq!(document["rows"]["used"], 64);
    for reason in ["outside_window", "repeated_id"] {
        assert_eq!(document["rows"]["refused"][reason], Value::Null, "{reason}");
    }
}

const ODD: [&str; 12] = [
    "a/b",
    "O'Hara",
    "why?",
    "Nørrebro",
    "日本橋",
    "x, y",
    "quo\"te",
    "A?%20&<b>",
    "..",
    "=1+1",
    "-",
    "Œuvre\u{200d}👨\u{200d}👩\u{200d}👧",
];

fn names(rows: &Value) -> Vec<&str> {
    let mut names: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| row["region"].as_str().unwrap()).collect();
    names.dedup();
    names
}

#[test]
fn odd_names_come_out_as_they_went_in() {
    let desk = Desk::new();
    let mut sorted = ODD;
    sorted.sort_unstable();
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let csv: String = ODD.iter().map(|name| rows(&quoted(name), 50)).collect();
    desk.write("odd.csv", format!("{HEADER}{csv}"));

    let table = desk.done("fit odd.csv").stdout;
    // A joiner has no width: two names that look alike would differ by it.
    for name in ODD.map(|name| name.replace('\u{200d}', r"\u{200d}")) {
        assert!(table.lines().any(|line| line.starts_with(&name)), "{name}\n{table}");
    }
    desk.done("fit odd.csv --output p.json --groups g.csv --report r.html");
    assert_eq!(names(&serde_json::from_str(&desk.read("p.json")).unwrap()), sorted);
    let groups = desk.read("g.csv");
    let mut reader = csv::Reader::from_reader(groups.as_bytes());
    let regions: Vec<_> = reader.records().map(|row| row.unwrap()[2].to_owned()).collect();
    assert_eq!(regions, sorted);
    let report = desk.read("r.html");
    assert!(report.contains("日本橋") && !report.contains("<b>"));

    desk.done("import odd.csv");
    let run = desk.done("run --json").json();
    assert_eq!(names(&run["results"]), sorted);
    assert_eq!(names(&desk.done("show current --json").json()["groups"]), sorted);
    desk.done("export --output p2.json --groups g2.csv");
    assert_eq!(names(&serde_json::from_str(&desk.read("p2.json")).unwrap()), sorted);
    let selected = Desk::said_by(desk.command(&["fit", "odd.csv", "--json", "--select", "why?"]));
    assert_eq!(names(&selected.json()["results"]), ["why?"]);
}

/// Weights are held in single precision: one that would become infinite or zero there is refused, and
/// what is used stands behind every figure.
#[test]
fn a_weight_out_of_range_is_refused() {
    let desk = Desk::new();
    let weights = ["1e39", "1e100", "1e-46", "1e30", "1e-30", "1", ""];
    let mut csv = HEADER.trim_end().to_owned() + ",weight\n";
    for (i, row) in rows("A", 70).lines().enumerate() {
        csv.push_str(&format!("{row},{}\n", weights[i % weights.len()]));
    }
    desk.write("weights.csv", csv);
    let fitted = desk.run("fit weights.csv --json").json();
    assert_eq!(fitted["rows"]["refused"], json!({ "weight_out_of_range": 30 }));
    assert_eq!(
        (&fitted["rows"]["used"], &fitted["results"][0]["n_used"]),
        (&json!(40), &json!(40))
    );

    let heavy = "region,distance_km,travel_time_s,weight\nA,3,300,1e100\nA,4,400,1e100\n";
    desk.write("heavy.csv", heavy);
    let output = desk.run("fit heavy.csv");
    assert!(output.stderr.contains("`columns.weight`"), "{}", output.stderr);
}
