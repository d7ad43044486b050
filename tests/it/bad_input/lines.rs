//! Rows that show no region, and lines that may not be lost: through the program, whatever the source.

use serde_json::{Value, json};

use super::{Desk, HEADER, rows};

/// Regions of the groups and what became of the rows, of a run's or a fit's document.
fn told(document: &Value) -> (Vec<&str>, Value) {
    let results = document["results"].as_array().unwrap();
    (
        results.iter().map(|group| group["region"].as_str().unwrap()).collect(),
        document["rows"].clone(),
    )
}

/// The sets that a fit and runs from the database and the file make; all must be of these regions.
fn check(desk: &Desk, file: &str, flags: &str, expected: &[&str]) {
    // The gate, which has tests of its own, would refuse files of so many faults.
    let flags = format!("{flags} --json --set gate.skip=unreadable");
    let fitted = desk.done(&format!("fit {file} {flags}")).json();
    assert_eq!(told(&fitted).0, expected, "fit {file}");
    let of_file =
        desk.done(&format!("run --dry-run {flags} --set source.kind=file --set file.path={file}"));
    assert_eq!(told(&of_file.json()).0, expected, "run from {file}");
    desk.done(&format!("import {file} --set embedded.path={file}.db"));
    let imported = desk.done(&format!("run {flags} --set embedded.path={file}.db")).json();
    assert_eq!(told(&imported).0, expected, "run after import of {file}");
    let strip = |document: &Value| {
        let mut results = document["results"].clone();
        for group in results.as_array_mut().unwrap() {
            // The records are the same; only what is said of the publication differs.
            for key in ["verdict", "message"] {
                group.as_object_mut().unwrap().remove(key);
            }
        }
        results
    };
    assert_eq!(strip(&imported), strip(&of_file.json()), "{file}");
}

#[test]
fn a_row_that_cannot_be_read_makes_no_region() {
    let desk = Desk::new();
    let good = rows("North", 60);
    desk.write(
        "shift.csv",
        format!(
            "incident_id,address,region,occurred_at,priority,distance_km,travel_time_s\n{}\
             x,1 Main St, Apt 4,North,2026-03-01T10:00:00Z,1,3,300\n\
             y,2 Main St\nB,North,2026-03-01T10:00:00Z,1,3,300\n",
            good.replace(",North,", ",1 Main St,North,")
        ),
    );
    check(&desk, "shift.csv", "", &["North"]);
    desk.write("joined.csv", format!("{HEADER}{good}\u{feff}{HEADER}{}", rows("South", 60)));
    check(&desk, "joined.csv", "", &["North", "South"]);
    let washington = rows("Washington, DC", 60);
    desk.write("comma.csv", format!("{HEADER}{good}{washington}"));
    check(&desk, "comma.csv", "", &["North"]);
    desk.write("value.csv", format!("{HEADER}{good}1,Odd,2026-03-01T10:00:00Z,1,3,\"1,234\"\n"));
    check(&desk, "value.csv", "", &["North"]);
    desk.write("bytes.csv", [HEADER.as_bytes(), good.as_bytes(), b"1,S\xfcd,,1,3,300\n"].concat());
    check(&desk, "bytes.csv", "", &["North"]);
}

/// The row stands in no night, and was published in every one.
#[test]
fn a_shifted_row_is_published_in_no_night() {
    let desk = Desk::new();
    let shifted = "x,1,2,North,2026-03-01T10:00:00Z,1,3,300\n";
    desk.write("two.csv", format!("{HEADER}{}{shifted}", rows("North", 120)));
    desk.done("import two.csv");
    for window in ["--to 2026-03-10", "--from 2026-03-10"] {
        let run = desk.done(&format!("run {window} --json")).json();
        assert_eq!(told(&run).0, ["North"], "{window}");
        assert_eq!(run["rows"]["refused"], json!({ "unreadable": 1 }), "{window}");
    }
    assert!(!desk.current().contains(",1,"), "{}", desk.current());
}

#[test]
fn a_region_outside_the_window_is_not_met() {
    let desk = Desk::new();
    let old = rows("OLD", 5).replace("2026-", "2020-");
    let timeless = "t,Timeless,,1,3,300\n";
    desk.write("x.csv", format!("{HEADER}{}{}{old}{timeless}", rows("A", 60), rows("B", 60)));
    check(&desk, "x.csv", "--from 2026-01-01", &["A", "B"]);
}

#[test]
fn a_stray_quotation_mark_is_a_refusal_and_no_line_is_lost() {
    let desk = Desk::new();
    let mut lines: Vec<String> = rows("A", 69).lines().map(|line| format!("{line},ok\n")).collect();
    let header = HEADER.replace('\n', ",note\n");
    let fit = |lines: &[String]| {
        desk.write("q.csv", header.clone() + &lines.concat());
        desk.done("fit q.csv --json").json()["rows"].clone()
    };
    lines[5] = lines[5].replace("ok", "\"5 ft hose left");
    for later in ["tag\" end", "\"whole\"", "tag\"", "ok"] {
        lines[59] = lines[58].replace("ok", later);
        let expected = json!({ "read": 69, "used": 68, "refused": { "unreadable": 1 } });
        assert_eq!(fit(&lines), expected, "{later}");
    }
    // A text of several lines is one row.
    lines[5] = lines[4].replace("ok", "\"5 ft\nhose, left\n\"");
    lines[59] = lines[58].clone();
    assert_eq!(fit(&lines), json!({ "read": 69, "used": 69, "refused": {} }));
}

#[test]
fn what_all_rows_have_is_said_in_the_error() {
    let desk = Desk::new();
    let good = rows("A", 20);
    let check = |name: &str, text: Vec<u8>, stderr: &str| {
        desk.write(name, [HEADER.as_bytes(), &text].concat());
        desk.comes_to_nothing(&format!("fit {name}"), stderr);
    };
    let latin1: Vec<u8> =
        good.replace(",A,", ",S?d,").bytes().map(|b| if b == b'?' { 0xf8 } else { b }).collect();
    check(
        "latin1.csv",
        latin1,
        "error: nothing fitted: all 20 rows of `latin1.csv` were refused, 20 as unreadable: line 2: \
         `S\\xf8d` in column `region` is not text in UTF-8\n\
         hint: save the file as UTF-8, such as by `iconv -f latin1 -t utf-8`\n",
    );
    check(
        "trail.csv",
        good.replace('\n', ",\n").into_bytes(),
        "error: nothing fitted: all 20 rows of `trail.csv` were refused, 20 as unreadable: line 2: \
         7 fields where the header has 6, and nothing in those beyond\n\
         hint: take away the delimiters at the ends of the lines\n",
    );
    check(
        "minutes.csv",
        good.lines().map(|line| format!("{line} s\n")).collect::<String>().into_bytes(),
        "error: nothing fitted: all 20 rows of `minutes.csv` were refused, 20 as unreadable_time: \
         line 2: `74.0 s` in column `travel_time_s` is not a number\n\
         hint: write numbers as `1234.5`; the columns' names are settings under `columns`\n",
    );
}
