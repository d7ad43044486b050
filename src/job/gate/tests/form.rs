//! Rules on the form of the values, and on the newest of them.

use super::*;

/// Of trips in a window that slides: no row of the published set has changed.
fn newest(days: u32, change: impl Fn(&mut Row)) -> impl Fn(&mut Vec<Row>) {
    move |rows| {
        let since = NIGHT - days * 24;
        rows.iter_mut().filter(|row| row.hour >= since).for_each(&change);
    }
}

fn miles(row: &mut Row) {
    row.km = row.km.map(|km| km / 1.609_344);
}

#[test]
fn the_newest_rows_are_compared_with_the_rest() {
    let week = "of the 139 rows since 2024-01-06T22:13:20Z the ";
    check_first(
        newest(7, miles),
        &format!(
            "refuse: [drift] {week}median distance is 0.63 times that of the rows before, each in its \
             region, as miles would be"
        ),
    );
    check_first(
        newest(6, |row| row.s = row.s.map(|s| s * 2.5)),
        &format!("refuse: [drift] {week}median travel time is 2.41 times"),
    );
    check_first(
        newest(7, |row| row.s = row.s.map(|s| s * 1.5)),
        &format!("warn: [drift] {week}median speed is 0.66 times"),
    );
    check_first(
        newest(7, |row| row.s = row.s.map(|s| s.min(140.0))),
        "refuse: [drift] of the 139 rows since 2024-01-06T22:13:20Z 100 % have a travel time of 136",
    );
    check_first(newest(2, miles), "");
    check_first(newest(7, |row| row.s = row.s.map(|s| s * 1.15)), "");
}

#[test]
fn what_a_person_accepted_is_not_recent_any_more() {
    let mut rows = trips(0, NIGHT);
    newest(7, miles)(&mut rows);
    let refused = seen(&rows, NIGHT, None);
    let mut set = refused.set.clone();
    let mut next = trips(0, NIGHT + 24);
    next.iter_mut().filter(|row| row.hour >= NIGHT - 7 * 24).for_each(miles);
    let night = |set: &ParameterSet| {
        let of = seen(&next, NIGHT + 24, Some(set));
        findings(&GateRules::default(), &of, Some(set))
    };
    check(&night(&set), "refuse: [drift]");
    accept(&mut set);
    check(&night(&set), "");
}

#[test]
fn a_region_whose_newest_rows_are_in_another_unit_is_not_published() {
    let of_region = |row: &mut Row| {
        if row.region == "R3" {
            miles(row);
        }
    };
    let mut rows = trips(0, NIGHT);
    let before = seen(&rows, NIGHT, None);
    newest(28, of_region)(&mut rows);
    let now = seen(&rows, NIGHT, None);
    for (group, before) in now.groups.iter().zip(&before.groups) {
        let objection = group_objection(&GateRules::default(), group, Some(&before.observed));
        let is_named = objection.as_ref().is_some_and(|why| why.contains("as miles would be"));
        assert_eq!(is_named, group.key.region == "R3", "{objection:?}");
    }
}

#[test]
fn a_record_may_not_outweigh_its_group() {
    let mut group = seen(&trips(0, NIGHT), NIGHT, None).groups.remove(0);
    assert_eq!(group_objection(&GateRules::default(), &group, None), None);
    let mut watch = GroupWatch::default();
    (watch.weight, watch.heaviest) = (2000.0, 1900.0);
    group.shape = Shape::of(&watch, &histogram::Values::default());
    let of = Seen { groups: vec![group.clone()], ..seen(&trips(0, NIGHT), NIGHT, None) };
    check(
        &findings(&GateRules::default(), &of, None),
        "warn: [weights] one record has more than half of the weight in `R0`",
    );
    let why = group_objection(&GateRules::default(), &group, None).unwrap();
    assert_eq!(why, "one of its 120 records has 95 % of the weight");
}

#[test]
fn the_form_of_the_values_is_looked_at() {
    let every = |change: fn(&mut Row)| move |rows: &mut Vec<Row>| rows.iter_mut().for_each(change);
    let all = "refuse: [unrelated] travel times have nothing to do with the distance";
    check_first(every(|row| row.s = Some(120.0 + f64::from(row.id * 17 % 101) * 4.0)), all);
    let clock = "refuse: [clock_times] of 1,200 travel times of 100 and more 0 end in 60 to 99";
    let as_clock = |row: &mut Row| {
        row.s = row.s.map(|s| {
            let s = s.round();
            (s / 60.0).floor() * 100.0 + s % 60.0
        });
    };
    check_first(every(as_clock), clock);
    let cut = "refuse: [constant] 53.2 % of the records have the longest travel time, 280 s";
    check_first(every(|row| row.s = row.s.map(|s| s.min(280.0))), cut);
    let default = "refuse: [constant] the travel time is 288 to 304 s in 8";
    let set = |row: &mut Row| {
        if row.id / 10 % 10 < 8 {
            row.s = Some(300.0);
        }
    };
    check_first(every(set), default);
    let missing = "refuse: [refused_others] 542 of 1,200 rows have no travel time";
    let far = |row: &mut Row| {
        if row.km > Some(3.2) {
            row.s = None;
        }
    };
    check_first(every(far), missing);
    // A third without a time, whatever the way.
    check_first(every(|row| row.s = row.s.filter(|_| row.id / 10 % 3 > 0)), "");
}

#[test]
fn regions_that_look_alike_are_named() {
    let renamed = |name: &'static str| {
        move |rows: &mut Vec<Row>| {
            for row in rows.iter_mut().filter(|row| row.region == "R3" && row.id / 10 % 2 == 0) {
                name.clone_into(&mut row.region);
            }
        }
    };
    let message = "warn: [regions] regions whose names differ only in case, spaces or invisible \
                   letters: `R";
    check_first(renamed("r3"), message);
    check_first(renamed("R 3"), message);
    check_first(renamed("R3\u{200b}"), message);
    check_first(renamed("R-3"), "");
}
