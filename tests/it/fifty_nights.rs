//! Scripted nights, one fault each, over a good published set, through the real job with the settings
//! that come with the program: none publishes nonsense silently.
//!
//! A night is refused, or it publishes and says what is odd, or what it publishes is within two per
//! cent of what the same night gives without the fault. The snapshot is the table of them all.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod city;
mod creeping;
mod feed;
mod regions;
mod text;
mod units;
mod values;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use speedfit::adapters::embedded::{Embedded, Mode};
use speedfit::adapters::file::{FileOptions, FileSource};
use speedfit::adapters::memory::ManualClock;
use speedfit::bootstrap::{self, Ask};
use speedfit::config::{Loaded, Override, Settings, Sources};
use speedfit::domain::{GroupOutcome, ParameterSet, Publication, RunId, Trigger};
use speedfit::job::judge::PublishedCurves;
use speedfit::job::{RunPlan, RunReport, Silent, World, execute};
use speedfit::ports::{SchemaAdmin as _, Store};
use tokio_util::sync::CancellationToken;

use crate::support::program::Desk;
use crate::tds_store::StoreServer;
use city::Feed;

/// How far a published median time may be off what the night gives without its fault.
const HARMLESS: f64 = 0.02;

/// Distances at which that is looked at, km.
const DISTANCES_KM: [f64; 4] = [0.5, 1.0, 2.0, 5.0];

/// What is to become of a night.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// Nothing is published, by this rule.
    Refused(&'static str),
    /// All is published with a warning of this rule.
    Warned(&'static str),
    /// Some groups keep what they had, and say this.
    Kept(&'static str),
    /// All is published as usual, and what is published is not affected, for this reason.
    Harmless(&'static str),
}

/// One fault.
struct Night {
    name: &'static str,
    /// How the file is made.
    how: &'static str,
    fault: fn(&mut Feed),
    expected: Expected,
    /// Settings that differ from those that come with the program.
    settings: &'static [(&'static str, &'static str)],
}

const fn night(
    name: &'static str,
    how: &'static str,
    fault: fn(&mut Feed),
    expected: Expected,
) -> Night {
    Night { name, how, fault, expected, settings: &[] }
}

impl Night {
    const fn with(mut self, settings: &'static [(&'static str, &'static str)]) -> Self {
        self.settings = settings;
        self
    }

    fn feed(&self) -> Feed {
        let mut feed = Feed::tonight();
        (self.fault)(&mut feed);
        feed
    }
}

fn all() -> impl Iterator<Item = &'static Night> {
    let parts = [feed::NIGHTS, units::NIGHTS, text::NIGHTS, regions::NIGHTS, values::NIGHTS];
    parts.into_iter().flatten()
}

/// A store, its files, and a set of the night before in each of the scopes.
struct City {
    store: Arc<dyn Store>,
    dir: tempfile::TempDir,
}

/// What a set that is current, and what is published without a fault, say.
struct Honest {
    scope: String,
    run_id: RunId,
    tonight: ParameterSet,
}

fn loaded(settings: &[(&str, &str)]) -> Loaded {
    let set = |&(key, value): &(&str, &str)| Override::new("--set", key, value);
    let overrides = settings.iter().map(set).collect();
    // No folder of settings, and nothing of the environment.
    let sources = Sources {
        config_dir: Some(Path::new("no such folder").to_owned()),
        overrides,
        ..Sources::default()
    };
    Settings::load(&sources).unwrap()
}

fn plan(settings: &[(&str, &str)], scope: &str, now: Timestamp) -> RunPlan {
    let mut plan =
        bootstrap::plan(&loaded(settings), Ask::new(Trigger::Timer, "timer"), now).unwrap();
    plan.request.scope = scope.to_owned();
    plan
}

impl City {
    fn new(store: Arc<dyn Store>) -> Self {
        Self { store, dir: tempfile::tempdir().unwrap() }
    }

    async fn run(&self, scope: &str, settings: &[(&str, &str)], feed: &Feed) -> RunReport {
        let path = self.dir.path().join("trips.csv");
        std::fs::write(&path, feed.bytes()).unwrap();
        let world = World {
            source: Arc::new(FileSource::new(FileOptions::new(path))),
            store: Arc::clone(&self.store),
            clock: Arc::new(ManualClock::new(feed.now)),
        };
        let plan = plan(settings, scope, feed.now);
        execute(&plan, &world, &Silent, &CancellationToken::new()).await.unwrap()
    }

    /// Publishes last night's set in a scope of its own, and says what tonight's is without a fault.
    async fn open(&self, scope: &str, settings: &[(&str, &str)]) -> Honest {
        let last = self.run(scope, settings, &Feed::last_night()).await;
        assert_eq!(last.exit_code, 0, "{}", last.message);
        let run_id = last.set.run_id.unwrap();
        let tonight = self.run(scope, settings, &Feed::tonight()).await;
        assert_eq!(tonight.exit_code, 0, "{}", tonight.message);
        let honest = Honest { scope: scope.to_owned(), run_id, tonight: self.current(scope).await };
        self.roll_back(&honest).await;
        honest
    }

    async fn current(&self, scope: &str) -> ParameterSet {
        self.store.current(scope).await.unwrap().unwrap()
    }

    /// The operator goes back to the good set, as the command does.
    async fn roll_back(&self, honest: &Honest) {
        let lock = self.store.try_lock(&honest.scope).await.unwrap().unwrap();
        let publication = Publication {
            scope: honest.scope.clone(),
            run_id: honest.run_id,
            published_at: Feed::tonight().now,
            published_by: "duty".to_owned(),
            reason: "rollback".to_owned(),
            comment: String::new(),
        };
        self.store.publish(&publication, Some(&lock.key())).await.unwrap();
        lock.release().await.unwrap();
    }

    async fn play(&self, night: &Night, honest: &Honest) -> Told {
        let report = self.run(&honest.scope, night.settings, &night.feed()).await;
        let current = self.current(&honest.scope).await;
        let is_published = current.run_id == report.set.run_id;
        assert_eq!(is_published, report.exit_code != 7, "{}: {}", night.name, report.message);
        if !is_published {
            assert_eq!(current.run_id, Some(honest.run_id), "{}", night.name);
        }
        let off = is_published.then(|| furthest(&current, &honest.tonight));
        if is_published {
            self.roll_back(honest).await;
        }
        Told { exit_code: report.exit_code, message: report.message, kept: kept(&current), off }
    }
}

/// The largest change of a median time of any group that the honest set has, and of which group.
fn furthest(set: &ParameterSet, honest: &ParameterSet) -> (f64, String) {
    let (curves, honest_curves) =
        (PublishedCurves::of(Some(set)), PublishedCurves::of(Some(honest)));
    let of = |key| {
        let (now, honest) = (curves.get(key)?, honest_curves.get(key)?);
        let off = |km: &f64| (now.median_s(*km) / honest.median_s(*km)).ln().abs();
        DISTANCES_KM.iter().map(off).max_by(f64::total_cmp)
    };
    let each = honest.groups.iter().map(|row| (of(&row.key).unwrap_or(f64::INFINITY), &row.key));
    let (off, key) = each.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    (off, key.region.clone())
}

/// Groups that keep what they had, the first with its reason.
fn kept(set: &ParameterSet) -> Option<String> {
    let mut kept = set.groups.iter().filter(|row| row.outcome == GroupOutcome::CarriedOver);
    let first = kept.next()?;
    let n_more = kept.count();
    Some(format!("{} kept ({} more): {}", first.key.region, n_more, first.message))
}

/// What became of a night.
struct Told {
    exit_code: u8,
    message: String,
    kept: Option<String>,
    /// Missing where nothing was published.
    off: Option<(f64, String)>,
}

impl Told {
    /// Whether it publishes what is not so, and no warning says what is odd with the records. That a
    /// group keeps what it had says nothing of the others.
    fn is_silent(&self) -> bool {
        let is_off = self.off.as_ref().is_some_and(|(off, _)| *off > HARMLESS);
        is_off && !self.message.contains("; warning: [")
    }

    /// Whether it became of the night what is expected.
    fn is_as(&self, expected: Expected) -> bool {
        let names = |rule: &str| self.message.contains(&format!("[{rule}]"));
        match expected {
            Expected::Refused(rule) => self.exit_code == 7 && names(rule),
            Expected::Warned(rule) => self.exit_code == 6 && names(rule),
            Expected::Kept(why) => {
                self.exit_code == 6 && self.kept.as_ref().is_some_and(|kept| kept.contains(why))
            }
            Expected::Harmless(_) => self.exit_code == 0 && !self.is_silent(),
        }
    }

    fn text(&self, night: &Night) -> String {
        let Night { name, how, expected, settings, .. } = night;
        let mut text = format!("{name}: {how}\n");
        for (key, value) in *settings {
            writeln!(text, "    {key} = {value}").unwrap();
        }
        let off = match &self.off {
            Some((off, region)) if *off > HARMLESS => {
                format!("; {region} off by {:.0} %", off.exp_m1() * 100.0)
            }
            Some(_) => "; no median time off by more than 2 %".to_owned(),
            None => String::new(),
        };
        writeln!(text, "    exit {}{off}", self.exit_code).unwrap();
        writeln!(text, "    {}", self.message).unwrap();
        if let Some(kept) = &self.kept {
            writeln!(text, "    {kept}").unwrap();
        }
        if let Expected::Harmless(why) = expected {
            writeln!(text, "    harmless: {why}").unwrap();
        }
        if self.is_silent() {
            text.push_str("    SILENT\n");
        }
        text
    }
}

/// Plays them all; the table.
async fn played(store: Arc<dyn Store>) -> String {
    let city = City::new(store);
    let mut table = String::new();
    let mut unlike: Vec<String> = Vec::new();
    let mut honest: Vec<(&[(&str, &str)], Honest)> = Vec::new();
    for night in all() {
        if !honest.iter().any(|(settings, _)| *settings == night.settings) {
            let scope = format!("city{}", honest.len());
            honest.push((night.settings, city.open(&scope, night.settings).await));
        }
        let (_, honest) = honest.iter().find(|(settings, _)| *settings == night.settings).unwrap();
        let told = city.play(night, honest).await;
        if told.is_silent() || !told.is_as(night.expected) {
            unlike.push(format!("expected {:?}\n{}", night.expected, told.text(night)));
        }
        writeln!(table, "{}", told.text(night)).unwrap();
    }
    assert!(unlike.is_empty(), "{} nights:\n{}", unlike.len(), unlike.concat());
    table
}

#[tokio::test]
async fn no_fault_publishes_silently_in_the_embedded_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(&dir.path().join("nights.db"), Mode::Migrating).await.unwrap();
    store.migrate().await.unwrap();
    insta::assert_snapshot!("table", played(Arc::new(store)).await);
}

#[tokio::test]
async fn no_fault_publishes_silently_on_a_server() {
    let server = StoreServer::start().await;
    insta::assert_snapshot!("table", played(Arc::new(server.migrated().await)).await);
}

#[test]
fn there_are_fifty_of_them() {
    let mut names: Vec<&str> = all().map(|night| night.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all().count());
    assert!(names.len() >= 50, "{}", names.len());
}

/// A few of them as an operator sees them.
#[test]
fn the_program_says_it_with_its_exit_code_and_its_status() {
    let check = |name: &str| {
        let night = all().find(|night| night.name == name).unwrap();
        let desk = Desk::new();
        let run = |feed: &Feed| {
            std::fs::write(desk.path("trips.csv"), feed.bytes()).unwrap();
            let to = feed.now.to_string();
            let args = ["run", "--to", &to, "--set", "source.kind=file"];
            desk.run(&[&args[..], &["--set", "file.path=trips.csv"]].concat())
        };
        let first = run(&Feed::last_night());
        assert_eq!(first.code, Some(0), "{}", first.stderr);
        let ended = run(&night.feed());
        let status = desk.expect(0, &["status", "--json"]).json();
        let rules = status["rules"].as_array().unwrap();
        let (code, rule) = match night.expected {
            Expected::Refused(rule) => (7, Some(rule)),
            Expected::Warned(rule) => (6, Some(rule)),
            Expected::Kept(_) => (6, None),
            Expected::Harmless(_) => (0, None),
        };
        assert_eq!(ended.code, Some(code), "{name}: {} {}", ended.stdout, ended.stderr);
        let current = if code == 7 { 1 } else { 2 };
        assert_eq!(status["current"]["run_id"], current, "{name}");
        if let Some(rule) = rule {
            assert!(rules.iter().any(|named| named == rule), "{name}: {rules:?}");
        }
    };
    check("distances in metres");
    check("half a feed");
    check("decimal comma");
    check("a region renamed");
    check("one region in miles");
    check("the file of yesterday");
}
