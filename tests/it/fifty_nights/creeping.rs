//! Faults that begin on one night and stay, in a window that slides: each night's rows are few, and
//! move the published set with them, until somebody says so. Thirty nights of each.

use std::fmt::Write as _;
use std::sync::Arc;

use speedfit::adapters::memory::MemoryStore;
use speedfit::domain::ParameterSet;

use super::city::{Feed, NEWEST, Row};
use super::{City, furthest, kept};

const NIGHTS: u32 = 30;

const SETTINGS: &[(&str, &str)] = &[("window.days", "60"), ("holdout.share", "0")];

/// How far a published median time of any region may be off before anything is said: a week's rows of a
/// region are few.
const UNSAID: f64 = 0.08;

/// Nights on which something is to be said before a fault has become what the window holds.
const SAID: u32 = 7;

/// What becomes of a row of the night since which it is so, by nights.
type Fault = fn(&mut Row, u32);

const FAULTS: &[(&str, Fault)] = &[
    ("miles", |row, _| row.times_km(1.0 / 1.609_344)),
    ("miles in half of the rows", |row, _| {
        if row.lot < 0.5 {
            row.times_km(1.0 / 1.609_344);
        }
    }),
    ("distances 1.4 times", |row, _| row.times_km(1.4)),
    ("times 1.3 times", |row, _| row.times_s(1.3)),
    ("times 1.9 times", |row, _| row.times_s(1.9)),
    ("three per cent slower every night", |row, nights| {
        row.times_s(1.03_f64.powi(nights.cast_signed()));
    }),
    ("turnout included", |row, _| row.add_s(75.0)),
    ("300 s at the most", |row, _| row.time = format!("{:.0}", row.s().min(300.0))),
    ("300 s in 60 % of the rows", |row, _| {
        if row.lot < 0.6 {
            "300".clone_into(&mut row.time);
        }
    }),
    ("times of other trips", |row, _| row.time = format!("{:.0}", 90.0 * (1.0 + 9.0 * row.lot))),
    ("one more region in miles every third night", |row, nights| {
        // Amager first, Østerbro last.
        let first = row.region.chars().next().unwrap_or('A');
        let place = "ABCDFGHINSVØ".find(first).unwrap_or(0) as u32;
        if nights > 3 * place {
            row.times_km(1.0 / 1.609_344);
        }
    }),
];

fn feed(fault: Option<Fault>, night: u32) -> Feed {
    let mut feed = Feed::after(night);
    if let Some(fault) = fault {
        feed.each_of(Row::is_new, |row| fault(row, row.day + 1 - NEWEST));
    }
    feed
}

/// The table of a fault's nights: when something is said first, and how far off what was published
/// before was.
async fn played(name: &str, fault: Fault, honest: &[ParameterSet]) -> Result<String, String> {
    let city = City::new(Arc::new(MemoryStore::default()));
    city.run(name, SETTINGS, &Feed::last_night()).await;
    let (mut before, mut first): (f64, Option<(u32, String)>) = (0.0, None);
    let (mut n_refused, mut n_said) = (0, 0);
    let mut silent = String::new();
    let mut last = 0.0;
    for (night, honest) in (1..=NIGHTS).zip(honest) {
        let report = city.run(name, SETTINGS, &feed(Some(fault), night)).await;
        let current = city.current(name).await;
        let off = furthest(&current, honest).0;
        let is_said = report.exit_code != 0 || kept(&current).is_some();
        n_refused += u32::from(report.exit_code == 7);
        if first.is_none() && !is_said {
            before = before.max(off);
        }
        if is_said && first.is_none() {
            let what = report.results.findings.first().map(ToString::to_string);
            first = Some((night, what.or_else(|| kept(&current)).unwrap_or(report.message)));
        }
        n_said += u32::from(is_said);
        if n_said < SAID && off > UNSAID && !is_said {
            writeln!(silent, "night {night}: off by {:.1} %", off * 100.0).unwrap();
        }
        last = off;
    }
    let (night, what) = first.unwrap_or((0, "nothing is said".to_owned()));
    let text = format!(
        "{name}\n    night {night}: {what}\n    until then off by {:.1} % at the most; {n_said} of \
         {NIGHTS} nights say something, {n_refused} publish nothing; at last off by {:.1} %\n",
        before * 100.0,
        last * 100.0
    );
    if silent.is_empty() { Ok(text) } else { Err(format!("{text}{silent}")) }
}

#[tokio::test]
async fn no_fault_creeps_into_what_is_published() {
    let city = City::new(Arc::new(MemoryStore::default()));
    city.run("honest", SETTINGS, &Feed::last_night()).await;
    let mut honest = Vec::new();
    for night in 1..=NIGHTS {
        let report = city.run("honest", SETTINGS, &feed(None, night)).await;
        assert_eq!(report.exit_code, 0, "{}", report.message);
        honest.push(city.current("honest").await);
    }
    let (mut table, mut silent) = (String::new(), String::new());
    for (name, fault) in FAULTS {
        match played(name, *fault, &honest).await {
            Ok(text) => table.push_str(&text),
            Err(text) => silent.push_str(&text),
        }
    }
    assert!(silent.is_empty(), "{silent}");
    insta::assert_snapshot!("creeping", table);
}
