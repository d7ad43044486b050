//! The mark by hand, through the real binary: publish, roll back, compare, prune, report.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod by_hand;
mod house;
mod judged;
mod reading;
mod store;

use rusqlite::Connection;
use speedfit::adapters::embedded::{Embedded, Mode};

use crate::support::program::Desk;

/// Runs of the desk read this file.
const SOURCE: [&str; 4] = ["--set", "source.kind=file", "--set", "file.path=trips.csv"];

/// Writes trips of these regions, each so much slower than the first night's, and runs; returns the
/// number of the run.
fn night(desk: &Desk, regions: &[(&str, f64)]) -> i64 {
    write_trips(desk, regions);
    let ended = desk.expect(0, &[&["run", "--json"], &SOURCE[..]].concat());
    ended.json()["run"]["id"].as_i64().unwrap()
}

/// A hundred trips of each region that `kwh` fits well.
fn write_trips(desk: &Desk, regions: &[(&str, f64)]) {
    let mut text = "incident_id,region,occurred_at,priority,distance_km,travel_time_s\n".to_owned();
    for (region, slower) in regions {
        for nth in 0..100 {
            let distance_km = 0.2 + f64::from(nth % 97) * 0.05;
            let factor = slower * (0.8 + f64::from(nth % 13) * 0.03);
            let travel_time_s = 120.0 * (distance_km / 0.5).sqrt() * factor;
            text.push_str(&format!(
                "{region}{nth},{region},2026-01-05T10:00:00Z,1,{distance_km:.2},{travel_time_s:.1}\n"
            ));
        }
    }
    desk.write("trips.csv", &text);
}

/// Three nights, each slower than the one before.
fn three_nights() -> (Desk, [i64; 3]) {
    let desk = Desk::new();
    let runs = [1.0, 1.1, 1.2].map(|slower| night(&desk, &[("North", slower), ("South", slower)]));
    (desk, runs)
}

/// The run whose rows the application reads now, from the view itself; every row must be of it, and
/// all of its rows must be there.
fn read_by_the_application(desk: &Desk) -> i64 {
    let shell = Connection::open(desk.path("speedfit.db")).unwrap();
    let sql = "SELECT min(run_id), max(run_id), count(*) FROM current_parameters \
               WHERE scope = 'default'";
    let (first, last, n_rows): (i64, i64, i64) =
        shell.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    assert_eq!(first, last);
    let sql = "SELECT count(*) FROM parameter WHERE run_id = ?1";
    let n_of_run: i64 = shell.query_row(sql, [first], |row| row.get(0)).unwrap();
    assert_eq!(n_rows, n_of_run);
    first
}

/// The store of the desk, for what no command does.
async fn open(desk: &Desk) -> Embedded {
    Embedded::open(&desk.path("speedfit.db"), Mode::Existing).await.unwrap()
}
