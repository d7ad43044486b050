//! The body of a request as a file, as far as it is not too large.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use futures_util::StreamExt as _;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::{Problem, unsupported};
use super::services::UploadFormat;
use super::state::Api;

/// Forms of a file that are read, by their media types; the last of them says nothing of what is
/// packed in it, which is CSV then.
const MEDIA_TYPES: [(&str, UploadFormat); 5] = [
    ("text/csv", UploadFormat::Csv),
    ("application/csv", UploadFormat::Csv),
    ("application/vnd.apache.parquet", UploadFormat::Parquet),
    ("application/x-parquet", UploadFormat::Parquet),
    (GZIP, UploadFormat::Csv),
];

const GZIP: &str = "application/gzip";

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BodyForm {
    pub(super) format: UploadFormat,
    pub(super) is_packed: bool,
}

/// What the headers tell of the body's form.
pub(super) fn form(headers: &HeaderMap) -> Result<BodyForm, Problem> {
    let text = |name| headers.get(name).map(HeaderValue::to_str).transpose();
    let named = text(header::CONTENT_TYPE).map_err(|_| unsupported("no such media type"))?;
    let named = named.map(|named| named.split(';').next().unwrap_or(named).trim());
    let known =
        MEDIA_TYPES.iter().find(|(name, _)| named.is_some_and(|n| n.eq_ignore_ascii_case(name)));
    let Some((name, format)) = known else {
        let told = named.map_or("there is no `Content-Type`".to_owned(), |named| {
            format!("`{}` is not read here", named.escape_debug())
        });
        return Err(
            unsupported(told).with_hint("send `text/csv` or `application/vnd.apache.parquet`")
        );
    };
    let packing = text(header::CONTENT_ENCODING).map_err(|_| unsupported("no such encoding"))?;
    let is_packed = match packing {
        None => *name == GZIP,
        Some(packing) if packing.eq_ignore_ascii_case("identity") => *name == GZIP,
        Some(packing) if packing.eq_ignore_ascii_case("gzip") => true,
        Some(_) => {
            return Err(unsupported("`Content-Encoding` must be `gzip`, or not be there"));
        }
    };
    if is_packed && *format == UploadFormat::Parquet {
        return Err(unsupported("Parquet inside gzip is not read: Parquet packs its own pages"));
    }
    Ok(BodyForm { format: *format, is_packed })
}

/// Longest time in which nothing comes of a body: a client that sends one has it ready.
const STALL_LIMIT: Duration = Duration::from_secs(5);

/// Bodies of the largest size for which there is room on the disk, for each fit that may be under way:
/// one that is fitted and three that are coming.
const BODIES_PER_FIT: usize = 4;

/// Room on the disk for the bodies that are received or fitted; its clones are the same room.
#[derive(Debug, Clone)]
pub(super) struct UploadRoom(Arc<Semaphore>);

impl UploadRoom {
    pub(super) fn new(max_fits: usize, max_body_bytes: u64) -> Self {
        let max_body_bytes = usize::try_from(max_body_bytes).unwrap_or(usize::MAX);
        let n_bytes = max_fits.saturating_mul(BODIES_PER_FIT).saturating_mul(max_body_bytes);
        Self(Arc::new(Semaphore::new(n_bytes.min(Semaphore::MAX_PERMITS))))
    }

    fn take(&self, n_bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let permits = u32::try_from(n_bytes).ok();
        let taken = permits.and_then(|n| Arc::clone(&self.0).try_acquire_many_owned(n).ok());
        taken.ok_or_else(|| {
            Problem::unavailable("too many large bodies are being received")
                .with_hint("come back in a moment; the limit grows with `http.max_fits`")
        })
    }
}

/// A file that is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Upload {
    path: PathBuf,
    room: OwnedSemaphorePermit,
}

impl Upload {
    /// Writes a body to a new file.
    pub(super) async fn receive(
        api: &Api,
        headers: &HeaderMap,
        body: Body,
        form: BodyForm,
    ) -> Result<Self, Problem> {
        let max_bytes = api.options().max_body_bytes;
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        if announced.and_then(|length| length.parse().ok()).is_some_and(|n: u64| n > max_bytes) {
            return Err(too_large(max_bytes));
        }
        let room = api.upload_room().take(0)?;
        let path = api.services().upload_path(form.format, form.is_packed)?;
        let file = create(&path).await.map_err(|error| not_written(&path, &error))?;
        // From here on the file is removed whatever happens.
        let mut upload = Self { path, room };
        upload.write(file, body.into_data_stream(), api).await?;
        Ok(upload)
    }

    async fn write(
        &mut self,
        mut file: File,
        mut chunks: BodyDataStream,
        api: &Api,
    ) -> Result<(), Problem> {
        let max_bytes = api.options().max_body_bytes;
        let mut n_bytes = 0_u64;
        while let Some(chunk) = next_in_time(&mut chunks, api).await? {
            n_bytes += chunk.len() as u64;
            if n_bytes > max_bytes {
                return Err(too_large(max_bytes));
            }
            self.room.merge(api.upload_room().take(chunk.len())?);
            file.write_all(&chunk).await.map_err(|error| not_written(&self.path, &error))?;
        }
        file.flush().await.map_err(|error| not_written(&self.path, &error))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!("cannot remove `{}`: {error}", self.path.display());
        }
    }
}

/// The next part of a body, or nothing after its end.
async fn next_in_time(chunks: &mut BodyDataStream, api: &Api) -> Result<Option<Bytes>, Problem> {
    tokio::select! {
        biased;
        chunk = chunks.next() => chunk
            .transpose()
            .map_err(|_| Problem::bad_request("the body broke off before its end")),
        () = api.services().clock().sleep(STALL_LIMIT) => Err(stalled()),
    }
}

fn stalled() -> Problem {
    let (status, limit_s) = (StatusCode::REQUEST_TIMEOUT, STALL_LIMIT.as_secs());
    let why = format!("nothing came of it for {limit_s} s");
    Problem::new(status, "stalled", "The body does not come", why)
        .with_header(header::CONNECTION, HeaderValue::from_static("close"))
}

/// A file that was not there, for this user only.
async fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path).await
}

fn too_large(max_bytes: u64) -> Problem {
    let max_mb = max_bytes >> 20;
    Problem::too_large(format!("a body may have {max_mb} MB at the most"))
        .with_hint("the limit is the setting `http.max_body_mb`; gzip packs CSV to a tenth")
        // What is left of the body is not read.
        .with_header(header::CONNECTION, HeaderValue::from_static("close"))
}

fn not_written(path: &Path, error: &io::Error) -> Problem {
    tracing::error!("cannot write `{}`: {error}", path.display());
    let problem = if error.kind() == io::ErrorKind::StorageFull {
        let status = StatusCode::INSUFFICIENT_STORAGE;
        Problem::new(status, "full", "The server has no room left", "the file cannot be kept")
    } else {
        Problem::internal("the file cannot be kept for the fit")
    };
    problem.with_hint("the log tells more; the folder is the setting `output.dir`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_the_form() {
        let check = |content_type: &str, encoding: &str, expected: Option<(UploadFormat, bool)>| {
            let mut headers = HeaderMap::new();
            for (name, value) in
                [(header::CONTENT_TYPE, content_type), (header::CONTENT_ENCODING, encoding)]
            {
                if !value.is_empty() {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            let form = form(&headers).ok().map(|form| (form.format, form.is_packed));
            assert_eq!(form, expected, "{content_type} {encoding}");
        };
        check("text/csv", "", Some((UploadFormat::Csv, false)));
        check("Text/CSV; charset=utf-8", "gzip", Some((UploadFormat::Csv, true)));
        check("application/gzip", "", Some((UploadFormat::Csv, true)));
        check("application/vnd.apache.parquet", "", Some((UploadFormat::Parquet, false)));
        check("application/vnd.apache.parquet", "gzip", None);
        check("text/csv", "br", None);
        check("application/json", "", None);
        check("", "", None);
    }
}
