//! The sections that say how runs are operated: when they happen, how long they are kept, who is told.
//! None of them influences results.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::CronExpression;

use super::choices::{MissedSlots, NotifyOn};
use super::settings::Settings;
use super::validate::{Check, ensure};
use super::whole::Whole;

/// Declares a section: a struct that is read whole and refuses unknown keys.
macro_rules! section {
    ($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$fmeta])* pub $field: $type,)+ }
    };
}

section! {
    /// `[schedule]`
    Schedule {
        /// When runs start, in the settings' time zone; see the calendar of the schedule.
        cron: CronExpression,
        /// What becomes of moments at which nothing ran.
        missed: MissedSlots,
        /// A run starts so many seconds after its moment at the most.
        jitter_s: u32,
        /// Tries of one moment, the first included.
        attempts: Whole<1, 100>,
        /// Time between two tries.
        retry_wait_s: Whole<1, 86_400>,
        /// Longest time that a run may take; then it is stopped.
        run_limit_s: Whole<1, 604_800>,
        /// File that tells the schedule's health; empty writes none.
        health_file: PathBuf,
    }
}

section! {
    /// `[retention]`; a thing goes only where both its number and its age say so. 0 keeps all.
    Retention {
        /// Newest parameter sets that stay.
        sets: u32,
        /// Days that every parameter set stays.
        sets_days: u32,
        /// Newest rows of the ledger that stay.
        runs: u32,
        /// Days that every row of the ledger stays.
        runs_days: u32,
        /// Days that a set stays after it was current.
        current_days: u32,
    }
}

section! {
    /// `[notify]`; where to, the secret `SPEEDFIT_WEBHOOK_URL` says.
    Notify {
        /// What is told.
        on: Vec<NotifyOn>,
        /// Tries of one message.
        attempts: Whole<1, 20>,
        /// Longest time of one try.
        timeout_s: Whole<1, 300>,
    }
}

section! {
    /// `[metrics]`
    Metrics {
        /// File in Prometheus' text format, written after every run, `{scope}` in its name replaced;
        /// empty writes none.
        file: PathBuf,
        /// Address of a Pushgateway; empty pushes nothing.
        push_url: String,
        /// Longest time of one push.
        timeout_s: Whole<1, 300>,
    }
}

section! {
    /// `[http]`
    Http {
        /// Address and port.
        bind: String,
        /// Largest body, MB of 2^20 bytes.
        max_body_mb: Whole<1, 4096>,
        /// Longest time of one request.
        timeout_s: Whole<1, 3600>,
        /// Fits of `POST /fit` at once; more are asked to come back.
        max_fits: Whole<1, 64>,
    }
}

/// A day: longer waits are a mistyped number.
const MAX_JITTER_S: u32 = 86_400;

/// Object storage that files may be copied to; `file` is a folder of this machine.
const UPLOAD_SCHEMES: [&str; 4] = ["s3://", "gs://", "az://", "file:///"];

pub(super) fn validate(settings: &Settings) -> Check {
    let jitter_s = settings.schedule.jitter_s;
    ensure(jitter_s <= MAX_JITTER_S, &["schedule.jitter_s"], || {
        format!("`schedule.jitter_s` must be at most {MAX_JITTER_S}, not {jitter_s}")
    })?;
    let bind = &settings.http.bind;
    ensure(bind.parse::<std::net::SocketAddr>().is_ok(), &["http.bind"], || {
        format!("`http.bind` must be an address and a port such as `127.0.0.1:8765`, not `{bind}`")
    })?;
    telling(settings)?;
    let retention = &settings.retention;
    ensure(retention.runs == 0 || retention.runs >= retention.sets, &["retention.runs"], || {
        "`retention.runs` must not be below `retention.sets`: a set needs its run".to_owned()
    })
}

/// Where people are told of runs.
fn telling(settings: &Settings) -> Check {
    let url = settings.metrics.push_url.as_str();
    let is_url = url.is_empty() || url.starts_with("http://") || url.starts_with("https://");
    ensure(is_url && !url.contains('@'), &["metrics.push_url"], || {
        "`metrics.push_url` must be empty or an address `https://…` without user and password"
            .to_owned()
    })?;
    let upload = settings.output.upload_url.as_str();
    let is_object_storage = UPLOAD_SCHEMES.iter().any(|scheme| upload.starts_with(scheme));
    let is_bare = !upload.contains(['@', '?', '#']);
    ensure(upload.is_empty() || (is_object_storage && is_bare), &["output.upload_url"], || {
        "`output.upload_url` must be empty or an address such as `s3://bucket/folder`, \
         `gs://bucket/folder` or `az://container/folder`, without keys"
            .to_owned()
    })
}
