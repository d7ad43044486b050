//! Who is told of a run once it is over: a webhook, metrics, object storage.
//!
//! The run is over by then: whatever fails here is a warning in the log and changes neither the
//! ledger nor the exit code. All of it together has a limit in time, and ends with the stop signal.

mod examine;
mod metrics;
mod notices;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span, warn};

pub use examine::examine_telling;
pub use upload::Upload;

use super::launch::LaunchError;
use super::outputs::Outputs;
use super::plan::Ask;
use crate::adapters::objects::{Objects, ObjectsError};
use crate::adapters::web::{Address, Courier, Patience, Webhook};
use crate::config::{ConfigError, Loaded, Origin, Secret, Settings};
use crate::domain::{RunId, RunNotice, RunRow};
use crate::job::{JobError, RunPlan, RunReport, World};
use crate::ports::{Clock, Herald as _, Store};

/// Longest time that telling may take altogether, whatever each part of it may: whoever waits for the
/// run has its result by then.
const LIMIT: Duration = Duration::from_secs(300);
/// How long telling may go on after the stop signal: whoever sent it waits two seconds in all.
const STOP_GRACE: Duration = Duration::from_millis(400);

/// Who is told of runs, and how.
pub(super) struct Telling {
    settings: Settings,
    webhook: Option<(Address, Option<SecretString>)>,
    push: Option<Address>,
    objects: Option<Objects>,
}

/// How a run ended.
pub(super) struct Ended<'a> {
    pub(super) plan: &'a RunPlan,
    /// `None` where it has no row in the ledger.
    pub(super) run_id: Option<RunId>,
    pub(super) outcome: Result<&'a RunReport, &'a JobError>,
    /// Files that it wrote.
    pub(super) outputs: Option<&'a Outputs>,
}

impl Telling {
    /// Whom the settings name. Reaches for nobody yet.
    ///
    /// # Errors
    /// [`ConfigError`] where an address or a key cannot be what it is for.
    pub(super) fn new(loaded: &Loaded) -> Result<Self, ConfigError> {
        let settings = &loaded.settings;
        let push = Some(settings.metrics.push_url.as_str()).filter(|url| !url.is_empty());
        let push = push.map(Address::any).transpose();
        Ok(Self {
            settings: settings.clone(),
            webhook: webhook(loaded)?,
            push: push.map_err(|fault| of_key(loaded, "metrics.push_url", &fault))?,
            objects: objects(loaded)
                .transpose()
                .map_err(|fault| of_key(loaded, "output.upload_url", &fault))?,
        })
    }

    /// Tells of a run that the ledger knows. Returns what became of its files.
    pub(super) async fn of_run(
        &self,
        world: &World,
        ended: &Ended<'_>,
        cancel: &CancellationToken,
    ) -> Upload {
        let scope = &ended.plan.request.scope;
        let span = info_span!("tell", run = ended.run_id.map(|id| id.0), %scope);
        let work = async {
            let ((), (), upload) = tokio::join!(
                self.notify(world, ended, cancel),
                self.measure(&*world.store, &world.clock, Some(ended), cancel),
                self.upload(ended),
            );
            upload
        };
        let told = within(&*world.clock, cancel, work).instrument(span).await;
        told.unwrap_or_else(|| match &self.objects {
            Some(_) if ended.outputs.is_some() => {
                Upload::Failed("stopped before it was complete".to_owned())
            }
            _ => Upload::None,
        })
    }

    async fn notify(&self, world: &World, ended: &Ended<'_>, cancel: &CancellationToken) {
        if self.webhook.is_none() {
            return;
        }
        for notice in notices::of_run(world, ended).await {
            self.tell(&notice, &world.clock, cancel).await;
        }
    }

    /// Tells of runs of the scope that were found, expired or dead, and ended by whoever found them;
    /// writes metrics as they stand then.
    pub(super) async fn of_found(
        &self,
        store: &dyn Store,
        clock: &Arc<dyn Clock>,
        found: &[RunRow],
        cancel: &CancellationToken,
    ) {
        let scope = &self.settings.scope;
        let span = info_span!("tell", %scope);
        let notify = async {
            if self.webhook.is_none() {
                return;
            }
            for notice in notices::of_found(store, scope, found).await {
                self.tell(&notice, clock, cancel).await;
            }
        };
        let work = async { tokio::join!(notify, self.measure(store, clock, None, cancel)) };
        _ = within(&**clock, cancel, work).instrument(span).await;
    }

    /// Tells of a run that did not even begin.
    pub(super) async fn of_unopened(
        &self,
        ask: &Ask,
        failure: &LaunchError,
        clock: &Arc<dyn Clock>,
        cancel: &CancellationToken,
    ) {
        let scope = &self.settings.scope;
        let span = info_span!("tell", %scope);
        let notice = notices::of_unopened(scope, ask, failure, clock.now());
        let work = self.tell(&notice, clock, cancel);
        _ = within(&**clock, cancel, work).instrument(span).await;
    }

    async fn tell(&self, notice: &RunNotice, clock: &Arc<dyn Clock>, cancel: &CancellationToken) {
        let Some((address, key)) = &self.webhook else { return };
        let kind = notice.kind.as_str();
        if !self.settings.notify.on.iter().any(|wanted| wanted.as_str() == kind) {
            return;
        }
        let notify = &self.settings.notify;
        let patience =
            Patience { attempts: notify.attempts.get(), timeout: notify.timeout_s.seconds() };
        let told = match Courier::new(Arc::clone(clock), patience) {
            Ok(courier) => {
                let webhook = Webhook::new(courier, address.clone(), key.clone());
                webhook.tell(notice, cancel).await
            }
            Err(error) => Err(error.into()),
        };
        let run = notice.run.as_ref().map(|run| run.id.0);
        match told {
            Ok(()) => tracing::info!(event = kind, told_run = run, "the webhook was told"),
            Err(why) => warn!(
                event = kind,
                told_run = run,
                hint = why.remedy(),
                "the webhook could not be told: {}",
                chain(&why)
            ),
        }
    }
}

/// Tells of runs of the scope that were found dead, as of any run that failed; whoever marked them so has
/// to. Whatever fails here is a warning in the log.
pub async fn tell_of_dead(
    loaded: &Loaded,
    store: &dyn Store,
    clock: &Arc<dyn Clock>,
    dead: &[RunRow],
    cancel: &CancellationToken,
) {
    if dead.is_empty() {
        return;
    }
    match Telling::new(loaded) {
        Ok(telling) => telling.of_found(store, clock, dead, cancel).await,
        Err(why) => warn!("nobody is notified of runs that died: {}", chain(&why)),
    }
}

/// The webhook of the secrets; a key without a webhook is no mistake.
fn webhook(loaded: &Loaded) -> Result<Option<(Address, Option<SecretString>)>, ConfigError> {
    use secrecy::ExposeSecret as _;
    let secrets = &loaded.secrets;
    // A file that is there and empty is a secret that was lost, which must not pass in silence.
    let named = |secret| secrets.get(secret).map(|_| secrets.require(secret, "notify.on"));
    let Some(url) = named(Secret::WebhookUrl).transpose()? else { return Ok(None) };
    let address =
        Address::private(url.expose_secret()).map_err(|fault| ConfigError::SecretForm {
            variable: Secret::WebhookUrl.variable(),
            message: fault.to_string(),
        })?;
    let key = named(Secret::WebhookSecret).transpose()?.cloned();
    Ok(Some((address, key)))
}

/// The object storage of the settings.
fn objects(loaded: &Loaded) -> Option<Result<Objects, ObjectsError>> {
    let address = loaded.settings.output.upload_url.as_str();
    let vendor = match address.split_once(':')?.0 {
        "s3" => "AWS_",
        "gs" => "GOOGLE_",
        "az" => "AZURE_",
        _ => return Some(Objects::open(address, [])),
    };
    Some(Objects::open(address, loaded.secrets.of_vendor(vendor)))
}

fn of_key(loaded: &Loaded, key: &str, fault: &(dyn std::error::Error + 'static)) -> ConfigError {
    let origin = loaded.origins.get(key).cloned().unwrap_or(Origin::Default);
    ConfigError::Value { key: key.to_owned(), origin, message: fault.to_string() }
}

/// The work's result, or `None` where its time is over.
async fn within<T>(
    clock: &dyn Clock,
    cancel: &CancellationToken,
    work: impl Future<Output = T>,
) -> Option<T> {
    let stopped = async {
        cancel.cancelled().await;
        clock.sleep(STOP_GRACE).await;
    };
    let why = tokio::select! {
        biased;
        done = work => return Some(done),
        () = stopped => "the stop signal",
        () = clock.sleep(LIMIT) => "its limit in time",
    };
    warn!("telling of the run ended early, by {why}");
    None
}

/// The error with its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::memory::ManualClock;

    #[tokio::test]
    async fn telling_has_a_limit_and_ends_soon_after_the_stop_signal() {
        let clock = ManualClock::new(jiff::Timestamp::UNIX_EPOCH);
        let stop = CancellationToken::new();
        assert_eq!(within(&clock, &stop, async { 7 }).await, Some(7));
        let endless = || within(&clock, &stop, std::future::pending::<()>());
        let limit = async {
            clock.until_sleeping(1).await;
            clock.advance(LIMIT);
        };
        assert_eq!(tokio::join!(endless(), limit).0, None);
        stop.cancel();
        // What is told at once still is.
        assert_eq!(within(&clock, &stop, async { 7 }).await, Some(7));
        let grace = async {
            clock.until_sleeping(2).await;
            clock.advance(STOP_GRACE);
        };
        assert_eq!(tokio::join!(endless(), grace).0, None);
    }
}
