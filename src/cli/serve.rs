//! `speedfit serve`: the HTTP API.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::context::Context;
use super::error::{Failure, Hinted};
use super::exit::Exit;
use super::jobs::jobs;
use super::run::world_failure;
use super::schedule::{health_files, keep_schedule, schedule_of};
use super::signals::stop_token;
use crate::bootstrap::{self, Desk};
use crate::config::{Loaded, Override, Secret, Secrets};
use crate::http::{self, Api, Tokens};
use crate::schedule::Schedule;

/// Serve published parameters, predictions, fits of files and runs on demand over HTTP.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Address and port to listen on: the setting `http.bind`; port 0 takes any that is free.
    #[arg(long, value_name = "ADDR")]
    bind: Option<String>,

    /// Run by the calendar of the settings too, like `speedfit schedule`.
    #[arg(long)]
    schedule: bool,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let flags: Vec<Override> =
        options.bind.map(|bind| Override::new("--bind", "http.bind", bind)).into_iter().collect();
    let loaded = context.load(flags.clone())?;
    let address = address(&loaded)?;
    let tokens = tokens(&loaded.secrets)?;
    refuse_exposure(address, &tokens)?;
    let api_options = api_options(&loaded, address, tokens);
    let scope = loaded.settings.scope.clone();
    let stop = stop_token()?;
    let desk = Desk::open(context.sources(flags), loaded, bootstrap::clock()).await;
    let scheduled = options.schedule.then(|| Scheduled::new(context)).transpose()?;
    let status = scheduled.as_ref().map(|scheduled| scheduled.schedule.status());
    let desk = Arc::new(desk.map_err(world_failure)?.with_schedule(status));
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on `{address}`"))
        .map_err(|error| Hinted::new("another program may listen there; see `http.bind`", error))?;
    let bound = listener.local_addr().context("cannot tell where it listens")?;
    let api = Api::new(desk, api_options, &stop);
    context.print(&format!("listening on http://{bound}\n"))?;
    let serving = async {
        let has_run = tokio::select! {
            has_run = http::serve(listener, api.clone()) => has_run,
            never = renew_tokens(&api, &scope, context) => match never {},
        };
        // A server that ends by a mistake takes its schedule with it, so that both are started again.
        stop.cancel();
        has_run
    };
    let (has_run, kept) = match scheduled {
        Some(scheduled) => tokio::join!(serving, scheduled.run(&stop)),
        None => (serving.await, Ok(Exit::Done)),
    };
    let kept = kept?;
    Ok(if has_run { Exit::Stopped } else { kept })
}

/// The schedule beside the API, and the files that tell its health.
struct Scheduled {
    schedule: Schedule,
    health_files: BTreeSet<PathBuf>,
}

impl Scheduled {
    fn new(context: &Context) -> anyhow::Result<Self> {
        let jobs = jobs(context)?;
        let health_files = health_files(&jobs)?;
        Ok(Self { schedule: schedule_of(jobs, bootstrap::clock())?, health_files })
    }

    async fn run(self, stop: &CancellationToken) -> anyhow::Result<Exit> {
        let kept = keep_schedule(self.schedule, self.health_files, stop).await;
        // A calendar that broke off ends the server too, so that whoever started it notices.
        stop.cancel();
        kept
    }
}

/// How often tokens are read again, so that one can be changed without a restart.
const TOKENS_EVERY: Duration = Duration::from_secs(30);

/// Reads the tokens again and again. A list that cannot be read, or is gone, leaves those before it in
/// force: to ask for none any more takes a restart.
async fn renew_tokens(api: &Api, scope: &str, context: &Context) -> Infallible {
    let clock = bootstrap::clock();
    loop {
        clock.sleep(TOKENS_EVERY).await;
        let read = Secrets::load(context.environment(), scope).map_err(anyhow::Error::from);
        match read.and_then(|secrets| tokens(&secrets)) {
            Ok(tokens) if !tokens.is_empty() => api.renew_tokens(tokens),
            Ok(_) => {}
            Err(error) => warn!("the API's tokens stay as they were: {error:#}"),
        }
    }
}

fn address(loaded: &Loaded) -> anyhow::Result<SocketAddr> {
    let bind = &loaded.settings.http.bind;
    bind.parse().with_context(|| format!("`http.bind`: `{bind}` is no address with a port"))
}

/// The tokens of the API; none where the secret is not set.
fn tokens(secrets: &Secrets) -> anyhow::Result<Tokens> {
    let Some(secret) = secrets.get(Secret::ApiTokens) else { return Ok(Tokens::default()) };
    Tokens::parse(secret.expose_secret()).map_err(|error| {
        let variable = Secret::ApiTokens.variable();
        let hint = format!(
            "`{variable}` holds `read:TOKEN` and `operate:TOKEN`, one a line or separated by \
             commas; `openssl rand -hex 32` makes one"
        );
        Hinted::new(hint, Failure::new(Exit::Settings, error)).into()
    })
}

/// An address that others reach needs tokens.
fn refuse_exposure(address: SocketAddr, tokens: &Tokens) -> anyhow::Result<()> {
    if address.ip().is_loopback() || !tokens.is_empty() {
        return Ok(());
    }
    let variable = Secret::ApiTokens.variable();
    let why = anyhow!("`{address}` can be reached from elsewhere, and there are no tokens");
    let hint =
        format!("set `{variable}`, or listen on `127.0.0.1` behind a proxy that asks for them");
    Err(Hinted::new(hint, Failure::new(Exit::Settings, why)).into())
}

fn api_options(loaded: &Loaded, address: SocketAddr, tokens: Tokens) -> http::Options {
    let settings = &loaded.settings.http;
    http::Options {
        local_names_only: address.ip().is_loopback() && tokens.is_empty(),
        tokens,
        max_body_bytes: u64::from(settings.max_body_mb.get()) << 20,
        timeout: Duration::from_secs(u64::from(settings.timeout_s.get())),
        max_fits: usize::try_from(settings.max_fits.get()).unwrap_or(usize::MAX),
    }
}
