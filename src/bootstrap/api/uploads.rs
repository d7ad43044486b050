//! Files that clients send: their names, and what a server left of them that died.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use crate::http::UploadFormat;

/// What stands before the parts of a name.
const PREFIX: &str = ".upload-";

/// No request lasts so long: a file that is older is nobody's any more.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);

/// A file for the `nth` upload of this process.
pub(super) fn path(
    folder: &Path,
    now: Timestamp,
    nth: u64,
    format: UploadFormat,
    is_packed: bool,
) -> PathBuf {
    let ending = match (format, is_packed) {
        (UploadFormat::Csv, false) => "csv",
        (UploadFormat::Csv, true) => "csv.gz",
        (UploadFormat::Parquet, _) => "parquet",
    };
    // Processes of several containers may have the same number.
    let (process, now_us) = (std::process::id(), now.as_microsecond());
    folder.join(format!("{PREFIX}{now_us}-{process}-{nth}.{ending}"))
}

/// Removes the files of servers that died; other servers may share the folder.
pub(super) fn remove_leftovers(folder: &Path, now: Timestamp) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let made_at = entry.file_name().to_str().and_then(made_at);
        let is_old = made_at.is_some_and(|made_at| now.duration_since(made_at) > MAX_AGE);
        if is_old && std::fs::remove_file(entry.path()).is_ok() {
            tracing::info!("removed `{}`, left by a server that died", entry.path().display());
        }
    }
}

/// When a file of that name was made; `None` where it is no upload.
fn made_at(name: &str) -> Option<Timestamp> {
    let (made_at_us, rest) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let (numbers, ending) = rest.split_once('.')?;
    let (process, nth) = numbers.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_ours = is_number(made_at_us)
        && is_number(process)
        && is_number(nth)
        && ["csv", "csv.gz", "parquet"].contains(&ending);
    is_ours.then(|| Timestamp::from_microsecond(made_at_us.parse().ok()?).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_left_is_removed_a_day_later_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
        let age = |hours| now - SignedDuration::from_hours(hours);
        let old = path(folder.path(), age(25), 0, UploadFormat::Csv, true);
        let young = path(folder.path(), age(23), 1, UploadFormat::Parquet, false);
        let others = [".upload-1-2-3", ".upload-1-2-x.csv", "upload-1-2-3.csv", "report.html"];
        let others = others.map(|name| folder.path().join(name));
        for path in others.iter().chain([&old, &young]) {
            std::fs::write(path, "x").unwrap();
        }
        remove_leftovers(folder.path(), now);
        assert!(!old.exists());
        assert!(young.exists() && others.iter().all(|path| path.exists()));
    }
}
