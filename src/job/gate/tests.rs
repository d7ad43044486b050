//! Each rule of the gate on a night that passes all of them but for one change.

mod form;

use super::*;
use crate::domain::record::RecordRef;
use crate::domain::{GroupOutcome, IncidentId, Limits, RecordBatch, RowFault, Splits};
use crate::job::assemble;
use crate::job::collect::Collector;
use crate::job::plan::RepeatedIds;

/// A row of a source; hours count from the first record.
#[derive(Debug, Clone, Default)]
struct Row {
    id: u32,
    region: String,
    hour: u32,
    km: Option<f64>,
    s: Option<f64>,
    fault: Option<&'static str>,
}

const BEGIN: i64 = 1_700_000_000;

fn at(hour: u32) -> Timestamp {
    Timestamp::from_second(BEGIN + i64::from(hour) * 3600).unwrap()
}

/// Sixty days of trips in ten regions, twenty a day, up to the given hour.
fn trips(from_hour: u32, to_hour: u32) -> Vec<Row> {
    let of = |id: u32| {
        let km = 0.6 + f64::from(id * 7 % 53) * 0.09;
        let pace = 0.7 + f64::from(id * 11 % 31) * 0.02;
        Row {
            id,
            region: format!("R{}", id % 10),
            hour: id * 6 / 5,
            km: Some(km),
            s: Some(90.0 + 120.0 * km.sqrt() * pace),
            fault: None,
        }
    };
    (0..)
        .map(of)
        .skip_while(|row| row.hour < from_hour)
        .take_while(|row| row.hour < to_hour)
        .collect()
}

const NIGHT: u32 = 60 * 24;

struct Seen {
    watch: Watch,
    groups: Vec<FittedGroup>,
    set: ParameterSet,
}

/// What a run makes of rows that starts at this hour.
fn seen(rows: &[Row], hour: u32, current: Option<&ParameterSet>) -> Seen {
    let (limits, splits) = (Limits::default(), Splits::default());
    let watch = Watch::new(moments(at(hour), at(hour), current), Units::default());
    let mut collector = Collector::new(&limits, &splits, RepeatedIds::Keep).watching(watch);
    for some in rows.chunks(1000) {
        let mut batch = RecordBatch::default();
        for row in some {
            let id = row.id.to_string();
            batch.push(RecordRef {
                incident_id: Some(IncidentId::Text(&id)),
                region: Some(row.region.as_str()).filter(|name| !name.is_empty()),
                occurred_at_us: Some(at(row.hour).as_microsecond()),
                distance_km: row.km,
                travel_time_s: row.s,
                fault: row.fault.map(RowFault::row),
                ..RecordRef::default()
            });
        }
        collector.take(&batch).unwrap();
    }
    let collected = collector.finish();
    let groups: Vec<FittedGroup> = collected.groups.iter().map(fitted).collect();
    let mut set = assemble::unjudged("s", "kwh", &groups, 3.0);
    for row in &mut set.groups {
        let is_fitted = row.n_used > 0;
        row.outcome = if is_fitted { GroupOutcome::Fitted } else { GroupOutcome::Fallback };
    }
    Seen { watch: collected.watch, groups, set }
}

fn fitted(group: &crate::job::collect::GroupRecords) -> FittedGroup {
    let (observed, earlier, shape) = observed(&group.watch, &group.samples);
    FittedGroup {
        key: group.key.clone(),
        n_used: group.samples.len() as u64,
        n_refused: group.n_refused,
        shortest_km: 0.0,
        longest_km: 0.0,
        class_shares: Vec::new(),
        bins: Vec::new(),
        current_metrics: None,
        fit: Err(String::new()),
        pooled: None,
        held_out: None,
        held_out_from: None,
        choice: String::new(),
        observed,
        earlier,
        shape,
        n_old: group.watch.n_old,
    }
}

fn findings(rules: &GateRules, of: &Seen, current: Option<&ParameterSet>) -> Vec<GateFinding> {
    let question = Question {
        rules,
        watch: &of.watch,
        groups: &of.groups,
        window: Window::ALL,
        min_records: 40,
        set: &of.set,
        current,
        current_as_of: of.watch.moments.cut,
        current_counts: None,
    };
    question.findings(|_| true)
}

/// The first finding on a first night, or nothing.
fn check_first(change: impl Fn(&mut Vec<Row>), expected: &str) {
    let mut rows = trips(0, NIGHT);
    change(&mut rows);
    let of = seen(&rows, NIGHT, None);
    check(&findings(&GateRules::default(), &of, None), expected);
}

/// The first finding on the night after a good one, of all rows up to that night.
fn check_next(change: impl Fn(&mut Vec<Row>), expected: &str) {
    check_night(&trips(0, NIGHT), change, expected);
}

fn check_night(good: &[Row], change: impl Fn(&mut Vec<Row>), expected: &str) {
    let before = seen(good, NIGHT, None).set;
    let mut rows = trips(0, NIGHT + 24);
    change(&mut rows);
    let of = seen(&rows, NIGHT + 24, Some(&before));
    check(&findings(&GateRules::default(), &of, Some(&before)), expected);
}

fn check(findings: &[GateFinding], expected: &str) {
    let told = findings.first().map(|f| format!("{}: {f}", f.severity)).unwrap_or_default();
    assert!(
        told.starts_with(expected) && told.is_empty() == expected.is_empty(),
        "{told}, expected {expected}"
    );
    for finding in findings {
        assert!(!finding.remedy.is_empty(), "{finding:?}");
    }
}

/// Changes one row in so many.
fn every(n: usize, rows: &mut [Row], change: impl Fn(&mut Row)) {
    rows.iter_mut().step_by(n).for_each(change);
}

#[test]
fn an_honest_night_passes() {
    check_first(|_| {}, "");
    check_next(|_| {}, "");
    check_first(|rows| every(4, rows, |row| row.s = None), "");
    check_first(|rows| every(40, rows, |row| row.s = Some(8000.0)), "");
    check_first(|rows| every(12, rows, |row| row.km = Some(0.0)), "");
    check_first(
        |rows| {
            every(4, rows, |row| row.fault = Some("line 2: `NULL` in column `t` is not a number"));
        },
        "",
    );
    check_first(|rows| rows.truncate(99), "");
}

#[test]
fn rows_refused_for_what_they_hold_are_few() {
    const COMMA: &str = "line 2: `1,234` in column `t` is not a number";
    check_first(
        |rows| every(20, rows, |row| row.fault = Some(COMMA)),
        "refuse: [unreadable] 60 of 1,200 rows could not be read, 5 %, more than 1 %: for example \
         `1,234` in column `t`, which looks like a number with thousands separators",
    );
    check_first(
        |rows| every(30, rows, |row| row.fault = Some("line 7: 5 fields where the header has 6")),
        "refuse: [unreadable] 40 of 1,200 rows could not be read, 3.33 %, more than 1 %: line 7",
    );
    check_first(
        |rows| every(12, rows, |row| row.s = Some(9000.0)),
        "refuse: [refused_values] 100 of 1,200 rows were refused for their distance, time or speed, \
         8.33 %, more than 5 %",
    );
    check_first(
        |rows| every(6, rows, |row| row.km = Some(0.0)),
        "refuse: [zero_values] 200 of 1,200 rows have a distance or time of exactly zero, 16.7 %, \
         more than 10 %",
    );
    check_first(
        |rows| rows.iter_mut().skip(500).for_each(|row| row.s = None),
        "refuse: [refused_others] 700 of 1,200 rows were refused for a field that is missing or not \
         known, 58.3 %, more than 50 %",
    );
}

#[test]
fn shares_are_compared_with_those_of_the_published_set() {
    check_next(
        |rows| every(25, rows, |row| row.s = Some(9000.0)),
        "refuse: [refused_values] 49 of 1,220 rows were refused for their distance, time or speed, \
         4.02 %; the published set had 0 %, and at most 3 % more is accepted",
    );
    check_next(
        |rows| every(5, rows, |row| row.s = None),
        "refuse: [refused_others] 244 of 1,220 rows were refused",
    );
    let mut good = trips(0, NIGHT);
    every(25, &mut good, |row| row.s = Some(9000.0));
    check_night(&good, |rows| every(25, rows, |row| row.s = Some(9000.0)), "");
}

#[test]
fn another_unit_is_named_on_the_first_night() {
    let check = |change: fn(&mut Row), reading: &str| {
        let mut rows = trips(0, NIGHT);
        rows.iter_mut().for_each(change);
        let of = seen(&rows, NIGHT, None);
        let found = findings(&GateRules::default(), &of, None);
        assert_eq!(found[0].rule, GateRule::RefusedValues, "{found:?}");
        assert!(found[0].message.ends_with(reading), "{found:?}");
        found[0].remedy.clone()
    };
    let remedy = check(|row| row.km = row.km.map(|x| x * 1000.0), "as distances in metres");
    assert!(remedy.starts_with(r#"set `columns.distance_unit` to "m""#), "{remedy}");
    let remedy = check(|row| row.s = row.s.map(|x| x / 60.0), "as times in minutes");
    assert!(remedy.starts_with(r#"set `columns.time_unit` to "min""#), "{remedy}");
    check(|row| row.s = row.s.map(|x| x * 1000.0), "as times in milliseconds");
    check(|row| std::mem::swap(&mut row.km, &mut row.s), "if distance and time were swapped");
}

#[test]
fn distributions_are_compared_with_those_of_the_published_set() {
    let scaled = |km: f64, s: f64| {
        move |rows: &mut Vec<Row>| {
            for row in rows.iter_mut() {
                row.km = row.km.map(|x| x * km);
                row.s = row.s.map(|x| x * s);
            }
        }
    };
    // Too little for the distribution; that old rows are not what they were is seen all the same.
    check_next(scaled(1.0, 1.2), "refuse: [history] records behind the published set have changed");
    check_next(
        scaled(1.0 / 1.609_344, 1.0),
        "refuse: [distribution] the distances are 0.63 times those of the published set, as miles \
         would be",
    );
    check_next(
        scaled(1000.0, 1.0),
        "refuse: [distribution] the distances are 991 times those of the published set, as metres \
         would be",
    );
    check_next(
        scaled(1.0, 1.0 / 60.0),
        "refuse: [distribution] the travel times are 1.67e-2 times those of the published set, as \
         minutes would be",
    );
    check_next(
        scaled(1.0, 2.0),
        "refuse: [distribution] the 90th percentile of the speeds is 0.50 times",
    );
    check_next(
        scaled(1.3, 1.3),
        "refuse: [history] records behind the published set have changed since, 100 % of those",
    );
    check_first(
        |rows| rows.iter_mut().for_each(|row| row.km = Some(1.0)),
        "refuse: [constant] the distance is 1.00 to 1.06 km in 100 % of the records",
    );
}

#[test]
fn a_group_in_another_unit_is_objected_to() {
    let good = seen(&trips(0, NIGHT), NIGHT, None);
    let mut rows = trips(0, NIGHT);
    for row in rows.iter_mut().filter(|row| row.region == "R3") {
        row.km = row.km.map(|km| km / 1.609);
    }
    let of = seen(&rows, NIGHT, None);
    let objections: Vec<Option<String>> = (of.groups.iter().zip(&good.set.groups))
        .map(|(group, row)| {
            group_objection(&GateRules::default(), group, row.detail.observed.as_ref())
        })
        .collect();
    let told = objections[3].as_deref().unwrap_or_default();
    assert!(told.contains("as miles would be: set `columns.distance_unit`"), "{told}");
    assert_eq!(objections.iter().flatten().count(), 1);
}

#[test]
fn records_are_counted_like_with_like() {
    check_next(|rows| rows.retain(|row| row.id % 2 == 0), "refuse: [row_count] 600 records up to ");
    check_next(
        |rows| {
            let twice = trips(0, NIGHT);
            rows.extend(twice.into_iter().map(|row| Row { id: row.id + 100_000, ..row }));
        },
        "refuse: [row_count] 2,400 records up to ",
    );
    // A window that grows from three days to four holds a third more.
    let before = seen(&trips(0, 72 * 5), 72 * 5, None).set;
    let of = seen(&trips(0, 72 * 10), 72 * 10, Some(&before));
    check(&findings(&GateRules::default(), &of, Some(&before)), "");
    // One that slides on forgets as much as it gains.
    let of = seen(&trips(24 * 20, NIGHT + 24 * 20), NIGHT + 24 * 20, None);
    let before = seen(&trips(0, NIGHT), NIGHT, None).set;
    let mut slid = seen(&trips(24 * 20, NIGHT + 24 * 20), NIGHT + 24 * 20, Some(&before));
    slid.set = of.set;
    check(&findings(&GateRules::default(), &slid, Some(&before)), "");
}

#[test]
fn a_load_done_twice_shows_on_the_first_night() {
    check_first(
        |rows| rows.extend(trips(0, NIGHT)),
        "refuse: [repeated_rows] 50 % of the rows repeat another one",
    );
}

#[test]
fn regions_that_are_not_as_they_were_are_named() {
    check_next(
        |rows| {
            for row in rows.iter_mut().filter(|row| row.region == "R3") {
                row.region = "North".to_owned();
            }
        },
        "warn: [regions] `R3` has no row any more; `North` is new, with records from before the published set",
    );
    check_next(
        |rows| {
            for row in rows.iter_mut().filter(|row| ["R3", "R4", "R5"].contains(&&*row.region)) {
                row.region = "R2".to_owned();
            }
        },
        "refuse: [regions] `R3`, `R4`, `R5` have no row any more; `R2: 120 to 480` has another number",
    );
    // A station that opens has records from then on.
    check_next(
        |rows| {
            let new = trips(NIGHT, NIGHT + 24);
            rows.extend(new.into_iter().map(|row| Row {
                region: "New".to_owned(),
                id: row.id + 9000,
                ..row
            }));
        },
        "",
    );
}

#[test]
fn the_newest_record_ages_with_a_dead_feed() {
    let good = trips(0, NIGHT);
    let before = seen(&good, NIGHT, None).set;
    let night = |hour: u32, current: Option<&ParameterSet>, rules: &GateRules| {
        findings(rules, &seen(&good, hour, current), current)
    };
    let usual = GateRules::default();
    check(&night(NIGHT + 24, Some(&before), &usual), "");
    check(&night(NIGHT + 24 * 3, Some(&before), &usual), "warn: [stale] the newest record is of ");
    check(
        &night(NIGHT + 24 * 9, Some(&before), &usual),
        "refuse: [stale] the newest record is of ",
    );
    // Old records are meant to be old, unless the window ends with the run.
    check(&night(NIGHT + 24 * 900, None, &usual), "");
    let live = GateRules { is_live: true, ..usual.clone() };
    check(&night(NIGHT + 24 * 900, None, &live), "refuse: [stale]");
    let skipped = GateRules { skip: vec![GateRule::Stale], ..live };
    check(&night(NIGHT + 24 * 900, None, &skipped), "");
    check(&night(NIGHT - 24 * 3, None, &usual), "refuse: [future] 58 of 1,200 records");
}

#[test]
fn new_rows_are_looked_at_on_their_own() {
    // Five days more, a hundred rows, so few that the whole hides them.
    let later = |change: fn(&mut Row), expected: &str| {
        let good = trips(0, NIGHT * 4);
        let before = seen(&good, NIGHT * 4, None).set;
        let mut rows = trips(0, NIGHT * 4 + 120);
        rows.iter_mut().filter(|row| row.hour > NIGHT * 4).for_each(change);
        let of = seen(&rows, NIGHT * 4 + 120, Some(&before));
        let found = findings(&GateRules::default(), &of, Some(&before));
        let told = found.iter().find(|finding| finding.rule == GateRule::NewRows);
        let told = told.map(ToString::to_string).unwrap_or_default();
        assert!(
            told.contains(expected) && told.is_empty() == expected.is_empty(),
            "{told}, expected {expected}"
        );
    };
    later(|_| {}, "");
    later(|row| row.km = row.km.map(|km| km * 1000.0), "as distances in metres");
    later(|row| row.km = row.km.map(|km| km / 1.609), "as miles would be");
    later(|row| row.s = row.s.map(|s| s * 2.5), "the median travel time is 2.5");
    later(|row| row.s = row.s.map(|s| s * 1.5), "");
    later(|row| row.s = row.s.filter(|_| row.id % 2 == 0), "records a day since");
}

#[test]
fn rows_behind_the_published_set_are_what_they_were() {
    let changed = |change: fn(&mut Row), expected: &str| {
        check_next(|rows| rows.iter_mut().for_each(change), expected);
    };
    let all = "refuse: [history] records behind the published set have changed since, 100 % of those \
               compared, in `R0`, `R1`, `R2` and 7 more; most in `R";
    changed(|row| row.s = row.s.map(|s| (s / 60.0).floor() * 60.0), all);
    changed(|row| row.s = row.s.map(|s| s.min(280.0)), "refuse: [constant] 53.3 % of the records");
    changed(|row| row.s = row.s.map(|s| s + 20.0), all);
    // As many rows in each region, with the trips of another.
    let one = "warn: [history] records behind the published set have changed since, 10 % of those \
               compared, in `R3`; most in `R3`, where the ";
    changed(
        |row| {
            if row.region == "R3" {
                row.km = row.km.map(|km| km * 1.1);
            }
        },
        one,
    );
    // New rows may differ, and a few old ones may come and go.
    check_next(
        |rows| rows.iter_mut().skip(1200).for_each(|row| row.s = row.s.map(|s| s * 1.2)),
        "",
    );
    check_next(|rows| rows.retain(|row| row.id % 100 != 7), "");
}

#[test]
fn a_part_of_the_old_rows_is_missed() {
    check_next(
        |rows| rows.retain(|row| row.id % 10 != row.id / 10 % 10),
        "warn: [row_count] 1,080 records up to 2024-01-13T20:13:20Z, where the published set has \
         1,198: 90.1 % of them",
    );
}

#[test]
fn many_groups_without_records_are_refused() {
    check_first(
        |rows| {
            for row in rows.iter_mut().filter(|row| row.region.as_str() > "R5") {
                row.s = None;
            }
        },
        "refuse: [groups_without_fit] 4 of 10 groups, 40 %, have no fit from the records of this \
         run, more than 30 %",
    );
}
