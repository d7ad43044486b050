//! What becomes of rows: in a group, refused, or passed over.

use super::*;
use crate::domain::{RowFault, Selector};

fn batch(rows: &[(&str, &str, f64, f64)]) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for &(id, region, distance_km, travel_time_s) in rows {
        batch.push(RecordRef {
            incident_id: Some(IncidentId::Text(id)),
            region: Some(region),
            priority: Some("1"),
            distance_km: Some(distance_km),
            travel_time_s: Some(travel_time_s),
            ..RecordRef::default()
        });
    }
    batch
}

#[test]
fn every_row_is_in_a_group_or_refused() {
    let (limits, splits) = (Limits::default(), Splits::default());
    let mut collector = Collector::new(&limits, &splits, RepeatedIds::Refuse);
    collector
        .take(&batch(&[
            ("1", "B", 1.0, 120.0),
            ("2", " A ", 1.0, 120.0),
            ("2", "A", 1.0, 120.0),
            ("3", "A", 1.0, 0.0),
            ("4", "", 1.0, 120.0),
            ("5", "C", 1.0, -1.0),
        ]))
        .unwrap();
    let collected = collector.finish();
    let told: Vec<_> = (collected.groups.iter())
        .map(|g| (g.key.region.as_str(), g.samples.len(), g.n_refused))
        .collect();
    assert_eq!(told, [("A", 1, 2), ("B", 1, 0), ("C", 0, 1)]);
    assert_eq!(collected.n_read, collected.n_used() + collected.refusals.total());
    assert_eq!(collected.refused_by_reason()[&RefusalReason::RepeatedId], 1);
}

/// Only rows that can be read, and are of the window, show that there is a region.
#[test]
fn rows_that_show_nothing_make_no_group() {
    let at = |text: &str| Some(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    let window =
        crate::domain::Window { from: Some("2026-01-05T00:00:00Z".parse().unwrap()), to: None };
    let limits = Limits { window, ..Limits::default() };
    let inside = RecordRef {
        region: Some("A"),
        parent_region: Some("Z"),
        occurred_at_us: at("2026-01-06T00:00:00Z"),
        distance_km: Some(1.0),
        travel_time_s: Some(120.0),
        ..RecordRef::default()
    };
    let fault = Some(RowFault::row("line 7: 8 fields where the header has 7"));
    let odd = RecordRef { parent_region: Some("P"), ..inside };
    let rows = [
        inside,
        RecordRef { fault, ..odd },
        RecordRef { region: Some("Apt 4"), fault, ..odd },
        RecordRef { region: Some("Apt 5"), fault, occurred_at_us: None, ..odd },
        RecordRef { region: Some("OLD"), occurred_at_us: at("2020-01-01T00:00:00Z"), ..odd },
        RecordRef { occurred_at_us: at("2020-01-01T00:00:00Z"), ..odd },
        RecordRef { region: Some("timeless"), occurred_at_us: None, ..odd },
        RecordRef { region: Some("slow"), travel_time_s: Some(1e6), ..odd },
    ];
    let splits = Splits::default();
    for rows in [rows.to_vec(), rows.into_iter().rev().collect()] {
        let mut batch = RecordBatch::default();
        rows.into_iter().for_each(|row| batch.push(row));
        let mut collector = Collector::new(&limits, &splits, RepeatedIds::Keep);
        collector.take(&batch).unwrap();
        let collected = collector.finish();
        let told: Vec<_> = (collected.groups.iter())
            .map(|g| (g.key.region.as_str(), g.samples.len(), g.n_refused))
            .collect();
        assert_eq!(told, [("A", 1, 1), ("slow", 0, 1)]);
        assert_eq!(collected.parents()["A"], "Z");
        assert_eq!((collected.n_read, collected.refusals.total()), (8, 7));
    }
}

#[test]
fn a_numbered_incident_repeats_and_is_shown_by_its_number() {
    let (limits, splits) = (Limits::default(), Splits::default());
    let mut collector = Collector::new(&limits, &splits, RepeatedIds::Refuse);
    let alike = batch(&[("", "A", 1.0, 120.0); 3]);
    let mut rows = RecordBatch::default();
    for (number, row) in [10_000_000_000, -1, 10_000_000_000].into_iter().zip(alike.rows()) {
        rows.push(RecordRef { incident_id: Some(IncidentId::Number(number)), ..row });
    }
    collector.take(&rows).unwrap();
    let collected = collector.finish();
    assert_eq!(collected.n_used(), 2);
    let told = collected.refusals.into_rows();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].reason, RefusalReason::RepeatedId);
    assert_eq!(told[0].examples, ["10000000000"]);
}

#[test]
fn repeats_are_kept_by_default_and_priority_splits() {
    let limits = Limits::default();
    let splits = Splits { by_priority: true, ..Splits::default() };
    let mut collector = Collector::new(&limits, &splits, RepeatedIds::Keep);
    collector.take(&batch(&[("1", "A", 1.0, 120.0), ("1", "A", 2.0, 150.0)])).unwrap();
    let groups = collector.finish().groups;
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].key.priority, "1");
    assert_eq!(groups[0].samples.len(), 2);
}

/// Rows: region, its parent, priority, and whether it is good.
fn selected(selection: &Selection, rows: &[(&str, &str, &str, bool)]) -> Collected {
    let limits = Limits::default();
    let splits = Splits { by_priority: true, ..Splits::default() };
    let collector = Collector::new(&limits, &splits, RepeatedIds::Keep);
    let mut collector = collector.selecting(selection);
    let mut batch = RecordBatch::default();
    for &(region, parent, priority, is_good) in rows {
        batch.push(RecordRef {
            region: Some(region),
            parent_region: Some(parent),
            priority: Some(priority),
            distance_km: Some(1.0),
            travel_time_s: Some(if is_good { 120.0 } else { 0.0 }),
            ..RecordRef::default()
        });
    }
    collector.take(&batch).unwrap();
    collector.finish()
}

#[test]
fn rows_that_are_not_selected_do_not_count() {
    let rows = [
        ("A", "P", "1", true),
        ("A", "", "2", true),
        ("A", "P", "2", false),
        ("B", "Q", "1", true),
        ("B", "Q", "1", false),
        ("C", "", "1", true),
        ("", "P", "1", true),
    ];
    let check = |select: &[&str], exclude: &[&str], expected: &[&str], n_refused: u64| {
        let own = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
        let selector = Selector::parse(&own(select), &own(exclude)).unwrap();
        let collected = selected(&selector.resolve(&[]), &rows);
        let told = collected.groups.iter().map(|g| format!("{} {}", g.key, g.samples.len()));
        assert_eq!(told.collect::<Vec<_>>(), expected, "{select:?} {exclude:?}");
        assert_eq!(collected.refusals.total(), n_refused, "{select:?} {exclude:?}");
        assert_eq!(collected.n_read, collected.n_used() + n_refused);
    };
    check(&[], &[], &["A / 1 1", "A / 2 1", "B / 1 1", "C / 1 1"], 3);
    check(&["A"], &[], &["A / 1 1", "A / 2 1"], 1);
    check(&["priority:2"], &[], &["A / 2 1"], 1);
    check(&["parent:P"], &[], &["A / 1 1", "A / 2 1"], 1);
    check(&["parent:P", "C"], &["priority:2"], &["A / 1 1", "C / 1 1"], 0);
    check(&[], &["parent:Q"], &["A / 1 1", "A / 2 1", "C / 1 1"], 1);
    check(&[], &["A", "parent:*"], &["C / 1 1"], 0);
}

#[test]
fn columns_are_kept_where_they_are_asked_for() {
    let limits = Limits { needs_lengths: true, ..Limits::default() };
    let (splits, factors) =
        (Splits::default(), FactorPlan { by_priority: true, ..FactorPlan::default() });
    let classes = Arc::from(["a".to_owned(), "b".to_owned()]);
    let mut batch = RecordBatch::of_classes(&classes);
    let row = RecordRef {
        region: Some("A"),
        distance_km: Some(2.0),
        travel_time_s: Some(200.0),
        ..RecordRef::default()
    };
    let lengths = [[Some(1.5), Some(0.5)], [Some(2.0), Some(0.0)], [Some(2.0), None]];
    for (lengths, (priority, at)) in lengths.iter().zip([("2", 7), ("1", -1), ("1", 0)]) {
        let occurred_at_us = (at >= 0).then_some(at * 1_000_000 + 1);
        batch.push(RecordRef {
            lengths_km: lengths,
            priority: Some(priority),
            occurred_at_us,
            ..row
        });
    }
    let collect = |factors: &FactorPlan, limits: &Limits, keeps_times| {
        let collector = Collector::new(limits, &splits, RepeatedIds::Keep);
        let mut collector = collector.keeping(factors, keeps_times);
        collector.take(&batch).unwrap();
        collector.finish()
    };
    let all = collect(&factors, &limits, true);
    let group = &all.groups[0];
    assert_eq!((group.samples.len(), group.n_refused), (2, 1));
    assert_eq!(group.columns.lengths_km, [1.5, 0.5, 2.0, 0.0]);
    assert_eq!((group.columns.n_classes, &group.columns.cells), (2, &vec![1, 0]));
    assert_eq!(group.times, [7, NO_TIME]);
    assert_eq!(all.covariates.names, ["priority_2"]);
    assert_eq!(all.covariates.cells, [[0.0], [1.0]]);
    assert_eq!(&*all.classes, ["a", "b"]);
    let none = collect(&FactorPlan::default(), &Limits::default(), false);
    let group = &none.groups[0];
    assert_eq!((group.samples.len(), group.columns.is_empty()), (3, true));
    assert!(group.times.is_empty() && none.classes.is_empty());
}

/// The 16 bytes of a sample may not become more than 20 by the room kept for more.
#[test]
fn a_large_group_keeps_little_room_to_spare() {
    let (limits, splits) = (Limits::default(), Splits::default());
    let mut collector = Collector::new(&limits, &splits, RepeatedIds::Keep);
    let rows = batch(&[("1", "A", 1.0, 120.0); 1000]);
    for n_taken in 1..=300 {
        collector.take(&rows).unwrap();
        let samples = &collector.groups[0].samples;
        assert_eq!(samples.len(), n_taken * 1000);
        let most = if n_taken == 1 { MAX_DOUBLED } else { samples.len() * 5 / 4 };
        assert!(samples.capacity() <= most, "{} of {}", samples.len(), samples.capacity());
    }
}
