//! Whatever data can widen has a limit, which is met before the memory is held.

use super::{Desk, HEADER, rows};

/// A row each of so many incidents, whose id stands where the region should.
fn ids(n: usize) -> String {
    let row = |nth: usize| format!("{nth},INC-{nth:06},2026-03-01T10:00:00Z,1,2.5,300\n");
    (0..n).map(row).collect()
}

#[test]
fn a_column_of_ids_is_no_column_of_regions() {
    let desk = Desk::published();
    let current = desk.current();
    desk.write("ids.csv", format!("{HEADER}{}", ids(20_001)));
    let why = "column `region` has more than 20000 values: is it the incident's id?";
    let hint = "hint: `columns.region` names the column; `groups.max_groups` is the limit\n";
    desk.fails("fit ids.csv", 4, &format!("error: {why}\n{hint}"));

    desk.done("import ids.csv");
    let said = desk.run("run");
    assert_eq!(said.code, 4);
    assert!(said.stderr.contains(why) && said.stderr.ends_with(hint), "{}", said.stderr);
    assert_eq!(desk.current(), current);
    let told = desk.done("show last --json").json();
    assert_eq!(told["run"]["status"], "failed");
    assert!(told["run"]["message"].as_str().unwrap().contains(why), "{told}");

    // As many as the limit allows are groups like others.
    desk.write("few.csv", format!("{HEADER}{}", ids(3)));
    desk.run("fit few.csv --set groups.max_groups=3 --json").json();
    let why = "column `region` has more than 2 values: is it the incident's id?";
    let few = "fit few.csv --set groups.max_groups=2";
    desk.fails(few, 4, &format!("error: {why}\n{hint}"));
}

#[test]
fn priorities_and_parts_of_the_week_count_too() {
    let desk = Desk::new();
    let priorities: String =
        (0..6).map(|n| format!("{n},A,2026-03-01T10:00:00Z,P{n},2.5,300\n")).collect();
    desk.write("priorities.csv", format!("{HEADER}{priorities}"));
    let flags = "--set groups.by_priority=true --set groups.max_groups=5";
    desk.fails(
        &format!("fit priorities.csv {flags}"),
        4,
        "error: column `priority` has more than 5 values: is it the incident's id?\n\
         hint: `columns.priority` names the column; `groups.max_groups` is the limit\n",
    );
    let both: String =
        ["A", "B", "C"].map(|region| priorities.replace(",A,", &format!(",{region},"))).concat();
    desk.write("both.csv", format!("{HEADER}{both}"));
    desk.fails(
        "fit both.csv --set groups.by_priority=true --set groups.max_groups=17",
        4,
        "error: the records make more than 17 groups: column `priority` alone has 6 values up to \
         there\n\
         hint: `columns.priority` names the column; `groups.max_groups` is the limit\n",
    );
}

#[test]
fn classes_of_road_are_few() {
    let desk = Desk::new();
    let names: Vec<String> = (0..65).map(|n| format!("length_c{n}_km")).collect();
    let header = format!("region,distance_km,travel_time_s,{}\n", names.join(","));
    desk.write("roads.csv", format!("{header}A,65,3600{}\n", ",1".repeat(65)));
    let why = "error: `roads.csv` has 65 columns with lengths by class of road, more than 64\n\
               hint: name those that count under `columns.lengths`\n";
    desk.fails("fit roads.csv --model road_class", 4, why);
    desk.fails("import roads.csv", 4, why);
    // Who does not read them does not mind.
    desk.write("wide.csv", {
        let rows = rows("A", 60).replace('\n', &format!("{}\n", ",1".repeat(65)));
        format!("{},{}\n{rows}", HEADER.trim_end(), names.join(","))
    });
    desk.done("fit wide.csv");
}
