//! What writes to the store, wired as the program wires it, over a store that dies at a step.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use speedfit::adapters::embedded::{Embedded, ImportFile, Mode};
use speedfit::adapters::memory::{ManualClock, MemorySource};
use speedfit::bootstrap::{Ask, Launch, ScopeNight, clock};
use speedfit::config::{Loaded, Override, Settings, Sources};
use speedfit::domain::{RequestDetail, Trigger};
use speedfit::job::backfill::{self, Reprocess};
use speedfit::job::publish::{Move, MoveRequest, move_mark};
use speedfit::job::retry::{self, Decision};
use speedfit::job::{Silent, end_dead};
use speedfit::ports::{RunFilter, Store};
use speedfit::schedule::{Ended, Night, NightError, Outcome, Rules, Schedule};
use tokio_util::sync::CancellationToken;

use super::steps::{Deadly, DeadlySource, Gate};
use crate::job;

pub(super) fn sources(folder: &Path) -> Sources {
    let at = |name: &str| folder.join(name).display().to_string();
    let overrides = [
        ("embedded.path", at("speedfit.db")),
        ("output.dir", at("output")),
        ("fit.workers", "1".to_owned()),
        // One second after the start of the schedule.
        ("schedule.cron", "* * * * * *".to_owned()),
        ("schedule.jitter_s", "0".to_owned()),
    ];
    let overrides = overrides.iter().map(|(key, value)| Override::new("--set", key, value));
    Sources { overrides: overrides.collect(), ..Sources::default() }
}

/// Does it, and says how it ended.
pub(super) async fn work(name: &str, folder: &Path, gate: &Arc<Gate>) -> Result<(), String> {
    let sources = sources(folder);
    let loaded = Settings::load(&sources).map_err(|error| error.to_string())?;
    let ended = match name {
        "run" => launched(&loaded, Ask::new(Trigger::Operator, "test"), gate).await,
        "retry" => retried(&loaded, gate).await,
        "backfill" => backfilled(&loaded, gate).await,
        "publish" | "rollback" => moved(name, &loaded, gate).await,
        "schedule" => scheduled(sources, gate).await,
        "import" => imported(&loaded, gate).await,
        other => Err(format!("there is no work `{other}`")),
    };
    ended.map_err(|why| format!("{name}: {why}"))
}

async fn launch(loaded: &Loaded, ask: Ask, gate: &Arc<Gate>) -> Result<Launch, String> {
    let mut launch =
        Launch::prepare(loaded, ask, clock()).await.map_err(|error| error.to_string())?;
    let world = &mut launch.world;
    world.store = Arc::new(Deadly { store: Arc::clone(&world.store), gate: Arc::clone(gate) });
    let source = Arc::clone(&world.source);
    world.source = Arc::new(DeadlySource { source, gate: Arc::clone(gate) });
    Ok(launch)
}

async fn launched(loaded: &Loaded, ask: Ask, gate: &Arc<Gate>) -> Result<(), String> {
    let launch = launch(loaded, ask, gate).await?;
    let launched = launch.run(&Silent, &CancellationToken::new()).await;
    launched.map(|_| ()).map_err(|error| error.to_string())
}

async fn store(loaded: &Loaded, gate: &Arc<Gate>) -> Result<Arc<dyn Store>, String> {
    let store = speedfit::bootstrap::store(loaded, false).await;
    let store = store.map_err(|error| error.to_string())?;
    Ok(Arc::new(Deadly { store, gate: Arc::clone(gate) }))
}

/// Of the newest run, which died.
async fn retried(loaded: &Loaded, gate: &Arc<Gate>) -> Result<(), String> {
    let store = store(loaded, gate).await?;
    let runs = store.runs(&RunFilter { limit: 1, ..RunFilter::default() }).await;
    let runs = runs.map_err(|error| error.to_string())?;
    let run = runs.first().ok_or("there is no run")?;
    let dead = end_dead(&*store, &run.request.scope, Some(run.id), clock().now()).await;
    let dead = dead.map_err(|error| error.to_string())?.ok_or("another run is active")?;
    let run = dead.first().ok_or("nothing died")?;
    let since = retry::since(&*store, run, &[]).await.map_err(|error| error.to_string())?;
    let Decision::Whole = retry::decide(run, &[], &since) else { return Err("not whole".into()) };
    let detail = RequestDetail { retry_of: Some(run.id), ..RequestDetail::default() };
    launched(loaded, Ask { detail, ..Ask::new(Trigger::Retry, "test") }, gate).await
}

async fn backfilled(loaded: &Loaded, gate: &Arc<Gate>) -> Result<(), String> {
    let store = store(loaded, gate).await?;
    let dead = backfill::settle(&*store, &loaded.settings.scope, clock().now()).await;
    dead.map_err(|error| error.to_string())?;
    let filter = RunFilter { trigger: Some(Trigger::Backfill), ..RunFilter::default() };
    let earlier = store.runs(&filter).await.map_err(|error| error.to_string())?;
    let at = |text: &str| text.parse().map_err(|error: jiff::Error| error.to_string());
    let (from, to) = (at("2026-01-05T00:00:00Z")?, at("2026-01-06T00:00:00Z")?);
    let windows = backfill::windows(from, to, jiff::Span::new().days(1), &jiff::tz::TimeZone::UTC);
    let windows = windows.map_err(|error| error.to_string())?;
    for planned in backfill::plan(&windows, &loaded.hash, Reprocess::Completed, &earlier) {
        let detail = RequestDetail { keep_unpublished: true, ..RequestDetail::default() };
        let ask = Ask {
            slot: Some(planned.slot),
            window: Some(planned.window),
            detail,
            ..Ask::new(Trigger::Backfill, "test")
        };
        launched(loaded, ask, gate).await?;
    }
    Ok(())
}

async fn moved(name: &str, loaded: &Loaded, gate: &Arc<Gate>) -> Result<(), String> {
    let store = store(loaded, gate).await?;
    let scope = loaded.settings.scope.clone();
    let to = if name == "rollback" {
        Move::Rollback(None)
    } else {
        let sets = store.sets(&scope).await.map_err(|error| error.to_string())?;
        Move::Publish(*sets.get(1).ok_or("there is one set only")?)
    };
    let (requested_by, comment) = ("test".to_owned(), "a better one".to_owned());
    let request = MoveRequest { scope, to, requested_by, comment, force: false };
    let moved = move_mark(&*store, &*clock(), &request, &CancellationToken::new()).await;
    moved.map(|_| ()).map_err(|error| error.to_string())
}

/// A scope of the schedule whose store and runs die at a step.
struct DeadlyNight {
    night: ScopeNight,
    sources: Sources,
    gate: Arc<Gate>,
    over: CancellationToken,
}

#[async_trait]
impl Night for DeadlyNight {
    fn scope(&self) -> &str {
        self.night.scope()
    }
    async fn rules(&self) -> Result<Rules, NightError> {
        self.night.rules().await
    }
    async fn store(&self) -> Result<Arc<dyn Store>, NightError> {
        let store = self.night.store().await?;
        Ok(Arc::new(Deadly { store, gate: Arc::clone(&self.gate) }))
    }
    fn forget_store(&self) {
        self.night.forget_store();
    }
    async fn launch(&self, slot: &str, _: &CancellationToken) -> Ended {
        let ask = Ask { slot: Some(slot.to_owned()), ..Ask::new(Trigger::Timer, "schedule") };
        let ended = match Settings::load(&self.sources) {
            Ok(loaded) => launched(&loaded, ask, &self.gate).await,
            Err(error) => Err(error.to_string()),
        };
        // One moment is enough.
        self.over.cancel();
        let message = ended.err().unwrap_or_default();
        Ended { outcome: Outcome::Cancelled, run_id: None, message }
    }
    async fn pick_up(&self, row: &speedfit::domain::RunRow, cancel: &CancellationToken) -> Ended {
        self.night.pick_up(row, cancel).await
    }
    async fn tell_of_dead(&self, dead: &[speedfit::domain::RunRow], cancel: &CancellationToken) {
        self.night.tell_of_dead(dead, cancel).await;
    }
}

async fn scheduled(sources: Sources, gate: &Arc<Gate>) -> Result<(), String> {
    let over = CancellationToken::new();
    // Time goes on in steps, so that nothing waits for it.
    let time = Arc::new(ManualClock::new(clock().now()));
    let scope = "default".to_owned();
    let night = DeadlyNight {
        night: ScopeNight::new(scope, sources.clone(), time.clone()),
        sources,
        gate: Arc::clone(gate),
        over: over.clone(),
    };
    let schedule = Schedule::new(vec![Arc::new(night)], time.clone());
    let passing = async {
        loop {
            time.until_sleeping(1).await;
            time.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    let stopped = tokio::select! {
        stopped = schedule.run(&over) => stopped,
        () = passing => return Err("time ended".to_owned()),
    };
    if stopped.n_broken > 0 { Err("the schedule broke off".to_owned()) } else { Ok(()) }
}

async fn imported(loaded: &Loaded, gate: &Arc<Gate>) -> Result<(), String> {
    let database = Embedded::open(&loaded.settings.embedded.path, Mode::Existing).await;
    let database = database.map_err(|error| error.to_string())?;
    // So few that no estimate moves.
    let source = Arc::new(MemorySource::of_rows(job::rows(&[("North", 3, 1.0)]), 1));
    let source = DeadlySource { source, gate: Arc::clone(gate) };
    let now = clock().now();
    let (name, sha256) = ("more.csv".to_owned(), now.to_string());
    let file = ImportFile { name, sha256, allow_repeat: false };
    let imported = database.import(&file, &source, now, &CancellationToken::new()).await;
    imported.map(|_| ()).map_err(|error| error.to_string())
}
